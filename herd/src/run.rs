//! Wires one server together, and takes it apart in order.
//!
//! The only place that knows all parts. `run` takes bound listeners and a shutdown future, so a test is just another
//! caller.

use std::{io, pin::pin, sync::Arc, time::Duration};

use herd_core::{
    link::{Claim, Identity},
    node::{Node, NodeSettings},
    server::Name,
    time::Timestamp,
};
use tokio::{runtime::Handle, sync::watch, task::spawn_blocking, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    ending::Ending,
    engine::Engine,
    frontends::{self, Admission, ClientLimits, Service, Turnstile},
    gateway::{Control, Gateway, Provider},
    links::{Certificates, Links},
    listen::Listeners,
    roster::{Contact, Roster},
    storage::{self, OpenError, Recovered, Storage, StorageSettings},
    traffic::{Channel, Party, Traffic, TrafficSettings},
};

/// Time between two sweeps of expired reports: 16 sweeps pass the whole table.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Time that providers have for what they were asked, once the server stops: most answer sooner. The rest of
/// [`DRAIN_MAX`](crate::frontends::DRAIN_MAX) is for what clients asked behind that, and for writing.
const PROVIDERS_MAX: Duration = Duration::from_secs(1);

/// Longest time that clients' tasks have to end: connections give themselves
/// [`DRAIN_MAX`](crate::frontends::DRAIN_MAX). With the two below this stays under the promised 5 s.
const TASKS_MAX: Duration = Duration::from_millis(2300);

/// Longest time that neighbours have to take what they have not got yet: a megabyte on a slow line.
const LINKS_MAX: Duration = Duration::from_secs(1);

/// Longest time that the last reports have to be written to disk and synced; runs beside the two below.
const STORAGE_MAX: Duration = Duration::from_secs(1);

/// Longest time that the requests to the provider have to be counted: a small file is written and synced.
const BUDGET_MAX: Duration = Duration::from_secs(1);

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
    /// Where the table is kept, if it is to outlive the server.
    pub storage: Option<StorageSettings>,
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
    /// The data folder cannot be used: the configuration is at fault, nothing was served.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The thread that reads the data folder ended: we are at fault, nothing was served.
    #[error("the data folder was not read to its end: {0}")]
    Recovery(String),
    /// Nobody can be told that the server is ready: whoever reads its output is gone, nothing was served.
    #[error("cannot announce the addresses: {0}")]
    Announce(#[source] io::Error),
}

/// Recovers what the disk has, says so through `announce`, and serves until `shutdown` resolves; then accepts nobody,
/// answers what has arrived, writes everything down and returns within 5 s.
///
/// # Errors
/// The server cannot start, or its name is another's.
pub async fn run(
    settings: RunSettings,
    mut listeners: Listeners,
    announce: impl FnOnce(&Listeners) -> io::Result<()>,
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
    let mut shutdown = pin!(shutdown);
    let recovered = tokio::select! {
        recovered = recover(settings.storage, &settings.herd, &node, now.clock) => recovered?,
        // Reading goes on in its thread, which the end of the process ends.
        () = &mut shutdown => return Ok(Ending::Stopped),
    };
    let traffic = match settings.traffic {
        Some(traffic) => Traffic::start(traffic, Arc::clone(&node), now.clock).map_err(RunError::Traffic)?,
        None => Traffic::off(),
    };
    let engine = Arc::new(Engine::new(node, settings.clock, traffic.clone()));
    let storage = recovered.map(|recovered| recovered.start(&engine));
    announce(&listeners).map_err(RunError::Announce)?;
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();

    tasks.spawn(sweep(Arc::clone(&engine), stop.clone()));
    let log = Party { channel: Channel::Log, peer: None };
    traffic.pen().came(log, engine.clock(), concat!("server starts, herd ", env!("CARGO_PKG_VERSION")));
    let control = Arc::clone(&settings.provider.control);
    let (edges, certificates) = ((&settings.roster, settings.contacts), settings.certificates);
    let links =
        Links::start(Arc::clone(&engine), identity.clone(), edges, certificates, listeners.peer.take());
    let gateway = Gateway::new(Arc::clone(&engine), settings.provider, Arc::clone(&links) as _);
    let service = Service {
        gateway: gateway
            .waiting_for(storage.as_ref().and_then(Storage::durable))
            .watching(storage.as_ref().map(Storage::watch)),
        admission: Arc::new(Admission::new(&settings.limits)),
        turnstile: Turnstile::new(Handle::current().metrics().num_workers()),
        limits: settings.limits,
        tasks: tasks.clone(),
        stop: stop.clone(),
    };
    for start in frontends::ALL {
        start(&mut listeners, &service);
    }

    let ending = tokio::select! {
        () = &mut shutdown => Ending::Stopped,
        ending = engine.ended() => ending,
    };
    tasks.close();
    stop.cancel();
    finish_clients(&tasks, &*control).await;
    // After the clients, whose last reports the neighbours are to have.
    if time::timeout(LINKS_MAX, links.drain()).await.is_err() {
        tracing::warn!("some neighbours did not get everything in time");
    }
    traffic.pen().went(log, engine.clock(), "server stops");
    tokio::join!(finish_storage(storage), finish_log(traffic), finish_provider(control));
    match ending {
        Ending::Claimed(claim) => Err(RunError::Claimed(identity.server, claim)),
        Ending::Stopped | Ending::Left => Ok(ending),
    }
}

/// Brings back what the disk has, if anything is to be kept there.
async fn recover(
    settings: Option<StorageSettings>,
    herd: &Name,
    node: &Arc<Node>,
    clock: Timestamp,
) -> Result<Option<Recovered>, RunError> {
    let Some(settings) = settings else { return Ok(None) };
    let (herd, node) = (herd.clone(), Arc::clone(node));
    let recovered = spawn_blocking(move || storage::recover(&settings, &herd, &node, clock)).await;
    Ok(Some(recovered.map_err(|error| RunError::Recovery(error.to_string()))??))
}

/// Waits for the tasks that serve clients, and not longer than that for a provider.
async fn finish_clients(tasks: &TaskTracker, provider: &dyn Control) {
    let ended = time::timeout(PROVIDERS_MAX, tasks.wait()).await;
    provider.stop();
    if ended.is_err() && time::timeout(TASKS_MAX - PROVIDERS_MAX, tasks.wait()).await.is_err() {
        tracing::warn!(tasks = tasks.len(), "some tasks did not end in time");
    }
}

async fn finish_storage(storage: Option<Storage>) {
    let Some(storage) = storage else { return };
    if !matches!(time::timeout(STORAGE_MAX, storage.stop()).await, Ok(true)) {
        tracing::warn!("the last reports could not be written to disk");
    }
}

async fn finish_provider(provider: Arc<dyn Control>) {
    let settled = spawn_blocking(move || provider.settle());
    if !matches!(time::timeout(BUDGET_MAX, settled).await, Ok(Ok(()))) {
        tracing::warn!("what the provider was paid could not be written down");
    }
}

async fn finish_log(traffic: Traffic) {
    if !matches!(spawn_blocking(move || traffic.stop(LOG_MAX)).await, Ok(true)) {
        tracing::warn!("the traffic log could not be finished");
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
        engine.evicted(engine.node().sweep(engine.clock()));
    }
}
