//! All that a front-end holds of its server: hand over commands, learn what is near, log what was said.
//!
//! A front-end knows nothing behind this: no links, no storage, no other front-end.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use herd_core::{
    command::{Command, Question, QuestionLimits},
    members::Member,
    node::Answer,
    position::Position,
    server::Name,
    time::Timestamp,
};

use crate::{engine::Engine, traffic::Traffic};

/// What is near, on its way: the complete bytes after the AT line. It resolves within the provider's deadline and
/// never fails: a provider's error is an answer too.
pub type Nearby = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// Asks the provider. The question keeps to [`Provider::limits`]. Called on a request's path, so it only starts the work.
pub type Ask = Arc<dyn Fn(Position, Question) -> Nearby + Send + Sync>;

/// Something that takes a while and says nothing.
pub type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Resolves when all that was submitted before the call is on the disk.
pub type Durable = Arc<dyn Fn() -> Wait + Send + Sync>;

/// How an operator watches and pauses a provider while the server runs, and how the server ends it.
pub trait Control: fmt::Debug + Send + Sync {
    /// Asks it no more, or asks it again; questions are answered all the same, if need be with the reason.
    fn pause(&self, is_paused: bool);

    /// How things stand.
    fn state(&self) -> ProviderState;

    /// The server stops: whoever waits for a service behind a network is told so at once, and it is asked no more.
    fn stop(&self) {}

    /// Once it is stopped, writes down what was spent. Blocks on the disk.
    fn settle(&self) {}
}

/// How things stand with a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderState {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Whether the operator stopped it.
    pub is_paused: bool,
    /// More, if it is behind a network.
    pub remote: Option<RemoteState>,
}

/// How things stand with a provider behind a network. Questions are counted since the server started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteState {
    /// Whether it is left alone because it fails: `closed` (it is not), `open` or `probing`.
    pub breaker: &'static str,
    /// Requests made today (UTC).
    pub requests_today: u64,
    /// Most of them.
    pub requests_per_day: u64,
    /// Requests that may be made at this moment.
    pub tokens: usize,
    /// Pages kept.
    pub entries: usize,
    /// What they weigh, in bytes.
    pub bytes: u64,
    /// Questions answered from the cache.
    pub hits: u64,
    /// Questions that started a request.
    pub misses: u64,
    /// Questions that waited for a request of another.
    pub coalesced: u64,
    /// Questions answered with a reason of ours.
    pub refused: u64,
}

/// What WHATSAT asks.
#[derive(Clone)]
pub struct Provider {
    /// What its answers are about, for the log: `places` or `messages`.
    pub subject: &'static str,
    /// Which questions it takes.
    pub limits: QuestionLimits,
    /// Asks it.
    pub ask: Ask,
    /// Watches and stops it.
    pub control: Arc<dyn Control>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("subject", &self.subject)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

/// How an operator watches the links of a server.
pub trait Surroundings: fmt::Debug + Send + Sync {
    /// How things stand with each neighbour, in the order of their names.
    fn links(&self) -> Vec<LinkState>;
}

/// How things stand with one neighbour. Everything is counted since the server started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Its name.
    pub neighbour: Name,
    /// The link, while it is up.
    pub up: Option<LinkUp>,
    /// Bytes sent over all links with it.
    pub sent_bytes: u64,
    /// Bytes received over them.
    pub received_bytes: u64,
    /// Links that came up.
    pub links: u64,
    /// Times that it was dialled.
    pub redials: u64,
    /// Reports that came by comparing tables.
    pub copied: u64,
    /// Those of them that should have come as they happened: divergences healed.
    pub healed: u64,
    /// Why the last connection with it ended.
    pub ended: Option<String>,
}

/// A link that is up. Its lag is as of the neighbour's last heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkUp {
    /// The other end of the connection.
    pub address: Option<SocketAddr>,
    /// Whether this server dialled.
    pub is_dialled: bool,
    /// Whether each side holds what the other held when the link came up.
    pub is_synced: bool,
    /// About how many of our reports the neighbour had not merged.
    pub lag_reports: u64,
    /// How long the oldest of them had waited.
    pub lag: Duration,
}

/// Tells how things stand with the disk.
pub type DiskWatch = Arc<dyn Fn() -> DiskState + Send + Sync>;

/// How things stand with the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskState {
    /// Bytes of reports that are not written down.
    pub lag_bytes: u64,
    /// How long something has been written, but not synced; none if all that was written is synced.
    pub unsynced_for: Option<Duration>,
    /// Why nothing can be written now.
    pub error: Option<String>,
}

/// One server, as its front-ends see it.
#[derive(Clone)]
pub struct Gateway {
    engine: Arc<Engine>,
    provider: Provider,
    surroundings: Arc<dyn Surroundings>,
    durable: Option<Durable>,
    disk: Option<DiskWatch>,
}

/// What became of a batch of commands.
pub struct Submitted {
    /// When all of them happened.
    pub at: Timestamp,
    /// What their replies have to wait for, if they do: the operator wants reports on the disk first.
    pub wait: Option<Wait>,
}

impl Gateway {
    /// The front of a server.
    #[must_use]
    pub fn new(engine: Arc<Engine>, provider: Provider, surroundings: Arc<dyn Surroundings>) -> Self {
        Self { engine, provider, surroundings, durable: None, disk: None }
    }

    /// Has the replies to reports wait for `durable`, if there is one.
    #[must_use]
    pub fn waiting_for(self, durable: Option<Durable>) -> Self {
        Self { durable, ..self }
    }

    /// Has a disk to tell of, if there is one.
    #[must_use]
    pub fn watching(self, disk: Option<DiskWatch>) -> Self {
        Self { disk, ..self }
    }

    /// The name that AT lines show.
    #[must_use]
    pub fn server(&self) -> &Name {
        &self.engine.node().settings().name
    }

    /// The time by this server's clock.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.engine.clock()
    }

    /// Applies commands in order and appends an answer for each. Waits for nothing itself.
    pub fn submit(&self, commands: &[Command<'_>], answers: &mut Vec<Answer>) -> Submitted {
        let at = self.engine.submit(commands, answers);
        let has_report = || commands.iter().any(|command| matches!(command, Command::Iamat(_)));
        // A report that was stale is acknowledged too, so it waits for the one that made it stale.
        let wait = self.durable.as_ref().filter(|_| has_report()).map(|durable| durable());
        Submitted { at, wait }
    }

    /// Takes the server out of the herd for good: what it has is handed over, and it ends.
    pub fn leave(&self) {
        self.engine.leave();
    }

    /// The provider behind WHATSAT.
    #[must_use]
    pub const fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The links with other servers.
    #[must_use]
    pub fn surroundings(&self) -> &dyn Surroundings {
        &*self.surroundings
    }

    /// The servers of the herd that have not left, this one included, in the order of their names.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.engine.node().members().list()
    }

    /// How things stand with the disk; none if nothing is kept there.
    #[must_use]
    pub fn disk(&self) -> Option<DiskState> {
        self.disk.as_ref().map(|disk| disk())
    }

    /// Clients in the table.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.engine.node().clients()
    }

    /// The traffic log.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        self.engine.traffic()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl fmt::Debug for Submitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitted").field("at", &self.at).finish_non_exhaustive()
    }
}
