//! What lies between the servers, and how it goes wrong.
//!
//! Two ways: a router in network namespaces, where packets really vanish, and relays between loopback ports where that
//! is not allowed. Clients reach each server through its [`Place`], which no fault touches.

pub(super) mod routed;
pub(super) mod wired;

use std::{net::SocketAddr, time::Duration};

use super::place::Place;

/// A server by its index in [`SERVERS`].
pub(super) type Server = usize;

/// The herd `goloman`, and who talks with whom.
pub(super) const SERVERS: [&str; 5] = ["Goloman", "Hands", "Holiday", "Welsh", "Wilkes"];
/// See [`SERVERS`].
pub(super) const EDGES: [(Server, Server); 6] = [(0, 1), (0, 2), (0, 4), (1, 4), (2, 3), (2, 4)];

/// Where a server listens. A port of 0 is any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) line: SocketAddr,
    pub(super) peer: SocketAddr,
}

/// A server has to be told where to dial a neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction {
    pub(super) dialler: Server,
    pub(super) neighbour: Server,
    pub(super) address: SocketAddr,
}

pub(super) trait Network: Sync {
    /// What it is, for people.
    fn describe(&self) -> String;

    /// Where a server runs, and its clients.
    fn place(&self, server: Server) -> &Place;

    /// Where a server is to listen.
    fn addresses(&self, server: Server) -> Addresses;

    /// A server listens for its neighbours at `peer`; who has to be told what.
    fn note(&self, server: Server, peer: SocketAddr) -> Vec<Direction>;

    /// Nothing passes from one server to another any more, and neither is told.
    fn cut(&self, from: Server, to: Server) -> anyhow::Result<()>;

    /// Undoes a [`Network::cut`].
    fn mend(&self, from: Server, to: Server) -> anyhow::Result<()>;

    /// Pulls a server's cable.
    fn isolate(&self, server: Server) -> anyhow::Result<()> {
        both_ways(server).try_for_each(|(from, to)| self.cut(from, to))
    }

    /// Plugs it in again.
    fn rejoin(&self, server: Server) -> anyhow::Result<()> {
        both_ways(server).try_for_each(|(from, to)| self.mend(from, to))
    }

    /// All that a server says to and hears from others is limited to so many bytes a second; 0 lifts that.
    ///
    /// # Errors
    /// Also where the system has no means for it.
    fn slow(&self, server: Server, rate: u64) -> anyhow::Result<()>;

    /// What passes between two neighbours takes up to so long each way; zero lifts that. Says who has to be told what
    /// before their link goes that way.
    fn delay(&self, edge: (Server, Server), delay: Duration) -> anyhow::Result<Vec<Direction>>;
}

/// The servers that have an edge with this one.
pub(super) fn neighbours(server: Server) -> impl Iterator<Item = Server> {
    EDGES.into_iter().filter_map(move |(a, b)| match server {
        server if server == a => Some(b),
        server if server == b => Some(a),
        _ => None,
    })
}

fn both_ways(server: Server) -> impl Iterator<Item = (Server, Server)> {
    neighbours(server).flat_map(move |neighbour| [(server, neighbour), (neighbour, server)])
}
