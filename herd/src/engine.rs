//! The only place that turns the world into inputs of the node: it reads the clock, hands batches over, and wakes the
//! links when something was news.
//!
//! It is called from any thread and never waits. Nothing here knows a socket.

use std::sync::Arc;

use herd_core::{
    command::Command,
    node::{Answer, Effects, Node},
    time::{Now, Timestamp},
};
use tokio::sync::{Notify, futures::Notified};

use crate::{
    clock::Clock,
    ending::{Ending, Verdict},
    muffler::Muffler,
    traffic::Traffic,
};

/// One server's node with its clock, its traffic log and the alarm for its links.
#[derive(Debug)]
pub struct Engine {
    node: Arc<Node>,
    clock: Clock,
    traffic: Traffic,
    fresh: Notify,
    evictions: Muffler,
    verdict: Verdict,
}

impl Engine {
    /// An engine around a node.
    #[must_use]
    pub fn new(node: Arc<Node>, clock: Clock, traffic: Traffic) -> Self {
        Self {
            node,
            clock,
            traffic,
            fresh: Notify::new(),
            evictions: Muffler::default(),
            verdict: Verdict::default(),
        }
    }

    /// The node, for reading.
    #[must_use]
    pub const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The wall clock.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.clock.read()
    }

    /// The log of everything that clients and neighbours send and get.
    #[must_use]
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Applies commands of clients in order and appends an answer for each; all of them happen at the time returned.
    pub fn submit(&self, commands: &[Command<'_>], answers: &mut Vec<Answer>) -> Timestamp {
        let clock = self.clock.read();
        let effects = self.node.apply(commands, clock, answers);
        self.conclude(&effects);
        clock
    }

    /// Says why the server is to end; the first reason counts.
    pub fn end(&self, ending: Ending) {
        self.verdict.say(ending);
    }

    /// Says to the herd that this server leaves for good, and ends.
    pub fn leave(&self) {
        self.node.members().leave();
        self.wake();
        self.end(Ending::Left);
    }

    /// Resolves when there is a reason to end.
    pub async fn ended(&self) -> Ending {
        self.verdict.said().await
    }

    /// Wakes links: they have something to send that is in no log.
    pub fn wake(&self) {
        self.fresh.notify_waiters();
    }

    /// Does what follows from a batch: wakes links, tells of evictions. Whoever calls the node's `merge` calls this
    /// with what it returned.
    pub fn conclude(&self, effects: &Effects) {
        if !effects.fresh.is_empty() {
            self.wake();
        }
        self.evicted(effects.evicted);
    }

    /// Tells now and then how many clients had to go because the table is full.
    pub fn evicted(&self, clients: usize) {
        if clients > 0
            && let Some(clients) = self.evictions.count(clients as u64)
        {
            tracing::warn!(clients, "the table is full: the longest-silent clients had to go");
        }
    }

    /// Resolves when something was appended to the log, or links were woken, after this call, which counts from its creation and not
    /// from its first poll. So no wake-up is lost by whoever does it in this order:
    ///
    /// ```text
    /// loop {
    ///     let fresh = engine.fresh();      // 1. register
    ///     if read_log(..) has nothing {    // 2. look
    ///         fresh.await;                 // 3. wait
    ///     }
    /// }
    /// ```
    pub fn fresh(&self) -> Notified<'_> {
        self.fresh.notified()
    }
}
