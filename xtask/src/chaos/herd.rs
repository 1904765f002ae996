//! Five real servers with a folder of their own, and the condition that each is in.
//!
//! The one thing to know: a server is *calm* while nothing is done to it and it has to answer; whoever disturbs one
//! says so before, so that no request that is left unanswered is excused too much or too little.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{
    network::{Direction, EDGES, Network, SERVERS, Server},
    process::{LinkEvent, Process},
};

/// Longest that a server may take to end after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Herd {
    pub(super) network: Box<dyn Network>,
    binary: PathBuf,
    folder: TempDir,
    slots: Vec<Mutex<Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    process: Option<Process>,
    condition: Condition,
    line: Option<SocketAddr>,
    /// Link events and complaints of lives that have ended.
    past: Past,
}

#[derive(Debug, Default)]
struct Past {
    links: Vec<LinkEvent>,
    complaints: Vec<String>,
    panics: usize,
    memory_peak: u64,
}

/// How a server is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Condition {
    /// Counts its lives.
    pub(super) life: u32,
    /// Since when it has to answer, if it does.
    pub(super) calm_since: Option<Instant>,
}

impl Condition {
    /// Whether it has had to answer all the time since `then`.
    pub(super) fn is_calm_since(self, then: Instant) -> bool {
        self.calm_since.is_some_and(|since| since <= then)
    }
}

impl Herd {
    /// Makes the folder; starts nobody.
    pub(super) fn new(network: Box<dyn Network>, binary: PathBuf) -> anyhow::Result<Self> {
        let prefix = format!("herd-chaos-{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().context("no folder")?;
        std::fs::write(folder.path().join("secret"), format!("{:032x}\n", fastrand::u128(..)))?;
        std::fs::write(folder.path().join("herd.toml"), configuration(network.as_ref()))?;
        let slots = SERVERS.iter().map(|_| Mutex::default()).collect();
        Ok(Self { network, binary, folder, slots })
    }

    /// Starts servers that are not running, together.
    pub(super) fn start(&self, servers: &[Server]) -> anyhow::Result<()> {
        for &server in servers {
            let mut command = Command::new(&self.binary);
            command.args(["serve", name(server), "--supervised", "--config"]);
            command.arg(self.folder.path().join("herd.toml")).current_dir(self.folder.path());
            self.slot(server)?.process = Some(Process::start(command, self.network.place(server))?);
        }
        for &server in servers {
            let mut slot = self.slot(server)?;
            let process = slot.process.as_mut().context("it has ended")?;
            let (line, peer) = process.ready().with_context(|| name(server))?;
            for direction in self.network.note(server, peer) {
                process.instruct(direction)?;
            }
            slot.line = Some(line);
            slot.condition.life += 1;
            slot.condition.calm_since = Some(Instant::now());
        }
        Ok(())
    }

    /// SIGKILL, all at once; says when.
    pub(super) fn kill(&self, servers: &[Server]) -> anyhow::Result<Instant> {
        servers.iter().try_for_each(|&server| self.disturb(server))?;
        let killed_at = Instant::now();
        servers.iter().try_for_each(|&server| self.signal(server, Signal::SIGKILL))?;
        servers.iter().try_for_each(|&server| self.bury(server))?;
        Ok(killed_at)
    }

    /// SIGTERM, and waits until it is gone.
    pub(super) fn stop(&self, server: Server) -> anyhow::Result<()> {
        self.disturb(server)?;
        self.signal(server, Signal::SIGTERM)?;
        self.bury(server).with_context(|| name(server))
    }

    /// SIGSTOP.
    pub(super) fn pause(&self, server: Server) -> anyhow::Result<()> {
        self.disturb(server)?;
        self.signal(server, Signal::SIGSTOP)
    }

    /// SIGCONT.
    pub(super) fn resume(&self, server: Server) -> anyhow::Result<()> {
        self.signal(server, Signal::SIGCONT)?;
        self.slot(server)?.condition.calm_since = Some(Instant::now());
        Ok(())
    }

    /// Tells servers where to dial.
    pub(super) fn direct(&self, directions: &[Direction]) -> anyhow::Result<()> {
        for &direction in directions {
            let mut slot = self.slot(direction.dialler)?;
            slot.process.as_mut().context("it has ended")?.instruct(direction)?;
        }
        Ok(())
    }

    pub(super) fn condition(&self, server: Server) -> Condition {
        self.slot(server).map_or_else(|_| Condition::default(), |slot| slot.condition)
    }

    /// Where a server takes clients.
    pub(super) fn line(&self, server: Server) -> anyhow::Result<SocketAddr> {
        self.slot(server)?.line.context("it never started")
    }

    /// What a server keeps on disk.
    pub(super) fn data(&self, server: Server) -> PathBuf {
        self.folder.path().join("data").join(name(server))
    }

    /// The most memory that any server took since this was last asked, in bytes.
    pub(super) fn take_memory_peak(&self) -> u64 {
        let peak = |mut slot: MutexGuard<'_, Slot>| {
            let past = std::mem::take(&mut slot.past.memory_peak);
            slot.process.as_ref().map_or(past, |process| process.take_memory_peak().max(past))
        };
        self.slots.iter().map(|slot| peak(lock(slot))).max().unwrap_or_default()
    }

