//! How long news takes from one server to others, with what any client can do: report to one, ask another until it
//! tells that report.
//!
//! One report at a time, one other server per report, one question in flight: each costs that server a WHATSAT of radius
//! 0 and bound 0 every round trip, and no other server anything. What is told is when the answer that shows the report
//! was read, so it is late by the way back and by half a round on average; the time of a round is told as well.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Poll};
use thiserror::Error;

use super::{
    histogram::Histogram,
    replies::{Taker, told},
    socket::Socket,
    worker::Start,
};

/// Where probes are: the place says nothing, the time tells them apart.
const PLACE: &str = "+34.068930-118.445127";
const NANOS: u64 = 1_000_000_000;
/// What one read takes: a few short replies.
const BUFFER_BYTES: usize = 16 << 10;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct AcrossPlan {
    /// Who is told.
    pub(crate) origin: SocketAddr,
    /// Who is asked, in turn; at least one.
    pub(crate) others: Vec<SocketAddr>,
    /// From one report to the next on average; each is up to half of that early or late.
    pub(crate) every: Duration,
    /// How long.
    pub(crate) duration: Duration,
    /// How long to wait for a report, and for any reply.
    pub(crate) patience: Duration,
    /// What chance follows from.
    pub(crate) seed: u64,
    /// Set by whoever wants it to end before that.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Crossings {
    /// The name of who was told.
    pub(crate) origin: String,
    /// Each of the others.
    pub(crate) others: Vec<Crossing>,
}

/// How reports came to one server; all in nanoseconds.
#[derive(Debug)]
pub(crate) struct Crossing {
    pub(crate) server: SocketAddr,
    /// Its name.
    pub(crate) name: String,
    /// From when the report was written.
    pub(crate) from_send: Histogram,
    /// From when the origin's reply was read; 0 if it was seen before that.
    pub(crate) from_reply: Histogram,
    /// Rounds of question and answer.
    pub(crate) round: Histogram,
    /// Reports that were not seen in time.
    pub(crate) missing: u64,
}

/// Why nothing could be measured.
#[derive(Debug, Error)]
pub(crate) enum AcrossError {
    /// The server's, or the address is.
    #[error("cannot connect to {server}: {error}")]
    Connect {
        /// Whom.
        server: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The server's: it hung up or speaks another protocol.
    #[error("lost {server}: {error}")]
    Lost {
        /// Whom.
        server: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The machine's.
    #[error("cannot wait for sockets: {0}")]
    Wait(io::Error),
}

/// Reports and asks until the time is over.
///
/// # Errors
/// A server cannot be reached, hangs up or does not speak the line protocol.
pub(crate) fn measure(plan: &AcrossPlan) -> Result<Crossings, AcrossError> {
    let mut prober = Prober::new(plan)?;
    let origin = prober.name_of(0)?;
    let mut others = Vec::new();
    for (peer, &server) in (1..).zip(&plan.others) {
        let name = prober.name_of(peer)?;
        let [from_send, from_reply, round] = [(); 3].map(|()| Histogram::new());
        others.push(Crossing { server, name, from_send, from_reply, round, missing: 0 });
    }
    let mut chance = fastrand::Rng::with_seed(plan.seed);
    let (began, mut due) = (Instant::now(), Duration::ZERO);
    while due < plan.duration && !plan.stop.load(Ordering::Relaxed) {
        thread::sleep(due.saturating_sub(began.elapsed()));
        let nth = chance.usize(..others.len());
        if let Some(crossing) = others.get_mut(nth) {
            prober.probe(nth + 1, crossing)?;
        }
        // Not at even times, so that nothing else that a server does at even times is always or never met.
        due = due.max(began.elapsed()) + plan.every.mul_f64(0.5 + chance.f64());
    }
    Ok(Crossings { origin, others })
}

/// One server that is told or asked, with one request in flight.
struct Peer {
    server: SocketAddr,
    socket: Socket,
    answers: Answers,
}

/// The connections: the origin's is the first.
struct Prober<'a> {
    plan: &'a AcrossPlan,
    peers: Vec<Peer>,
    poll: Poll,
    events: Events,
    start: Start,
    /// Time of the latest report.
    latest: u64,
    buffer: Vec<u8>,
}

/// First lines of the replies that have ended.
#[derive(Default)]
struct Answers {
    is_question: bool,
    line: Vec<u8>,
    ended: Option<Vec<u8>>,
}

impl Taker for Answers {
    fn line(&mut self, line: &[u8]) -> bool {
        line.clone_into(&mut self.line);
        self.is_question && line.starts_with(b"AT ")
    }

    fn end(&mut self) {
        self.ended = Some(std::mem::take(&mut self.line));
    }
}

impl<'a> Prober<'a> {
    fn new(plan: &'a AcrossPlan) -> Result<Self, AcrossError> {
        let poll = Poll::new().map_err(AcrossError::Wait)?;
        let mut peers = Vec::new();
        for (token, &server) in std::iter::once(&plan.origin).chain(&plan.others).enumerate() {
            let connect = |error| AcrossError::Connect { server, error };
            let mut socket = Socket::open(server).map_err(connect)?;
            socket.register(poll.registry(), token).map_err(connect)?;
            peers.push(Peer { server, socket, answers: Answers::default() });
        }
        let (events, buffer) = (Events::with_capacity(64), vec![0; BUFFER_BYTES]);
        Ok(Self { plan, peers, poll, events, start: Start::now(), latest: 0, buffer })
    }

