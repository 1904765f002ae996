//! Load on servers, and what came of it: a client that is not the bottleneck.
//!
//! It knows the line protocol as any stranger does and nothing of how a server works. The one thing to know: requests
//! are made in place and sent by the window with one write, replies are found by their newlines, and of every so many
//! one is compared word for word.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use thiserror::Error;

use self::{
    connection::Connection,
    worker::{Start, Worker},
};

pub(crate) mod histogram;
pub(crate) mod cpu;
pub(crate) mod crowd;
pub(crate) mod tally;
pub(crate) mod track;
mod journey;
mod source;
mod replies;
mod socket;
mod connection;
mod pace;
mod worker;
pub(crate) mod across;
pub(crate) mod summary;

/// How often a run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Whom to load; connection k is with the (k mod their number)-th.
    pub(crate) servers: Vec<SocketAddr>,
    /// Connections in all, at least 1.
    pub(crate) connections: usize,
    /// Requests in flight on each connection of a closed loop, at least 1.
    pub(crate) window: usize,
    /// When to stop.
    pub(crate) end: End,
    /// What to send.
    pub(crate) traffic: Traffic,
    /// Of so many replies one is compared word for word, at least 1.
    pub(crate) sample_every: u32,
    /// Without any reply for so long those that are out are missing.
    pub(crate) patience: Duration,
    /// Threads, 1 to the number of connections.
    pub(crate) threads: u32,
    /// Processes on this machine whose CPU time is wanted.
    pub(crate) pids: Vec<u32>,
    /// Set by whoever wants the run to end before that; what is out is waited for.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What a run sends, and when.
#[derive(Clone, Debug)]
pub(crate) enum Traffic {
    /// Requests of made-up clients.
    Crowd {
        /// Who they are and what they send.
        crowd: crowd::CrowdPlan,
        /// Requests a second in all: an open loop.
        rate: Option<f64>,
    },
    /// Recorded tracks.
    Replay {
        /// What was recorded.
        tracks: Arc<track::Tracks>,
        /// So many times as fast as it happened: an open loop.
        speed: Option<f64>,
    },
}

impl Traffic {
    /// Whether requests are due at their time, whatever the servers do.
    pub(crate) const fn is_open_loop(&self) -> bool {
        matches!(self, Self::Crowd { rate: Some(_), .. } | Self::Replay { speed: Some(_), .. })
    }
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// After so many requests, or with the last point of a track.
    Requests(u64),
    /// After so long.
    After(Duration),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Counts of all workers.
    pub(crate) tally: tally::Tally,
    /// From the first request to the last reply, in nanoseconds.
    pub(crate) took: u64,
    /// CPU time of this process, in nanoseconds.
    pub(crate) cpu: u64,
    /// CPU time of each process asked about, in nanoseconds; `None` if it cannot be told.
    pub(crate) cpu_of: Vec<(u32, Option<u64>)>,
}

/// Why there was no run, or no end of it.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    /// The server's, or the address is: nothing was sent.
    #[error("cannot connect to {server}: {error}")]
    Connect {
        /// Whom.
        server: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The machine's: what was sent may have been taken.
    #[error("cannot wait for sockets: {0}")]
    Wait(io::Error),
    /// Ours.
    #[error("a thread of the generator ended in a panic")]
    Panic,
}

/// Connects, sends, waits for the replies. `progress` hears now and then how many there are.
///
/// # Errors
/// A server cannot be reached at the start. One that is lost later shows in the outcome.
pub(crate) fn run(plan: &Plan, progress: &dyn Fn(u64)) -> Result<Outcome, LoadError> {
    let workers = workers(plan)?;
    let ready = Barrier::new(workers.len() + 1);
    let (answered, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let caller = thread::current();
    thread::scope(|scope| {
        let running: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let (ready, answered, is_over, caller) = (&ready, &answered, &is_over, &caller);
                scope.spawn(move || {
                    ready.wait();
                    let tally = worker.run(Start::now(), answered);
                    is_over.store(true, Ordering::Release);
                    caller.unpark();
                    tally
                })
            })
            .collect();
        let cpu_of = |pids: &[u32]| -> Vec<Option<u64>> { pids.iter().map(|&pid| cpu::of(pid)).collect() };
        let (before, before_of) = (cpu::of_this(), cpu_of(&plan.pids));
        ready.wait();
        while !is_over.load(Ordering::Acquire) {
            thread::park_timeout(PROGRESS_EVERY);
            progress(answered.load(Ordering::Relaxed));
        }
        let mut tally = tally::Tally::new(plan.sample_every);
        for worker in running {
            tally.add(worker.join().map_err(|_| LoadError::Panic)?.map_err(LoadError::Wait)?);
        }
        let used = |after: Option<u64>, before: Option<u64>| Some(after?.saturating_sub(before?));
        let cpu_of = plan.pids.iter().zip(cpu_of(&plan.pids)).zip(before_of);
        Ok(Outcome {
            took: tally.last_reply_at,
            tally,
            cpu: cpu::of_this() - before,
            cpu_of: cpu_of.map(|((&pid, after), before)| (pid, used(after, before))).collect(),
        })
    })
}

/// Connects all, thread by thread.
fn workers(plan: &Plan) -> Result<Vec<Worker<'_>>, LoadError> {
    let mut connections: Vec<Vec<Connection>> = (0..plan.threads).map(|_| Vec::new()).collect();
    for (nth, &server) in plan.servers.iter().cycle().take(plan.connections).enumerate() {
        let connection = Connection::open(server).map_err(|error| LoadError::Connect { server, error })?;
        let threads = connections.len();
        connections[nth % threads].push(connection);
    }
    let workers = (0..).zip(connections);
    workers.map(|(nth, connections)| Worker::new(plan, connections, nth).map_err(LoadError::Wait)).collect()
}
