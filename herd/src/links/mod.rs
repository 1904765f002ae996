//! Links: one connection per edge, dialled from both ends and kept from whichever came first by the rule.
//!
//! Everything that a link says and understands is `herd_core::link`'s; here are the sockets, the redialling, and who
//! is linked. Nothing in here knows a front-end, places or messages.

mod dialling;
mod connection;
mod envelope;
mod certificates;
mod registry;
mod strangers;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use herd_core::link::Identity;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task, time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    engine::Engine,
    gateway::{LinkState, Surroundings},
    muffler::Refrains,
    roster::{Contact, Roster},
};

use connection::{Connection, ConnectionError, Ended};
use registry::Registry;
use strangers::Strangers;

pub use certificates::{Certificates, CertificatesError};

/// Wait after the system refused to accept a connection, for want of open files mostly.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// All links of one server.
#[derive(Debug)]
pub struct Links {
    engine: Arc<Engine>,
    identity: Identity,
    registry: Registry,
    /// Connections since the server started.
    connections: AtomicU64,
    strangers: Arc<Strangers>,
    /// What connections that begin now show and believe; without, they are plain.
    certificates: watch::Receiver<Option<Certificates>>,
    /// Servers that were turned away, or turned us away.
    refusals: Refrains,
    tasks: TaskTracker,
    draining: CancellationToken,
}

impl Links {
    /// Starts to accept at `listener`, if this server can be dialled, and to dial the neighbours in `roster` and the
    /// `contacts` that it joins the herd by; inside TLS if there are `certificates`.
    #[must_use]
    pub fn start(
        engine: Arc<Engine>,
        identity: Identity,
        (roster, contacts): (&watch::Receiver<Roster>, Vec<Contact>),
        certificates: watch::Receiver<Option<Certificates>>,
        listener: Option<TcpListener>,
    ) -> Arc<Self> {
        let links = Arc::new(Self {
            engine,
            registry: Registry::new(identity.server.clone(), identity.neighbours.clone()),
            connections: AtomicU64::new(0),
            strangers: Arc::default(),
            certificates,
            refusals: Refrains::default(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            identity,
        });
        let is_reachable = listener.is_some();
        if let Some(listener) = listener {
            links.tasks.spawn(Arc::clone(&links).accept(listener));
        }
        for neighbour in links.identity.neighbours.clone() {
            links.tasks.spawn(Arc::clone(&links).keep_linked(neighbour, roster.clone(), is_reachable));
        }
        for contact in contacts {
            links.tasks.spawn(Arc::clone(&links).keep_joined(contact));
        }
        links
    }

    /// Hands what neighbours have not got yet to them, then ends all links.
    pub async fn drain(&self) {
        self.draining.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Some(accepted) = self.draining.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, address)) => {
                    self.welcome(stream, address);
                    // Whoever connects again and again stands behind all others who are ready.
                    task::yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a neighbour");
                    let _ = self.draining.run_until_cancelled(time::sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
    }

    /// Serves a connection in a task of its own.
    fn welcome(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let links = Arc::clone(self);
        let connection = Connection::accepted(Arc::clone(self), stream, address);
        self.tasks.spawn(async move {
            let ended = if links.is_exposed(address) {
                Ended::failed(ConnectionError::Exposed)
            } else {
                connection.run().await
            };
            let why = ended.why;
            match why.is_refusal().then(|| links.refusals.count(&why.to_string())).flatten() {
                Some(times) => tracing::warn!(%address, %why, times, "no link"),
                None => tracing::debug!(%address, %why, "a connection from a neighbour ended"),
            }
        });
    }

    /// Whether nothing would protect a link with that address, wherever we know it from.
    fn is_exposed(&self, address: SocketAddr) -> bool {
        let is_protected = self.identity.key.is_secret() || self.certificates.borrow().is_some();
        !is_protected && !address.ip().is_loopback()
    }

    /// The number of a new connection.
    fn next_number(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Surroundings for Links {
    fn links(&self) -> Vec<LinkState> {
        self.registry.states(self.engine.node().record_bytes_mean())
    }
}

#[cfg(test)]
mod tests {
    use herd_core::{
        node::{Node, NodeSettings},
        secret::HerdKey,
        server::Name,
        time::Timestamp,
    };
    use socket2::{Domain, Socket, Type};
    use tokio::time::Instant;

    use super::*;
    use crate::{clock::Clock, traffic::Traffic};

    #[tokio::test(start_paused = true)]
    async fn a_server_that_cannot_accept_neighbours_stops_at_once() {
        // The wait after a failure went on when the server stopped, and that took a second more.
        let name = Name::new("Goloman").unwrap();
        let key = HerdKey::derive(&name, None);
        let node = Arc::new(Node::new(NodeSettings::new(name.clone(), 1, 2, key.clone())));
        let clock = Clock::standing(Timestamp::from_nanos(1));
        let identity = Identity {
            herd: name.clone(),
            server: name,
            incarnation: 1,
            key,
            neighbours: Vec::new(),
            joins: false,
        };
        // Nobody ever told it to listen, so it has nothing to accept but errors.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let links = Links::start(
            Arc::new(Engine::new(node, clock, Traffic::off())),
            identity,
            (&watch::channel(Roster::default()).1, Vec::new()),
            watch::channel(None).1,
            Some(TcpListener::from_std(socket.into()).unwrap()),
        );
        for _ in 0..100 {
            task::yield_now().await;
        }
        let began = Instant::now();
        links.drain().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
