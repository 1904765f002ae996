//! When replies may go out that are to wait for the disk (`durability = "fsync"`): syncs have numbers, and a reply
//! waits for the first one that begins after its batch.
//!
//! Knows no disk. The one thing to know: a sync that began before a batch was through may lack it; one that begins
//! later covers it, and also the report of another batch that made one of this stale ([`Node::settled_log_end`]).
//!
//! [`Node::settled_log_end`]: herd_core::node::Node::settled_log_end

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{Notify, watch};

use crate::gateway::Wait;

/// The numbers of syncs; clones speak of the same.
#[derive(Clone, Debug)]
pub(super) struct Syncs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The number of the sync that began last.
    begun: AtomicU64,
    /// The number of the last one that is done.
    done: watch::Sender<u64>,
    wanted: Notify,
}

impl Syncs {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            begun: AtomicU64::new(0),
            done: watch::Sender::new(0),
            wanted: Notify::new(),
        }))
    }

    /// Resolves when all that was applied before this call is on the disk.
    pub(super) fn wait(&self) -> Wait {
        let number = self.0.begun.load(Ordering::SeqCst) + 1;
        let mut done = self.0.done.subscribe();
        self.0.wanted.notify_one();
        Box::pin(async move {
            // The sender lives as long as the server; a server that is gone answers nobody.
            if done.wait_for(|done| *done >= number).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// Resolves when somebody has begun to wait since the last call did.
    pub(super) async fn wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// Has whoever looks after the disk look after it.
    pub(super) fn want(&self) {
        self.0.wanted.notify_one();
    }

    /// Begins a sync: gives its number. Whoever comes from here on waits for the next.
    pub(super) fn begin(&self) -> u64 {
        self.0.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The sync of that number is done, and so are all before it.
    pub(super) fn finish(&self, number: u64) {
        self.0.done.send_if_modified(|done| {
            let is_news = number > *done;
            *done = number.max(*done);
            is_news
        });
    }
}
