//! Who is linked, by which connection, and how far each neighbour's log was merged before.

use std::collections::BTreeMap;

use herd_core::{
    link::{Peer, Progress, Side, supersedes},
    server::Name,
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The links of one server by neighbour.
#[derive(Debug)]
pub(super) struct Registry {
    own: Name,
    edges: Mutex<BTreeMap<Name, Edge>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Edge {
    current: Option<Current>,
    progress: Option<Progress>,
}

#[derive(Debug)]
struct Current {
    number: u64,
    peer: Peer,
    side: Side,
    replaced: CancellationToken,
}

/// Leave to open a link.
#[derive(Debug)]
pub(super) struct Admission {
    /// How far the neighbour's log was merged over earlier connections.
    pub(super) progress: Option<Progress>,
    /// Another connection has taken this one's place.
    pub(super) replaced: CancellationToken,
}

impl Registry {
    pub(super) fn new(own: Name) -> Self {
        Self { own, edges: Mutex::default(), changed: Notify::new() }
    }

    /// Makes connection `number` the link with `peer`, unless there is one that is to stay.
    pub(super) fn admit(&self, number: u64, peer: &Peer, side: Side) -> Option<Admission> {
        let mut edges = self.edges.lock();
        let edge = edges.entry(peer.server.clone()).or_default();
        if let Some(current) = &edge.current {
            if !supersedes(&self.own, (peer, side), (&current.peer, current.side)) {
                return None;
            }
            current.replaced.cancel();
        }
        let replaced = CancellationToken::new();
        edge.current = Some(Current { number, peer: peer.clone(), side, replaced: replaced.clone() });
        Some(Admission { progress: edge.progress, replaced })
    }

    /// Takes note that connection `number` with `neighbour` is gone, and of how far it had come.
    pub(super) fn leave(&self, number: u64, neighbour: &Name, progress: Option<Progress>) {
        let mut edges = self.edges.lock();
        let Some(edge) = edges.get_mut(neighbour) else { return };
        // Without news the old progress stays right: the neighbour's log either still goes on from there or has
        // moved on, and says so.
        edge.progress = progress.or(edge.progress);
        if edge.current.as_ref().is_some_and(|current| current.number == number) {
            edge.current = None;
            drop(edges);
            self.changed.notify_waiters();
        }
    }

    /// Resolves when there is no link with `neighbour`.
    pub(super) async fn unlinked(&self, neighbour: &Name) {
        loop {
            let changed = self.changed.notified();
            if self.edges.lock().get(neighbour).is_none_or(|edge| edge.current.is_none()) {
                return;
            }
            changed.await;
        }
    }
}
