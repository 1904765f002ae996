//! Who is linked, by which connection, how far each neighbour's log was merged before, and how it all went.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use herd_core::{
    limits::JOINERS_MAX,
    link::{Peer, Progress, Side, Standing, judge},
    server::Name,
    time::Moment,
    wire::peer::Refusal,
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::gateway::{LinkState, LinkUp};

/// The links of one server by neighbour.
#[derive(Debug)]
pub(super) struct Registry {
    own: Name,
    neighbours: Vec<Name>,
    edges: Mutex<BTreeMap<Name, Edge>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Edge {
    current: Option<Current>,
    progress: Option<Progress>,
    /// What all links before the current one came to.
    past: Figures,
    links: u64,
    redials: u64,
    ended: Option<String>,
}

#[derive(Debug)]
struct Current {
    number: u64,
    peer: Peer,
    side: Side,
    address: Option<SocketAddr>,
    replaced: CancellationToken,
    figures: Arc<Mutex<Figures>>,
}

/// What a link has come to, kept up by its connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    /// What its state machine says.
    pub(super) standing: Standing,
    /// Bytes sent.
    pub(super) sent: u64,
    /// Bytes received.
    pub(super) received: u64,
    /// When something came from the neighbour last.
    pub(super) heard_at: Moment,
}

/// Leave to open a link.
#[derive(Debug)]
pub(super) struct Admission {
    /// How far the neighbour's log was merged over earlier connections.
    pub(super) progress: Option<Progress>,
    /// Where the connection writes down how it goes.
    pub(super) figures: Arc<Mutex<Figures>>,
}

impl Registry {
    /// Of server `own`, whose configured edges lead to `neighbours`; none of them is linked yet.
    pub(super) fn new(own: Name, neighbours: Vec<Name>) -> Self {
        let edges = neighbours.iter().map(|name| (name.clone(), Edge::default())).collect();
        Self { own, neighbours, edges: Mutex::new(edges), changed: Notify::new() }
    }

    /// Makes connection `number` from or to `address` the link with `peer`, unless there is one that is to stay; `replaced`
    /// fires when another takes its place.
    ///
    /// # Errors
    /// What the peer is to be told.
    pub(super) fn admit(
        &self,
        (number, replaced): (u64, &CancellationToken),
        peer: &Peer,
        (side, address): (Side, Option<SocketAddr>),
        now: Moment,
    ) -> Result<Admission, Refusal> {
        let mut edges = self.edges.lock();
        let current = edges.get(&peer.server).and_then(|edge| edge.current.as_ref());
        let known =
            current.map(|current| (&current.peer, current.side, now.since(current.figures.lock().heard_at)));
        judge(&self.own, (peer, side), known)?;
        if let Some(current) = current {
            current.replaced.cancel();
        } else if side == Side::Acceptor && !self.neighbours.contains(&peer.server) {
            self.make_room(&mut edges)?;
        }
        let edge = edges.entry(peer.server.clone()).or_default();
        let figures = Arc::new(Mutex::new(Figures { heard_at: now, ..Figures::default() }));
        edge.links += 1;
        edge.past = edge.figures();
        edge.current = Some(Current {
            number,
            peer: peer.clone(),
            side,
            address,
            replaced: replaced.clone(),
            figures: Arc::clone(&figures),
        });
        Ok(Admission { progress: edge.progress, figures })
    }

    /// Forgets joiners that are gone for the sake of one that comes.
    fn make_room(&self, edges: &mut BTreeMap<Name, Edge>) -> Result<(), Refusal> {
        if edges.len() < self.neighbours.len() + JOINERS_MAX {
            return Ok(());
        }
        edges.retain(|name, edge| edge.current.is_some() || self.neighbours.contains(name));
        if edges.len() < self.neighbours.len() + JOINERS_MAX { Ok(()) } else { Err(Refusal::Full) }
    }

    /// Takes note that `neighbour` is dialled once more.
    pub(super) fn dialled(&self, neighbour: &Name) {
        if let Some(edge) = self.edges.lock().get_mut(neighbour) {
            edge.redials += 1;
        }
    }

    /// Takes note of why a connection that was to be a link, or was one, ended.
    pub(super) fn ended(&self, neighbour: &Name, why: String) {
        if let Some(edge) = self.edges.lock().get_mut(neighbour) {
            edge.ended = Some(why);
        }
    }

    /// How things stand with the neighbours; a report takes `record_bytes` on the way.
    pub(super) fn states(&self, record_bytes: u64) -> Vec<LinkState> {
        let edges = self.edges.lock();
        edges.iter().map(|(neighbour, edge)| edge.state(neighbour, record_bytes)).collect()
    }

    /// Takes note that connection `number` with `neighbour` is gone, and of how far it had come. The edge of a joiner that
    /// `has_left` is forgotten.
    pub(super) fn leave(&self, number: u64, neighbour: &Name, progress: Option<Progress>, has_left: bool) {
        let mut edges = self.edges.lock();
        let Some(edge) = edges.get_mut(neighbour) else { return };
        // Without news the old progress stays right: the neighbour's log either still goes on from there or has
        // moved on, and says so.
        edge.progress = progress.or(edge.progress);
        if edge.current.as_ref().is_some_and(|current| current.number == number) {
            edge.past = edge.figures();
            edge.current = None;
            if has_left && !self.neighbours.contains(neighbour) {
                edges.remove(neighbour);
            }
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

impl Edge {
    /// What all its links together came to.
    fn figures(&self) -> Figures {
        let Some(current) = &self.current else { return self.past };
        let Figures { mut standing, sent, received, heard_at } = *current.figures.lock();
        standing.copied += self.past.standing.copied;
        standing.healed += self.past.standing.healed;
        Figures { standing, sent: sent + self.past.sent, received: received + self.past.received, heard_at }
    }

    fn state(&self, neighbour: &Name, record_bytes: u64) -> LinkState {
        let Figures { standing, sent, received, .. } = self.figures();
        let up = self.current.as_ref().map(|current| LinkUp {
            address: current.address,
            is_dialled: current.side == Side::Dialler,
            is_synced: standing.is_synced,
            lag_reports: standing.lag_bytes.div_ceil(record_bytes.max(1)),
            lag: standing.lag,
        });
        LinkState {
            neighbour: neighbour.clone(),
            up,
            sent_bytes: sent,
            received_bytes: received,
            links: self.links,
            redials: self.redials,
            copied: standing.copied,
            healed: standing.healed,
            ended: self.ended.clone(),
        }
    }
}
