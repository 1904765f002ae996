//! Clients that never rest: at each server one connection that reports and one that asks.
//!
//! The one thing to know: all times lie less than the servers' tolerance ahead, and no two reports share a text, so that
//! the ledger can tell every report apart and knows which wins.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use super::{
    client::{Client, Failure},
    herd::{Herd, name},
    ledger::{Ledger, Noted, Rank, Report, client_name, now},
    network::Server,
};

/// Most reports in one write, and time from one to the next: some 300 reports a second and server.
const BATCH_MAX: usize = 8;
const BATCH_EVERY: Duration = Duration::from_millis(15);
/// Time between two questions of a reader.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// Wait before a server that is not there is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(10);
/// Clients that report to all servers in turn, in each generation; a tenth of them have clocks that jump.
const ROAMERS: usize = 50;
/// How far the clock of such a client may be off, in nanoseconds: half of the servers' tolerance.
const JUMP: u64 = 30_000_000_000;
/// Most violations kept in words.
const WRONGS_MAX: usize = 20;

/// What clients saw since the last look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) requests: u64,
    /// Requests that a server left unanswered though nothing was done to it.
    pub(super) unanswered: u64,
    /// Times to reply of servers that nothing was done to, in microseconds.
    pub(super) waits: Vec<u32>,
    /// Answers that must not be.
    pub(super) wrong: u64,
    /// The first of them, in words.
    pub(super) wrongs: Vec<String>,
}

/// All clients of a run.
pub(super) struct Load<'a> {
    pub(super) herd: &'a Herd,
    pub(super) ledger: &'a Ledger,
    pub(super) stop: &'a AtomicBool,
    seen: Mutex<Seen>,
}

impl<'a> Load<'a> {
    pub(super) fn new(herd: &'a Herd, ledger: &'a Ledger, stop: &'a AtomicBool) -> Self {
        Self { herd, ledger, stop, seen: Mutex::default() }
    }

    /// Reports to a server until all is over.
    pub(super) fn report(&self, server: Server, rng: &mut Rng) {
        let mut serial = 0;
        self.converse(server, |client| {
            let began = Instant::now();
            let noted = self.ledger.note(name(server), |generation| {
                (0..rng.usize(1..=BATCH_MAX)).map(|_| report(generation, server, &mut serial, rng)).collect()
            });
            self.tell(client, server, &noted)?;
            thread::sleep(BATCH_EVERY.saturating_sub(began.elapsed()));
            Ok(())
        });
    }

    /// Asks a server about those who roam until all is over: no client may be seen going back.
    pub(super) fn watch(&self, server: Server, rng: &mut Rng) {
        let (mut life, mut latest) = (0, HashMap::<String, Rank>::new());
        self.converse(server, |client| {
            if client.life != life {
                life = client.life;
                latest.clear();
            }
            let whom = roamer(self.ledger.generation(), rng.usize(..ROAMERS));
            let asked_at = Instant::now();
            let answer = client.ask(&[&whom])?.pop().unwrap_or_default();
            self.waited(server, asked_at, 1);
            if answer.starts_with("AT ") {
                match self.ledger.rank(&whom, &answer) {
                    Ok(rank) if latest.get(&whom).is_some_and(|last| *last > rank) => {
                        self.wrong(format!("{} went back to {answer:?}", name(server)));
                    }
                    Ok(rank) => drop(latest.insert(whom, rank)),
                    Err(wrong) => self.wrong(format!("{} answered {wrong}", name(server))),
                }
            } else if latest.contains_key(&whom) {
                self.wrong(format!("{} forgot {whom}: {answer:?}", name(server)));
            }
            thread::sleep(ASK_EVERY);
            Ok(())
        });
    }