    /// Links that came up or went down at a server since `then`.
    pub(super) fn links(&self, server: Server, then: Instant) -> Vec<LinkEvent> {
        let Ok(slot) = self.slot(server) else { return Vec::new() };
        let mut links = slot.past.links.clone();
        links.extend(slot.process.iter().flat_map(|process| process.diary().links.clone()));
        links.into_iter().filter(|event| event.at >= then).collect()
    }

    /// What is wrong with the processes: one that ended by itself, one that panicked.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (slot, name) in self.slots.iter().zip(SERVERS) {
            let mut slot = lock(slot);
            let is_calm = slot.condition.calm_since.is_some();
            if is_calm && slot.process.as_mut().is_some_and(Process::has_ended) {
                found.push(format!("{name} ended by itself"));
            }
            let panics = slot.process.as_ref().map_or(0, |process| process.diary().panics);
            if panics + slot.past.panics > 0 {
                found.push(format!("{name} panicked"));
            }
        }
        found
    }

    /// What the servers complained about last, for whoever looks for the cause.
    pub(super) fn last_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (slot, name) in self.slots.iter().zip(SERVERS) {
            let slot = lock(slot);
            let mut of_server = slot.past.complaints.clone();
            of_server.extend(slot.process.iter().flat_map(|process| process.diary().complaints.clone()));
            words.extend(of_server.iter().rev().take(5).rev().map(|words| format!("{name}: {words}")));
        }
        words
    }

    /// Whether every edge has a link, as both of its ends see it.
    pub(super) fn is_linked(&self) -> bool {
        EDGES.into_iter().all(|(a, b)| self.sees(a, b) && self.sees(b, a))
    }

    fn sees(&self, server: Server, neighbour: Server) -> bool {
        let Ok(slot) = self.slot(server) else { return false };
        let Some(process) = &slot.process else { return false };
        let diary = process.diary();
        // A link may be up before the one that it replaces is told to be down.
        let (ups, downs): (Vec<_>, Vec<_>) = diary
            .links
            .iter()
            .filter(|event| event.neighbour == name(neighbour))
            .partition(|event| event.is_up);
        ups.len() > downs.len()
    }

    fn disturb(&self, server: Server) -> anyhow::Result<()> {
        let mut slot = self.slot(server)?;
        slot.condition.calm_since = None;
        let peak = slot.process.as_ref().map_or(0, Process::take_memory_peak);
        slot.past.memory_peak = slot.past.memory_peak.max(peak);
        Ok(())
    }

    /// Waits for the end of a process and keeps what it said. Meanwhile clients may ask for its condition.
    fn bury(&self, server: Server) -> anyhow::Result<()> {
        let mut process = self.slot(server)?.process.take().context("it has ended")?;
        let ended = process.wait(DRAIN_MAX)?;
        let mut slot = self.slot(server)?;
        let mut diary = process.diary();
        slot.past.links.append(&mut diary.links);
        slot.past.complaints.append(&mut diary.complaints);
        slot.past.panics += diary.panics;
        if ended.code().is_some_and(|code| code != 0) {
            bail!("a server ended with {ended}");
        }
        Ok(())
    }

    fn signal(&self, server: Server, signal: Signal) -> anyhow::Result<()> {
        self.slot(server)?.process.as_ref().context("it has ended")?.signal(signal)
    }

    fn slot(&self, server: Server) -> anyhow::Result<MutexGuard<'_, Slot>> {
        Ok(lock(self.slots.get(server).context("no such server")?))
    }
}

/// A server's name.
pub(super) fn name(server: Server) -> &'static str {
    SERVERS.get(server).copied().unwrap_or("nobody")
}

/// Removes what a server keeps on disk.
pub(super) fn wipe(data: &Path) -> anyhow::Result<()> {
    if data.exists() { std::fs::remove_dir_all(data).context("cannot wipe a folder") } else { Ok(()) }
}

fn configuration(network: &dyn Network) -> String {
    let head = "name = \"chaos\"\ndata_dir = \"data\"\nlog_dir = \"logs\"\nsecret_file = \"secret\"\n";
    let mut text = format!("{head}\n[traffic]\nfile_bytes_max = \"16MiB\"\nfiles_max = 2\n");
    for (server, name) in SERVERS.iter().enumerate() {
        let own = EDGES.iter().filter(|edge| edge.0 == server);
        let talks_with: Vec<String> = own.map(|edge| format!("\"{}\"", self::name(edge.1))).collect();
        let addresses = network.addresses(server);
        text += &format!(
            "\n[servers.{name}]\ntalks_with = [{}]\npeer = \"{}\"\nlisten.line = \"{}\"\n",
            talks_with.join(", "),
            addresses.peer,
            addresses.line
        );
    }
    text
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
