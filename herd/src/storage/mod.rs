//! What a server keeps on disk: its table, written behind, and recovered before the first reply.
//!
//! Nothing here decides what is to be written (that is [`herd_core::write_behind`]), and no request waits for it unless
//! the operator wants that. A disk that is full or broken is told about, tried again every second, and stops nothing.
//!
//! The way of a report: `driver` waits until something is fresh and 20 ms more; `pen` writes all there is as one
//! transaction of `store`; `driver` has it synced within half a second, in another thread.

mod driver;
mod folder;
mod identity;
mod pen;
mod recovery;
mod store;
mod syncs;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use herd_core::{log::LogPosition, node::Node, server::Name, time::Timestamp, write_behind::WriteBehind};
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    engine::Engine,
    gateway::{DiskState, DiskWatch, Durable},
};
use folder::Folder;
use identity::Identity;
use pen::{KeepOld, Pen};
use recovery::Tally;
use store::{Store, StoreOpenError};
use syncs::Syncs;

/// Where and how a server keeps its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    /// The folder of this server; made if it is not there.
    pub folder: PathBuf,
    /// Whether the reply to a report waits until the report is synced.
    pub replies_wait: bool,
}

/// Why a server's folder cannot be used. The configuration, or whoever put things there, is at fault; nothing was
/// changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another process uses this data folder; does this server run already? {0:?}")]
    Locked(PathBuf),
    /// It is the folder of another server or herd.
    #[error("this data folder belongs to {owner}, not to {asker}: {path:?}")]
    Foreign {
        /// The store.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who asks.
        asker: String,
    },
    /// A newer version of this program wrote there.
    #[error("this data folder was written by a newer version of herd (format {version}): {path:?}")]
    Newer {
        /// The store.
        path: PathBuf,
        /// The version of its format.
        version: u8,
    },
    /// It cannot be made, read or locked.
    #[error("cannot use the data folder {path:?}: {error}")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

/// A folder that is ours, and whose reports are in the node.
#[derive(Debug)]
pub struct Recovered {
    pen: Pen,
    replies_wait: bool,
}

/// The disk's part of a running server.
pub struct Storage {
    node: Arc<Node>,
    facts: Arc<Mutex<Facts>>,
    syncs: Option<Syncs>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What the driver notes.
#[derive(Debug, Default)]
struct Facts {
    position: LogPosition,
    unsynced_since: Option<Instant>,
    error: Option<String>,
}

impl Facts {
    fn state(&self, node: &Node) -> DiskState {
        DiskState {
            lag_bytes: node.log_end().as_bytes().saturating_sub(self.position.as_bytes()),
            unsynced_for: self.unsynced_since.map(|since| since.elapsed()),
            error: self.error.clone(),
        }
    }
}

/// Locks a server's folder and merges what is there into its node; what is damaged is told about and left out. Takes as
/// long as reading takes.
///
/// # Errors
/// The folder is not this server's, or cannot be used.
pub fn recover(
    settings: &StorageSettings,
    herd: &Name,
    node: &Arc<Node>,
    clock: Timestamp,
) -> Result<Recovered, OpenError> {
    let identity = Identity { herd: herd.clone(), server: node.settings().name.clone() };
    let folder = Folder::open(&settings.folder)?;
    let began = Instant::now();
    let mut tally = Tally::default();
    let path = folder.store();
    let store = match Store::open(&path, &identity) {
        Ok(store) => Some(store),
        Err(StoreOpenError::Missing) => None,
        Err(StoreOpenError::Foreign(owner)) => {
            let (owner, asker) = (owner.to_string(), identity.to_string());
            return Err(OpenError::Foreign { path, owner, asker });
        }
        Err(StoreOpenError::Newer(version)) => return Err(OpenError::Newer { path, version }),
        Err(StoreOpenError::Store(error)) => {
            tally.blame(&error);
            None
        }
    };
    if let Some(store) = &store {
        recovery::restore(store, node, clock, &mut tally);
    }
    let is_complete = store.as_ref().is_some_and(Store::is_complete);
    let others = if is_complete { Vec::new() } else { folder.damaged() };
    for other in &others {
        tracing::info!(path = ?other, "the store is not complete, an earlier one is read too");
        if let Ok(store) = Store::open(other, &identity) {
            recovery::restore(&store, node, clock, &mut Tally::default());
        }
    }
    tell(&tally, node, began.elapsed());
    let goes_on = match store {
        Some(store) if tally.fault.is_none() && others.is_empty() => Ok(WriteBehind::new(store.held())),
        // Killed before it was complete: goes on, since a store less to move aside is an old one more that stays.
        Some(store) if tally.fault.is_none() => Ok(WriteBehind::anew(node, store.held())),
        _ => Err(KeepOld(true)),
    };
    let mut pen = Pen::new(folder, identity, Arc::clone(node), goes_on);
    if let Err(error) = pen.write() {
        tracing::warn!(%error, "reports cannot be written to disk; serving goes on");
    }
    Ok(Recovered { pen, replies_wait: settings.replies_wait })
}

fn tell(tally: &Tally, node: &Node, took: Duration) {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(reports = node.clients(), blocks = tally.blocks, took_ms, "restored");
    if let Some(fault) = &tally.fault {
        tracing::warn!(
            lost_blocks = tally.lost_blocks,
            lost_bytes = tally.lost_bytes,
            restored = node.clients(),
            fault,
            "the store is damaged: what could not be read is left out, and neighbours are asked for it"
        );
    }
}

impl Recovered {
    /// Begins to write down what is news to the node of `engine`, which is the one that was recovered.
    #[must_use]
    pub fn start(self, engine: &Arc<Engine>) -> Storage {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (facts, syncs) = (Arc::default(), Syncs::new());
        let course = driver::Course {
            engine: Arc::clone(engine),
            facts: Arc::clone(&facts),
            syncs: syncs.clone(),
            replies_wait: self.replies_wait,
            stop: stop.clone(),
        };
        driver::start(self.pen, course, &tasks);
        tasks.close();
        let syncs = self.replies_wait.then_some(syncs);
        Storage { node: Arc::clone(engine.node()), facts, syncs, tasks, stop }
    }
}

impl Storage {
    /// What replies have to wait for, if they do.
    #[must_use]
    pub fn durable(&self) -> Option<Durable> {
        let syncs = self.syncs.clone()?;
        Some(Arc::new(move || syncs.wait()))
    }

    /// How an operator watches it.
    #[must_use]
    pub fn watch(&self) -> DiskWatch {
        let (node, facts) = (Arc::clone(&self.node), Arc::clone(&self.facts));
        Arc::new(move || facts.lock().state(&node))
    }

    /// Writes and syncs what there is; says whether everything was. Takes as long as the disk.
    pub async fn stop(self) -> bool {
        self.stop.cancel();
        self.tasks.wait().await;
        let facts = self.facts.lock();
        facts.error.is_none() && facts.unsynced_since.is_none()
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("state", &self.facts.lock().state(&self.node)).finish_non_exhaustive()
    }
}