    /// Reports so often a second for so long, through one connection. The thread has to be in the server's place.
    pub(super) fn flood(&self, server: Server, rate: usize, time: Duration) -> anyhow::Result<usize> {
        const PIECE: usize = 250;
        const CLIENTS: usize = 4000;
        let stop = AtomicBool::new(false);
        let began = Instant::now();
        let mut serial = 0;
        let Ok(mut client) = Client::connect(self.herd, server, &stop) else {
            anyhow::bail!("no connection")
        };
        while began.elapsed() < time {
            let noted = self.ledger.note(name(server), |generation| {
                let report = |_| {
                    serial += 1;
                    let location = format!("+1.{server}{serial:08}+2");
                    let client = client_name(generation, &format!("flood-{}", serial % CLIENTS));
                    told(client, &location, now())
                };
                (0..PIECE).map(report).collect()
            });
            if self.tell(&mut client, server, &noted).is_err() {
                anyhow::bail!("the connection of a flood is gone");
            }
            let due = Duration::from_secs_f64(serial as f64 / rate as f64);
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
        Ok(serial)
    }

    /// What was seen since this was last asked.
    pub(super) fn take_seen(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes an answer that must not be.
    pub(super) fn wrong(&self, what: String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.wrong += 1;
        if seen.wrongs.len() < WRONGS_MAX {
            seen.wrongs.push(what);
        }
    }

    /// Keeps a connection to a server whenever it is there, and says one thing after the other.
    fn converse(&self, server: Server, mut turn: impl FnMut(&mut Client<'_>) -> Result<(), Failure>) {
        if let Err(error) = self.herd.network.place(server).enter() {
            return self.wrong(format!("a client cannot reach its server: {error:#}"));
        }
        while !self.stop.load(Ordering::SeqCst) {
            let ended = Client::connect(self.herd, server, self.stop).and_then(|mut client| {
                while !self.stop.load(Ordering::SeqCst) {
                    turn(&mut client)?;
                }
                Ok(())
            });
            if ended == Err(Failure::Unanswered) {
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).unanswered += 1;
            }
            thread::sleep(RETRY_EVERY);
        }
    }

    /// Sends reports in one write and takes in the replies.
    fn tell(&self, client: &mut Client<'_>, server: Server, noted: &[Noted]) -> Result<(), Failure> {
        let line = |noted: &Noted| format!("IAMAT {} {}\n", noted.report.client, noted.report.text);
        let lines: String = noted.iter().map(line).collect();
        let sent_at = Instant::now();
        let mut outcome = client.send(&lines);
        for noted in noted {
            let reply = outcome.and_then(|()| client.line(sent_at));
            match reply {
                Ok(reply) => {
                    if let Err(wrong) = self.ledger.acknowledge(noted, &reply) {
                        self.wrong(wrong);
                    }
                }
                Err(failure) => {
                    self.ledger.give_up(noted);
                    outcome = Err(failure);
                }
            }
        }
        self.waited(server, sent_at, noted.len() as u64);
        outcome
    }

    fn waited(&self, server: Server, since: Instant, requests: u64) {
        let micros = u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX);
        let is_calm = self.herd.condition(server).is_calm_since(since);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.requests += requests;
        if is_calm {
            seen.waits.push(micros);
        }
    }
}

/// A third of all reports are of clients who roam, the others of clients who are never heard of again.
fn report(generation: usize, server: Server, serial: &mut u64, rng: &mut Rng) -> Report {
    *serial += 1;
    // Server and serial make every location different.
    let location =
        format!("+{}.{server}{serial:08}-{}.{}", rng.u8(0..90), rng.u8(0..180), rng.u32(0..1_000_000));
    if rng.u8(0..3) > 0 {
        return told(client_name(generation, &format!("once-{server}-{serial}")), &location, now());
    }
    let number = rng.usize(..ROAMERS);
    let time = match rng.u8(0..20) {
        _ if number < ROAMERS / 10 => now() - JUMP + rng.u64(0..2 * JUMP),
        // Late, or at the same tenth of a second as others.
        0..2 => now() - rng.u64(0..5_000_000_000),
        2..4 => now() / 100_000_000 * 100_000_000,
        _ => now(),
    };
    told(roamer(generation, number), &location, time)
}

fn roamer(generation: usize, number: usize) -> String {
    client_name(generation, &format!("roamer-{number}"))
}

fn told(client: String, location: &str, time: u64) -> Report {
    let text = format!("{location} {}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
    Report { client, text, time }
}
