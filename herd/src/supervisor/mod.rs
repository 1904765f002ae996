//! Keeps one process per server alive: starts them together, tells them each other's addresses, restarts what
//! dies, stops all in order. What happens is told to the caller as [`News`]; nothing is printed here.
//!
//! A server's addresses are the ones it bound first: its clients and neighbours find it again after a restart.

use std::{future::Future, io, net::SocketAddr, pin::pin, process::ExitStatus, time::Duration};

use herd_core::server::Name;
use tokio::{
    process::{ChildStdin, Command},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::config::{AddressOverride, Config};

mod process;
mod words;

use process::Event;
pub use words::{Announcement, Instruction};

/// First wait before a dead server is started again (jittered, doubling).
const RESTART_FIRST: Duration = Duration::from_millis(100);
/// Longest wait before a dead server is started again.
const RESTART_LONGEST: Duration = Duration::from_secs(5);
/// A life of this length was a good one: the next wait is the first again.
const GOOD_LIFE: Duration = Duration::from_secs(10);
/// Time for all servers to drain: within the promised 5 s, with room for the kill.
const DRAIN_MAX: Duration = Duration::from_millis(4700);
/// Time for killed processes to be gone; only the kernel can delay them.
const KILL_MAX: Duration = Duration::from_secs(1);
/// Lines of a starting server that are kept to explain why it refused to start.
const HELD_LINES_MAX: usize = 64;
/// Exit code for wrong arguments or configuration: starting again would not help.
const EXIT_WRONG: i32 = 2;

/// What an operator would want to know.
#[derive(Debug)]
pub enum News<'a> {
    /// All servers have started for the first time; where each listens, in the order of the configuration.
    Up(Vec<(&'a Name, AddressOverride)>),
    /// A line that a server wrote to its standard error.
    Said(&'a Name, &'a str),
    /// A server ended by itself and is started again after the wait.
    Died(&'a Name, &'a io::Result<ExitStatus>, Duration),
    /// A server that died is ready again.
    Back(&'a Name),
    /// A server left the herd for good, by order: it is not started again.
    Left(&'a Name),
}

/// Why the herd is not up. All its processes are gone.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A server found its configuration wrong or a port taken when it first started: the operator is at fault.
    #[error("{0}: {1}")]
    Refused(Name, String),
    /// A process cannot be started: the machine is at fault.
    #[error("cannot start {0}: {1}")]
    Unstartable(Name, io::Error),
}

/// Runs the servers of `config` until `shutdown` ends or all have left, then stops them within 5 s; no process is left behind.
/// `command` makes the command line of a server; addresses that it has bound before are given.
///
/// # Errors
/// A server cannot be started at all, or refuses its configuration at its first start.
pub async fn supervise(
    config: &Config,
    command: impl Fn(&Name, AddressOverride) -> Command,
    tell: impl FnMut(News<'_>),
    shutdown: impl Future<Output = ()>,
) -> Result<(), SuperviseError> {
    let (tx, mut events) = mpsc::channel(256);
    let (kill, _) = watch::channel(false);
    let wards = config.servers.iter().map(|server| Ward::new(&server.name, config.neighbours(&server.name)));
    let mut supervisor =
        Supervisor { wards: wards.collect(), command, tell, tx, kill, tasks: JoinSet::new(), is_up: false };
    let result = supervisor.keep_alive(&mut events, shutdown).await;
    supervisor.stop(&mut events).await;
    result
}

struct Supervisor<C, T> {
    wards: Vec<Ward>,
    command: C,
    tell: T,
    tx: mpsc::Sender<(usize, Event)>,
    kill: watch::Sender<bool>,
    tasks: JoinSet<()>,
    is_up: bool,
}

/// A server under supervision.
struct Ward {
    name: Name,
    neighbours: Vec<Name>,
    /// What it bound first.
    addresses: AddressOverride,
    /// There while the process runs.
    stdin: Option<ChildStdin>,
    is_ready: bool,
    has_died: bool,
    has_left: bool,
    /// What it wrote before it was ready.
    held: Vec<String>,
    started_at: Instant,
    restart_at: Option<Instant>,
    wait: Duration,
}

impl Ward {
    fn new(name: &Name, neighbours: Vec<Name>) -> Self {
        Self {
            name: name.clone(),
            neighbours,
            addresses: AddressOverride::default(),
            stdin: None,
            is_ready: false,
            has_died: false,
            has_left: false,
            held: Vec::new(),
            started_at: Instant::now(),
            restart_at: None,
            wait: RESTART_FIRST,
        }
    }

    /// Notes that the process ended and when it starts again; the wait until then.
    fn bury(&mut self, now: Instant) -> Duration {
        self.stdin = None;
        self.is_ready = false;
        self.has_died = true;
        if now.duration_since(self.started_at) >= GOOD_LIFE {
            self.wait = RESTART_FIRST;
        }
        // Half of the wait is chance: servers that died together do not come back as one.
        let wait = self.wait.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.wait = (self.wait * 2).min(RESTART_LONGEST);
        self.restart_at = Some(now + wait);
        wait
    }
}

impl<C, T> Supervisor<C, T>
where
    C: Fn(&Name, AddressOverride) -> Command,
    T: FnMut(News<'_>),
{
    async fn keep_alive(
        &mut self,
        events: &mut mpsc::Receiver<(usize, Event)>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), SuperviseError> {
        let mut shutdown = pin!(shutdown);
        for index in 0..self.wards.len() {
            self.start(index).await?;
        }
        loop {
            let next = self
                .wards
                .iter()
                .enumerate()
                .filter_map(|(index, ward)| Some((ward.restart_at?, index)))
                .min();
            let restart = async {
                match next {
                    Some((at, _)) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return Ok(()),
                Some((index, event)) = events.recv() => {
                    self.note(index, event).await?;
                    if self.wards.iter().all(|ward| ward.has_left && ward.stdin.is_none()) {
                        return Ok(());
                    }
                }
                // Joined as they end: a long life has many restarts.
                Some(_) = self.tasks.join_next() => {}
                () = restart => {
                    if let Some((_, index)) = next {
                        self.start(index).await?;
                    }
                }
            }
        }
    }

    async fn start(&mut self, index: usize) -> Result<(), SuperviseError> {
        let known: Vec<Instruction> = match self.wards.get(index) {
            Some(ward) => {
                self.wards.iter().filter(|other| ward.neighbours.contains(&other.name)).filter_map(introduce)
            }
            None => return Ok(()),
        }
        .collect();
        let Some(ward) = self.wards.get_mut(index) else { return Ok(()) };
        ward.restart_at = None;
        ward.started_at = Instant::now();
        let command = (self.command)(&ward.name, ward.addresses);
        match process::start(command, index, self.tx.clone(), self.kill.subscribe()) {
            Ok((stdin, attending)) => {
                self.tasks.spawn(attending);
                ward.stdin = stdin;
            }
            Err(error) if !ward.has_died => {
                return Err(SuperviseError::Unstartable(ward.name.clone(), error));
            }
            // The machine may be short of processes for a while.
            Err(error) => {
                let wait = ward.bury(Instant::now());
                (self.tell)(News::Died(&ward.name, &Err(error), wait));
            }
        }
        if let Some(stdin) = &mut ward.stdin {
            process::instruct(stdin, &known).await;
        }
        Ok(())
    }

    async fn note(&mut self, index: usize, event: Event) -> Result<(), SuperviseError> {
        let Some(ward) = self.wards.get_mut(index) else { return Ok(()) };
        match event {
            Event::Announced(line) => match line.parse() {
                Ok(Announcement::Listening { what, address }) => {
                    self.note_address(index, &what, address).await;
                }
                Ok(Announcement::Ready) => self.note_ready(index),
                Ok(Announcement::Left) => ward.has_left = true,
                Err(()) => (self.tell)(News::Said(&ward.name, &line)),
            },
            Event::Complained(line) if ward.is_ready || ward.held.len() >= HELD_LINES_MAX => {
                (self.tell)(News::Said(&ward.name, &line));
            }
            Event::Complained(line) => ward.held.push(line),
            Event::Ended(_) if ward.has_left => {
                ward.stdin = None;
                (self.tell)(News::Left(&ward.name));
            }
            Event::Ended(status) => {
                // A server that never was ready said why; at its first start that may be the whole story.
                let held = std::mem::take(&mut ward.held);
                let is_wrong = status.as_ref().is_ok_and(|status| status.code() == Some(EXIT_WRONG));
                if is_wrong && !ward.has_died {
                    let said: Vec<&str> =
                        held.iter().map(|line| line.strip_prefix("herd: ").unwrap_or(line)).collect();
                    // Once ready it said so to everybody already.
                    let why = if said.is_empty() { "refused to start".to_owned() } else { said.join("\n") };
                    return Err(SuperviseError::Refused(ward.name.clone(), why));
                }
                held.iter().for_each(|line| (self.tell)(News::Said(&ward.name, line)));
                let wait = ward.bury(Instant::now());
                (self.tell)(News::Died(&ward.name, &status, wait));
            }
        }
        Ok(())
    }

    /// Keeps an address that was bound first, and passes a peer address on to the neighbours.
    async fn note_address(&mut self, index: usize, what: &str, address: SocketAddr) {
        let Some(ward) = self.wards.get_mut(index) else { return };
        let slot = match what {
            "line" => &mut ward.addresses.line,
            "peer" => &mut ward.addresses.peer,
            "admin" => &mut ward.addresses.admin,
            _ => return,
        };
        if slot.replace(address) == Some(address) || what != "peer" {
            return;
        }
        let news = Instruction::Peer { name: ward.name.clone(), address };
        for neighbour in ward.neighbours.clone() {
            let stdin = self
                .wards
                .iter_mut()
                .find(|other| other.name == neighbour)
                .and_then(|other| other.stdin.as_mut());
            if let Some(stdin) = stdin {
                process::instruct(stdin, std::slice::from_ref(&news)).await;
            }
        }
    }

    fn note_ready(&mut self, index: usize) {
        let Some(ward) = self.wards.get_mut(index) else { return };
        ward.is_ready = true;
        for line in std::mem::take(&mut ward.held) {
            (self.tell)(News::Said(&ward.name, &line));
        }
        if ward.has_died {
            (self.tell)(News::Back(&ward.name));
        }
        if !self.is_up && self.wards.iter().all(|ward| ward.is_ready) {
            self.is_up = true;
            (self.tell)(News::Up(self.wards.iter().map(|ward| (&ward.name, ward.addresses)).collect()));
        }
    }

    /// Asks all to drain, kills those that do not, and waits until every process is gone.
    async fn stop(&mut self, events: &mut mpsc::Receiver<(usize, Event)>) {
        self.wards.iter_mut().for_each(|ward| ward.stdin = None);
        if !self.are_gone_by(Instant::now() + DRAIN_MAX, events).await {
            self.kill.send_replace(true);
            self.are_gone_by(Instant::now() + KILL_MAX, events).await;
        }
    }

    /// Passes on what the servers still say; whether all were gone in time.
    async fn are_gone_by(&mut self, deadline: Instant, events: &mut mpsc::Receiver<(usize, Event)>) -> bool {
        loop {
            tokio::select! {
                biased;
                Some((index, event)) = events.recv() => {
                    let ward = self.wards.get(index).filter(|ward| ward.is_ready);
                    if let (Some(ward), Event::Complained(line)) = (ward, event) {
                        (self.tell)(News::Said(&ward.name, &line));
                    }
                }
                gone = self.tasks.join_next() => {
                    if gone.is_none() {
                        return true;
                    }
                }
                () = sleep_until(deadline) => return false,
            }
        }
    }
}

fn introduce(ward: &Ward) -> Option<Instruction> {
    Some(Instruction::Peer { name: ward.name.clone(), address: ward.addresses.peer? })
}
