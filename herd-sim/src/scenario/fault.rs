//! What can go wrong, as a scenario says it: kinds with their names, and when, how often, for how long.

use std::fmt;

use serde::Deserialize;

/// Something that goes wrong, once or again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// When first.
    pub at_ms: u64,
    /// How often after that, about.
    #[serde(default)]
    pub every_ms: Option<u64>,
    /// Least and most time until it heals; the end of the scenario if missing.
    #[serde(default)]
    pub lasts_ms: Option<(u64, u64)>,
    /// How many servers or edges at once. The n-th seed takes the n-th choice of so many.
    #[serde(default = "Fault::count")]
    pub count: usize,
    /// Which servers, if not chosen by the seed.
    #[serde(default)]
    pub servers: Vec<String>,
    /// For slow links: what is left of the bandwidth. For slow disks: milliseconds that a write takes. For clock jumps: how
    /// many milliseconds, either way.
    #[serde(default)]
    pub amount: u64,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum FaultKind {
    /// Servers die, with or without a sign, and come back with an empty disk.
    Crash,
    /// Processes are killed, and start again.
    Kill,
    /// The power fails: disks forget what was not synced.
    PowerCut,
    /// Servers die, and come back with an earlier copy of their disk.
    OldDisk,
    /// Writing to disks takes long.
    SlowDisk,
    /// Nothing can be written to disks.
    FullDisk,
    /// Servers stop, and go on.
    Pause,
    /// Connections break; both ends are told.
    Cut,
    /// Connections go dead in one direction; nobody is told.
    HalfOpen,
    /// Nothing gets from one server to another, while all gets back.
    OneWay,
    /// The herd falls into two parts.
    Partition,
    /// Edges get slow.
    Slow,
    /// Clocks are set anew.
    ClockJump,
    /// Servers die for good; others with their names, and clocks of their own, take their places, empty.
    Replace,
    /// Servers start elsewhere whose names are taken by servers that are alive.
    Impostor,
    /// Servers of another herd, of another version, or without the secret take the places of servers.
    Foreigner,
}

impl Fault {
    /// One fault of a kind.
    #[must_use]
    pub const fn new(kind: FaultKind, at_ms: u64) -> Self {
        Self { kind, at_ms, every_ms: None, lasts_ms: None, count: 1, servers: Vec::new(), amount: 0 }
    }

    const fn count() -> usize {
        1
    }
}

impl FaultKind {
    /// All of them, by the names that scenarios and commands use.
    pub const ALL: [(Self, &str); 16] = [
        (Self::Crash, "crash"),
        (Self::Kill, "kill"),
        (Self::PowerCut, "power-cut"),
        (Self::OldDisk, "old-disk"),
        (Self::SlowDisk, "slow-disk"),
        (Self::FullDisk, "full-disk"),
        (Self::Pause, "pause"),
        (Self::Cut, "cut"),
        (Self::HalfOpen, "half-open"),
        (Self::OneWay, "one-way"),
        (Self::Partition, "partition"),
        (Self::Slow, "slow"),
        (Self::ClockJump, "clock-jump"),
        (Self::Replace, "replace"),
        (Self::Impostor, "impostor"),
        (Self::Foreigner, "foreigner"),
    ];
}

/// A kind of fault that there is not. Whoever wrote it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such fault: {0}")]
pub struct UnknownFault(String);

impl TryFrom<String> for FaultKind {
    type Error = UnknownFault;

    fn try_from(name: String) -> Result<Self, UnknownFault> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind).ok_or(UnknownFault(name))
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}
