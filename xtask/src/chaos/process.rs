//! One life of one server's process: the real binary, what it says about its links, what memory it takes.
//!
//! Dropped, it is killed; if this process is killed first, the end of its standard input stops it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{network::Direction, network::SERVERS, place::Place};

/// Longest time from start to the first connection accepted.
const START_MAX: Duration = Duration::from_secs(20);
/// Most complaints kept of one life.
const COMPLAINTS_MAX: usize = 50;

/// What a process said on standard error.
#[derive(Debug, Default)]
pub(super) struct Diary {
    pub(super) links: Vec<LinkEvent>,
    pub(super) complaints: Vec<String>,
    pub(super) panics: usize,
}

/// A link that came up or went down.
#[derive(Clone, Debug)]
pub(super) struct LinkEvent {
    pub(super) at: Instant,
    pub(super) neighbour: String,
    pub(super) is_up: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    instructions: ChildStdin,
    announced: Receiver<String>,
    diary: Arc<Mutex<Diary>>,
}

impl Process {
    /// Starts `command` in a place.
    pub(super) fn start(mut command: Command, place: &Place) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for us; we end the servers.
        command.process_group(0).env("RUST_LOG", "info").env("NO_COLOR", "1");
        let mut child = place.within(|| command.spawn().context("cannot start a server"))?;
        let (Some(instructions), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("a server without pipes");
        };
        let diary = Arc::<Mutex<Diary>>::default();
        let (tx, announced) = channel();
        // Both end with the process.
        read_lines(stdout, move |line| drop(tx.send(line.to_owned())));
        let writing = Arc::clone(&diary);
        read_lines(stderr, move |line| lock(&writing).take(line));
        Ok(Self { child, instructions, announced, diary })
    }

    /// Waits until it is ready; the addresses of its line protocol and of its peer port.
    pub(super) fn ready(&self) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        let started = Instant::now();
        let (mut line, mut peer) = (None, None);
        loop {
            let rest = START_MAX.saturating_sub(started.elapsed());
            let Ok(said) = self.announced.recv_timeout(rest) else {
                bail!("a server does not start: {:?}", self.diary().complaints);
            };
            match said.split(' ').collect::<Vec<_>>().as_slice() {
                ["listening", "line", address] => line = address.parse().ok(),
                ["listening", "peer", address] => peer = address.parse().ok(),
                ["ready"] => break,
                _ => {}
            }
        }
        line.zip(peer).context("a server that does not say where it is")
    }

    /// Tells it where a neighbour can be dialled.
    pub(super) fn instruct(&mut self, direction: Direction) -> anyhow::Result<()> {
        let name = SERVERS.get(direction.neighbour).context("no such server")?;
        writeln!(self.instructions, "peer {name} {}", direction.address).context("a server does not listen")
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal}"))
    }

    /// Waits until it has ended, by itself or by a signal.
    pub(super) fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > patience {
                bail!("a server does not end within {patience:?}");
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    pub(super) fn diary(&self) -> MutexGuard<'_, Diary> {
        lock(&self.diary)
    }

    /// The most memory that it had resident since it started or was last asked, in bytes.
    pub(super) fn take_memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        // 5 resets the peak.
        drop(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5"));
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or_default() << 10
    }

    fn pid(&self) -> Pid {
        // The system's own numbers fit.
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Diary {
    fn take(&mut self, line: &str) {
        let neighbour = line.split_once("neighbour=").and_then(|(_, rest)| rest.split(' ').next());
        let is_up = line.contains(" link up ");
        if let Some(neighbour) = neighbour.filter(|_| is_up || line.contains(" link down ")) {
            self.links.push(LinkEvent { at: Instant::now(), neighbour: neighbour.to_owned(), is_up });
            return;
        }
        self.panics += usize::from(line.contains("panicked"));
        if !line.contains(" INFO ") && self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(line.to_owned());
        }
    }
}

fn lock(diary: &Mutex<Diary>) -> MutexGuard<'_, Diary> {
    diary.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_lines(pipe: impl Read + Send + 'static, mut take: impl FnMut(&str) + Send + 'static) {
    thread::spawn(move || {
        BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| take(&line));
    });
}