    /// The server's own name: that which takes a report is named in the reply.
    fn name_of(&mut self, peer: usize) -> Result<String, AcrossError> {
        let (client, sent) = (self.client(peer), self.start.elapsed());
        let words = self.report(peer, &client)?;
        loop {
            if let Some(line) = self.answer(peer)? {
                let told = told(&line).filter(|(_, told)| *told == words.as_bytes());
                let name = told.map(|(server, _)| String::from_utf8_lossy(server).into_owned());
                return name.ok_or_else(|| self.wrong(peer, &line));
            }
            if self.is_late(sent) {
                return Err(self.lost(peer, io::ErrorKind::TimedOut.into()));
            }
            self.wait()?;
        }
    }

    /// Reports to the origin and asks `peer` until it tells that.
    fn probe(&mut self, peer: usize, crossing: &mut Crossing) -> Result<(), AcrossError> {
        let client = self.client(peer);
        let question = format!("WHATSAT {client} 0 0\n");
        let sent = self.start.elapsed();
        let words = self.report(0, &client)?;
        let mut asked = self.send(peer, &question)?;
        let (mut replied, mut seen) = (None, None);
        while replied.is_none() || seen.is_none() {
            if replied.is_none()
                && let Some(line) = self.answer(0)?
            {
                replied = Some(self.start.elapsed());
                if told(&line).is_none_or(|(_, told)| told != words.as_bytes()) {
                    return Err(self.wrong(0, &line));
                }
            }
            if seen.is_none()
                && let Some(line) = self.answer(peer)?
            {
                let now = self.start.elapsed();
                crossing.round.record(now - asked, 1);
                if told(&line).is_some_and(|(_, told)| told == words.as_bytes()) {
                    seen = Some(now);
                } else if replied.is_some() && self.is_late(sent) {
                    crossing.missing += 1;
                    return Ok(());
                } else {
                    asked = self.send(peer, &question)?;
                }
                continue;
            }
            if replied.is_none() && self.is_late(sent) {
                return Err(self.lost(0, io::ErrorKind::TimedOut.into()));
            }
            if self.is_late(asked) {
                return Err(self.lost(peer, io::ErrorKind::TimedOut.into()));
            }
            if replied.is_none() || seen.is_none() {
                self.wait()?;
            }
        }
        if let (Some(replied), Some(seen)) = (replied, seen) {
            crossing.from_send.record(seen - sent, 1);
            crossing.from_reply.record(seen.saturating_sub(replied), 1);
        }
        Ok(())
    }

    /// The client whose reports are looked for at `peer`.
    fn client(&self, peer: usize) -> String {
        format!("load-probe-{}-{peer}", self.plan.seed)
    }

    /// Sends a report; what follows the skew in its reply.
    fn report(&mut self, peer: usize, client: &str) -> Result<String, AcrossError> {
        let time = self.start.clock().max(self.latest + 1);
        self.latest = time;
        let words = format!("{client} {PLACE} {}.{:09}", time / NANOS, time % NANOS);
        self.send(peer, &format!("IAMAT {words}\n"))?;
        Ok(words)
    }

    /// Sends a line; when.
    fn send(&mut self, peer: usize, line: &str) -> Result<u64, AcrossError> {
        let at = self.start.elapsed();
        if let Some(Peer { server, socket, answers }) = self.peers.get_mut(peer) {
            answers.is_question = line.starts_with("WHATSAT ");
            socket.out.extend_from_slice(line.as_bytes());
            socket.send().map_err(|error| AcrossError::Lost { server: *server, error })?;
        }
        Ok(at)
    }

    /// The first line of a reply that has come: with one request in flight there is no second one.
    fn answer(&mut self, peer: usize) -> Result<Option<Vec<u8>>, AcrossError> {
        let Some(Peer { server, socket, answers }) = self.peers.get_mut(peer) else { return Ok(None) };
        let received = socket.receive(&mut self.buffer, answers);
        received.map_err(|error| AcrossError::Lost { server: *server, error })?;
        Ok(answers.ended.take())
    }

    fn wait(&mut self) -> Result<(), AcrossError> {
        match self.poll.poll(&mut self.events, Some(self.plan.patience)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(AcrossError::Wait(error)),
            _ => Ok(()),
        }
    }

    fn is_late(&self, since: u64) -> bool {
        u128::from(self.start.elapsed() - since) > self.plan.patience.as_nanos()
    }

    fn lost(&self, peer: usize, error: io::Error) -> AcrossError {
        let server = self.peers.get(peer).map_or(self.plan.origin, |peer| peer.server);
        AcrossError::Lost { server, error }
    }

    fn wrong(&self, peer: usize, line: &[u8]) -> AcrossError {
        let words = format!("a wrong reply: {:?}", String::from_utf8_lossy(line.get(..200).unwrap_or(line)));
        self.lost(peer, io::Error::new(io::ErrorKind::InvalidData, words))
    }
}
