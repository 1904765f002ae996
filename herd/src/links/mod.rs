//! Links: one connection per edge, dialled from both ends and kept from whichever came first by the rule.
//!
//! Everything that a link says and understands is `herd_core::link`'s; here are the sockets, the redialling, and who
//! is linked. Nothing in here knows a front-end, places or messages.

mod connection;
mod envelope;
mod certificates;
mod registry;
mod strangers;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use herd_core::{
    limits::{HANDSHAKE_MAX, REDIAL_FIRST, REDIAL_LONGEST},
    link::Identity,
    server::Name,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    engine::Engine,
    gateway::{LinkState, Surroundings},
    muffler::Muffler,
    roster::Roster,
};

use connection::{Connection, ConnectionError, Ended};
use envelope::EnvelopeError;
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
    refusals: Muffler,
    tasks: TaskTracker,
    draining: CancellationToken,
}

impl Links {
    /// Starts to accept at `listener`, if this server can be dialled, and to dial the neighbours in `roster`; inside TLS if
    /// there are `certificates`.
    #[must_use]
    pub fn start(
        engine: Arc<Engine>,
        identity: Identity,
        roster: &watch::Receiver<Roster>,
        certificates: watch::Receiver<Option<Certificates>>,
        listener: Option<TcpListener>,
    ) -> Arc<Self> {
        let links = Arc::new(Self {
            engine,
            registry: Registry::new(identity.server.clone(), identity.neighbours.clone()),
            connections: AtomicU64::new(0),
            strangers: Arc::default(),
            certificates,
            refusals: Muffler::default(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
            identity,
        });
        if let Some(listener) = listener {
            links.tasks.spawn(Arc::clone(&links).accept(listener));
        }
        for neighbour in links.identity.neighbours.clone() {
            links.tasks.spawn(Arc::clone(&links).keep_linked(neighbour, roster.clone()));
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
                Ok((stream, address)) => self.welcome(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a neighbour");
                    time::sleep(ACCEPT_PAUSE).await;
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
            match why.is_refusal().then(|| links.refusals.count(1)).flatten() {
                Some(times) => tracing::warn!(%address, %why, times, "no link"),
                None => tracing::debug!(%address, %why, "a connection from a neighbour ended"),
            }
        });
    }

    /// Dials a neighbour whenever there is no link with it.
    async fn keep_linked(self: Arc<Self>, neighbour: Name, mut roster: watch::Receiver<Roster>) {
        let mut pause = REDIAL_FIRST;
        let mut told = None;
        loop {
            let address = self.draining.run_until_cancelled(self.dialable(&neighbour, &mut roster)).await;
            let Some(Some(address)) = address else { return };
            self.registry.dialled(&neighbour);
            let ended = self.dial(&neighbour, address).await;
            let why = ended.why.to_string();
            self.registry.ended(&neighbour, why.clone());
            if ended.why.is_refusal() && told.as_ref() != Some(&why) {
                // Said once: it is dialled again every few seconds until somebody mends it.
                tracing::warn!(%neighbour, %address, why, "no link");
                told = Some(why);
            } else {
                tracing::debug!(%neighbour, %address, why, "a connection to a neighbour ended");
            }
            // Whoever turns us away by its own lights has let us in first.
            let was_link = ended.was_open && !ended.why.is_refusal();
            if was_link {
                told = None;
            }
            pause = if was_link { REDIAL_FIRST } else { (pause * 2).min(REDIAL_LONGEST) };
            if self.draining.run_until_cancelled(time::sleep(jittered(pause))).await.is_none() {
                return;
            }
        }
    }

    /// Waits until there is no link with the neighbour; says where to dial it, once that is known. None when nobody
    /// will tell any more.
    async fn dialable(&self, neighbour: &Name, roster: &mut watch::Receiver<Roster>) -> Option<SocketAddr> {
        self.registry.unlinked(neighbour).await;
        if self.identity.server > *neighbour {
            // Of two connections dialled at once that of the smaller name stays: let it be first.
            time::sleep(jittered(REDIAL_FIRST)).await;
            self.registry.unlinked(neighbour).await;
        }
        let known = roster.wait_for(|roster| roster.address(neighbour).is_some()).await;
        known.ok().and_then(|roster| roster.address(neighbour))
    }

    async fn dial(self: &Arc<Self>, neighbour: &Name, address: SocketAddr) -> Ended {
        if self.is_exposed(address) {
            return Ended::failed(ConnectionError::Exposed);
        }
        match time::timeout(HANDSHAKE_MAX, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                Connection::dialled(Arc::clone(self), stream, address, neighbour.clone()).run().await
            }
            Ok(Err(error)) => Ended::failed(EnvelopeError::Socket(error)),
            Err(_) => Ended::failed(EnvelopeError::Socket(io::ErrorKind::TimedOut.into())),
        }
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

/// Between half and all of a wait, so that a herd that lost one server does not dial it in step.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}
