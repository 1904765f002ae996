//! What is simulated, as data. A scenario says nothing of chance: the seed decides what it leaves open.

mod fault;
mod cut;

use std::{io, ops::Range, time::Duration};

use herd_core::{limits::LEAVES, node::NodeSettings};
use serde::Deserialize;

use crate::topology::Preset;

pub use cut::Cut;
pub use fault::{Fault, FaultKind, UnknownFault};

/// One kind of run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name of its file.
    #[serde(skip)]
    pub name: String,
    /// What is left out of it.
    #[serde(skip)]
    pub cut: Cut,
    /// What it is there to show.
    pub about: String,
    /// Runs of it among a hundred thousand runs of all scenarios.
    #[serde(default = "Scenario::weight")]
    pub weight: u32,
    /// Who talks with whom.
    #[serde(default)]
    pub topology: Preset,
    /// Servers of a generated topology.
    #[serde(default = "Scenario::servers")]
    pub servers: usize,
    /// Edges of a topology of its own, by name; instead of a preset.
    #[serde(default)]
    pub edges: Vec<(String, String)>,
    /// How long clients report; every fault is healed by then.
    pub duration_ms: u64,
    /// How long the herd may take to agree once clients are silent and all links are back.
    #[serde(default = "Scenario::settle_ms")]
    pub settle_ms: u64,
    /// Who reports what.
    pub clients: Clients,
    /// What links run over.
    #[serde(default)]
    pub network: NetworkPlan,
    /// What servers are set to.
    #[serde(default)]
    pub limits: Limits,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What a run may cost.
    #[serde(default)]
    pub bounds: Bounds,
}

/// The clients of a scenario. Shares are percent of reports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clients {
    /// How many.
    pub count: usize,
    /// Reports of all of them together.
    pub reports_per_second: u64,
    /// Fewest and most bytes of an ID.
    #[serde(default = "Clients::id_bytes")]
    pub id_bytes: (usize, usize),
    /// Reports older than the client's last.
    #[serde(default)]
    pub stale_percent: u8,
    /// Reports with the time of the client's last.
    #[serde(default)]
    pub equal_percent: u8,
    /// Reports a year ahead.
    #[serde(default)]
    pub future_percent: u8,
    /// How far clients' clocks may be off, either way.
    #[serde(default)]
    pub clock_offset_ms: u64,
    /// Reports before which a client's clock is set anew.
    #[serde(default)]
    pub clock_jump_percent: u8,
    /// When a client reports for the last time after its first, if not at the end.
    #[serde(default)]
    pub until_ms: Option<u64>,
}

/// How connections behave.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkPlan {
    /// Least and most time of a byte on its way.
    pub latency_ms: (u64, u64),
    /// Bytes a second in each direction of a connection.
    pub bytes_per_second: u64,
    /// Bytes that a connection holds in each direction before the writer has to wait.
    pub buffer_bytes: usize,
}

/// Settings of all servers; what is missing is at its default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// See `NodeSettings`.
    pub ttl_ms: Option<u64>,
    /// See `NodeSettings`.
    pub clients_max: Option<usize>,
    /// See `NodeSettings`.
    pub log_bytes_max: Option<usize>,
    /// How far clocks may be off, either way.
    pub clock_offset_ms: u64,
    /// Clients are answered when their reports are safe on disk.
    pub is_durable: bool,
}

/// What a run may cost; what is missing is not bounded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Live records on links per report that was news.
    pub messages_per_report: Option<u64>,
    /// Bytes on links per report that was news, heartbeats and comparisons included.
    pub bytes_per_report: Option<u64>,
    /// Copied records on links per hundred reports that were news.
    pub copies_per_hundred: Option<u64>,
    /// Fewest times that a link has to fall off the log, for the run to show what it is there for.
    pub overtaken_min: Option<u64>,
}

/// Why there is no scenario. Whoever wrote or named the file is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The folder or file cannot be read.
    #[error("cannot read scenarios: {0}")]
    Read(#[from] io::Error),
    /// The file is not a scenario.
    #[error("scenario {0}: {1}")]
    Parse(String, toml::de::Error),
}

impl Scenario {
    /// Reads one from TOML.
    ///
    /// # Errors
    /// The text is no scenario.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text).map_err(|e| ScenarioError::Parse(name.into(), e))?;
        scenario.name = name.into();
        Ok(scenario)
    }

    /// How long it takes at worst until neighbours have compared and copied all they know: leaves of as many shards as
    /// there are clients, and a report of each.
    pub(crate) fn copy_ms(&self) -> u64 {
        let clients = &self.clients;
        let report_bytes = 80 + clients.id_bytes.1 as u64;
        self.network.transfer_ms(clients.count as u64 * (LEAVES as u64 * 8 + report_bytes))
    }

    /// How long it takes at worst until a link that was slow to its end has sent all that was ever reported.
    pub(crate) fn drain_ms(&self) -> u64 {
        let clients = &self.clients;
        let reports = clients.reports_per_second * self.duration_ms / 1000;
        self.network.transfer_ms(reports * (80 + clients.id_bytes.1 as u64))
    }

    /// Leaves something out.
    #[must_use]
    pub fn reduced(mut self, cut: Cut) -> Self {
        cut.apply(&mut self);
        self.cut = cut;
        self
    }

    const fn weight() -> u32 {
        300
    }

    const fn servers() -> usize {
        5
    }

    const fn settle_ms() -> u64 {
        2000
    }
}

impl Clients {
    const fn id_bytes() -> (usize, usize) {
        (4, 24)
    }

    /// Nanoseconds that a client's clock is ahead.
    pub(crate) fn clock_offset(&self, rng: &mut fastrand::Rng) -> i64 {
        let most = i64::try_from(millis(self.clock_offset_ms)).unwrap_or(i64::MAX);
        rng.i64(-most..=most)
    }
}

impl Limits {
    /// Writes them into a server's settings.
    pub(crate) fn apply(&self, settings: &mut NodeSettings) {
        if let Some(ms) = self.ttl_ms {
            settings.ttl = Duration::from_millis(ms);
        }
        settings.clients_max = self.clients_max.unwrap_or(settings.clients_max);
        settings.log_bytes_max = self.log_bytes_max.unwrap_or(settings.log_bytes_max);
    }
}

impl NetworkPlan {
    /// How long so many bytes take over one connection at worst, in milliseconds: what is on its way holds up what is not.
    pub(crate) fn transfer_ms(&self, bytes: u64) -> u64 {
        let (_, latency_ms) = self.latency_ms;
        let at_once = (self.buffer_bytes as u64).max(1);
        bytes.saturating_mul(1000) / self.bytes_per_second.max(1) + (bytes / at_once + 1) * latency_ms
    }

    /// The range of latencies in nanoseconds.
    pub(crate) fn latency(&self) -> Range<u64> {
        let (least, most) = self.latency_ms;
        millis(least)..millis(most.max(least)) + 1
    }
}

impl Default for NetworkPlan {
    fn default() -> Self {
        Self { latency_ms: (1, 20), bytes_per_second: 100_000_000, buffer_bytes: 256 * 1024 }
    }
}

/// Milliseconds in nanoseconds.
pub(crate) const fn millis(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}
