//! Wires one server together, and takes it apart in order.
//!
//! The only place that knows all parts. `run` takes bound listeners and a shutdown future, so a test is just another
//! caller.

use std::{io, sync::Arc, time::Duration};

use herd_core::{
    link::{Claim, Identity},
    node::{Node, NodeSettings},
    server::Name,
};
use tokio::{sync::watch, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    ending::Ending,
    engine::Engine,
    frontends::{self, Admission, ClientLimits, Service},
    gateway::{Gateway, Provider},
    links::{Certificates, Links},
    listen::Listeners,
    roster::{Contact, Roster},
    traffic::{Channel, Party, Traffic, TrafficSettings},
};

/// Time between two sweeps of expired reports: 16 sweeps pass the whole table.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Longest time that clients' tasks have to end: connections give themselves
/// [`DRAIN_MAX`](crate::frontends::DRAIN_MAX). With the two below this stays under the promised 5 s.
const TASKS_MAX: Duration = Duration::from_millis(2300);

/// Longest time that neighbours have to take what they have not got yet: a megabyte on a slow line.
const LINKS_MAX: Duration = Duration::from_secs(1);

/// Longest time that the traffic log has to be written: its buffers hold 16 MiB, a slow disk writes those in 1 s.
const LOG_MAX: Duration = Duration::from_secs(1);

/// What a server is made of.
#[derive(Debug)]
pub struct RunSettings {
    /// The herd's name.
    pub herd: Name,
    /// The node's own settings; its name is the server's.
    pub node: NodeSettings,
    /// The clocks.
    pub clock: Clock,
    /// Bounds on what clients may make it hold.
    pub limits: ClientLimits,
    /// What WHATSAT asks.
    pub provider: Provider,
    /// The traffic log, if there is to be one.
    pub traffic: Option<TrafficSettings>,
    /// Where neighbours can be dialled; those on it are the ones that may link.
    pub roster: watch::Receiver<Roster>,
    /// Whom it joins, beyond those.
    pub contacts: Vec<Contact>,
    /// What links show each other inside TLS; without, they are plain.
    pub certificates: watch::Receiver<Option<Certificates>>,
}

/// Why a server did not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system gives no thread for the traffic log: the machine is at fault, nothing was served.
    #[error("cannot start the traffic log: {0}")]
    Traffic(#[source] io::Error),
    /// Another server of the herd has this one's name. Whoever started the second is at fault; what clients had told this
    /// one was handed to its neighbours, as far as it had any.
    #[error("the name {0} is taken: {1}")]
    Claimed(Name, Claim),
}

/// Serves until `shutdown` resolves; then accepts nobody, answers what has arrived, writes everything down and returns
/// within 5 s.
///
/// # Errors
/// The server cannot start, or its name is another's.
pub async fn run(
    settings: RunSettings,
    mut listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<Ending, RunError> {
    let identity = identity(&settings);
    let now = settings.clock.now();
    let node = Arc::new(Node::new(NodeSettings {
        started_at: now.clock,
        started: now.moment,
        peer_address: listeners.peer.as_ref().and_then(|peer| peer.local_addr().ok()),
        ..settings.node
    }));
    let traffic = match settings.traffic {
        Some(traffic) => Traffic::start(traffic, Arc::clone(&node)).map_err(RunError::Traffic)?,
        None => Traffic::off(),
    };
    let engine = Arc::new(Engine::new(node, settings.clock, traffic.clone()));
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();

    tasks.spawn(sweep(Arc::clone(&engine), stop.clone()));
    let log = Party { channel: Channel::Log, peer: None };
    traffic.pen().came(log, engine.clock(), concat!("server starts, herd ", env!("CARGO_PKG_VERSION")));
    let (edges, certificates) = ((&settings.roster, settings.contacts), settings.certificates);
    let links =
        Links::start(Arc::clone(&engine), identity.clone(), edges, certificates, listeners.peer.take());
    let service = Service {
        gateway: Gateway::new(Arc::clone(&engine), settings.provider, Arc::clone(&links) as _),
        admission: Arc::new(Admission::new(&settings.limits)),
        limits: settings.limits,
        tasks: tasks.clone(),
        stop: stop.clone(),
    };
    for start in frontends::ALL {
        start(&mut listeners, &service);
    }

    let ending = tokio::select! {
        () = shutdown => Ending::Stopped,
        ending = engine.ended() => ending,
    };
    stop.cancel();
    tasks.close();
    if time::timeout(TASKS_MAX, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "some tasks did not end in time");
    }
    // After the clients, whose last reports the neighbours are to have.
    if time::timeout(LINKS_MAX, links.drain()).await.is_err() {
        tracing::warn!("some neighbours did not get everything in time");
    }
    traffic.pen().went(log, engine.clock(), "server stops");
    if !matches!(tokio::task::spawn_blocking(move || traffic.stop(LOG_MAX)).await, Ok(true)) {
        tracing::warn!("the traffic log could not be finished");
    }
    match ending {
        Ending::Claimed(claim) => Err(RunError::Claimed(identity.server, claim)),
        Ending::Stopped | Ending::Left => Ok(ending),
    }
}

/// Who this server is to its neighbours.
fn identity(settings: &RunSettings) -> Identity {
    Identity {
        herd: settings.herd.clone(),
        server: settings.node.name.clone(),
        incarnation: settings.node.incarnation,
        key: settings.node.herd_key.clone(),
        neighbours: settings.roster.borrow().neighbours().map(|(name, _)| name.clone()).collect(),
        joins: false,
    }
}

/// Drops expired reports, a sixteenth of the table at a time.
async fn sweep(engine: Arc<Engine>, stop: CancellationToken) {
    let mut every = time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        engine.node().sweep(engine.clock());
    }
}
