//! One thread of the generator: its connections, when each may send, and one wait for all.
//!
//! Closed loop: a connection sends a window of requests with one write, and the next when all of them are answered.
//! Open loop: requests are due at their time whatever the servers do, and latency counts from then.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mio::{Events, Poll};

use super::{
    End, Plan, Traffic,
    connection::Connection,
    crowd::Crowd,
    journey::{Journey, timetable},
    pace::{Pace, Timetable},
    source::Source,
    tally::Tally,
};

/// Requests without a reply on one connection in an open loop; past that the generator waits, and the clock runs on.
const IN_FLIGHT_MAX: usize = 1 << 16;
/// What one read takes: more gains nothing, less costs system calls.
const BUFFER_BYTES: usize = 256 << 10;
/// Longest wait: how late the end of a run may be noticed.
const TICK: Duration = Duration::from_millis(100);

/// When a run began, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    at: Instant,
    clock: u64,
}

impl Start {
    pub(super) fn now() -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at: Instant::now(), clock: nanos(clock) }
    }

    /// This moment by the wall clock that the run began with, in nanoseconds since 1970.
    pub(super) fn clock(&self) -> u64 {
        self.clock + self.elapsed()
    }

    /// Nanoseconds since.
    pub(super) fn elapsed(&self) -> u64 {
        nanos(self.at.elapsed())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One thread's part of the work.
pub(super) struct Worker<'a> {
    plan: &'a Plan,
    connections: Vec<Connection>,
    source: Source,
    poll: Poll,
    /// Due times in an open loop.
    pace: Option<Pace>,
    /// Requests that may still be sent.
    left: u64,
    in_flight: usize,
    last_sent_at: u64,
    tally: Tally,
    buffer: Vec<u8>,
}

impl<'a> Worker<'a> {
    /// The `nth` worker of the plan, with these connections; the run begins with [`Worker::run`].
    pub(super) fn new(plan: &'a Plan, mut connections: Vec<Connection>, nth: u32) -> io::Result<Self> {
        let (of, count) = (plan.threads, connections.len());
        let poll = Poll::new()?;
        for (token, connection) in connections.iter_mut().enumerate() {
            connection.socket.register(poll.registry(), token)?;
        }
        let wanted = match plan.end {
            End::Requests(count) => share(count, nth, of),
            End::After(_) => u64::MAX,
        };
        let even = |rate| Timetable::Even { rate, nth, workers: of, connections: count };
        let (source, left, times) = match &plan.traffic {
            Traffic::Crowd { crowd, rate } => {
                (Source::Crowd(Crowd::new(*crowd, nth, of)), wanted, rate.map(even))
            }
            Traffic::Replay { tracks, speed } => {
                let journey = Journey::new(tracks, nth, of, count);
                let left = journey.left().min(wanted);
                let listed = |speed| Timetable::Listed(timetable(tracks, speed, nth, of, count));
                (Source::Journey(journey), left, speed.map(listed))
            }
        };
        let pace = times.map(|times| Pace::new(poll.registry(), times)).transpose()?;
        Ok(Self {
            plan,
            connections,
            source,
            poll,
            pace,
            left,
            in_flight: 0,
            last_sent_at: 0,
            tally: Tally::new(plan.sample_every),
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Sends and receives until all is sent and answered, or nothing is answered any more.
    pub(super) fn run(mut self, start: Start, progress: &AtomicU64) -> io::Result<Tally> {
        let mut events = Events::with_capacity(1024);
        if self.pace.is_none() {
            (0..self.connections.len()).for_each(|nth| self.refill(nth, start));
        }
        loop {
            let timeout = if self.pace.is_some() { self.keep_pace(start)? } else { TICK };
            let now = start.elapsed();
            if self.is_over(now) {
                break;
            }
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                done => done?,
            }
            let before = self.tally.answered;
            for event in &events {
                let nth = event.token().0;
                if nth < self.connections.len() {
                    self.serve(nth, event.is_readable() || event.is_read_closed() || event.is_error(), start);
                }
            }
            progress.fetch_add(self.tally.answered - before, Ordering::Relaxed);
        }
        for connection in &mut self.connections {
            let server = connection.server;
            let lost = connection.give_up();
            if lost > 0 {
                let why = format!("none came for {} s", self.plan.patience.as_secs_f64());
                self.tally.missing(lost, server, &why);
            }
        }
        Ok(self.tally)
    }

    /// One connection has news.
    fn serve(&mut self, nth: usize, is_readable: bool, start: Start) {
        let connection = &mut self.connections[nth];
        if connection.is_broken() {
            return;
        }
        let before = connection.in_flight();
        let mut done = connection.socket.send();
        if done.is_ok() && is_readable {
            done = connection.receive(&mut self.buffer, &self.source, &mut self.tally, || start.elapsed());
        }
        self.in_flight -= before - connection.in_flight();
        if let Err(error) = done {
            self.lose(nth, &error, start);
        } else if self.pace.is_none() && connection.in_flight() == 0 {
            self.refill(nth, start);
        }
    }

    /// Closed loop: the next window.
    fn refill(&mut self, nth: usize, start: Start) {
        let now = start.elapsed();
        if self.is_sent(now) {
            return;
        }
        let connection = &mut self.connections[nth];
        let window = self.plan.window.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        while connection.in_flight() < window && connection.ask(&mut self.source, nth, now, start.clock + now)
        {
        }
        self.last_sent_at = now;
        self.in_flight += connection.in_flight();
        self.left -= connection.in_flight() as u64;
        if let Err(error) = connection.socket.send() {
            self.lose(nth, &error, start);
        }
    }

    /// Open loop: sends what is due and says how long to wait for what is next.
    fn keep_pace(&mut self, start: Start) -> io::Result<Duration> {
        // Without room a reply has to come first, and its event ends the wait.
        if self.is_sent(start.elapsed()) || !self.send_due(start) || self.left == 0 {
            return Ok(TICK);
        }
        self.pace.as_ref().map_or(Ok(TICK), |pace| pace.wait(start.elapsed()))
    }

    /// Sends all that is due now, on each connection with one write. False if one has no room.
    fn send_due(&mut self, start: Start) -> bool {
        let now = start.elapsed();
        let end = match self.plan.end {
            End::After(time) => nanos(time),
            End::Requests(_) => u64::MAX,
        };
        let Some(pace) = &mut self.pace else { return true };
        let mut touched = Vec::new();
        let mut has_room = true;
        while let Some((due, nth)) = pace.next().filter(|&(due, _)| due <= now && due < end && self.left > 0)
        {
            let connection = &mut self.connections[nth];
            has_room = connection.in_flight() < IN_FLIGHT_MAX;
            if !has_room {
                break;
            }
            pace.advance();
            self.left -= 1;
            // Otherwise it is touched already, or waits for the event that it can send again.
            if connection.socket.out.is_empty() {
                touched.push(nth);
            }
            if connection.is_broken() || !connection.ask(&mut self.source, nth, due, start.clock + now) {
                continue;
            }
            self.in_flight += 1;
            self.last_sent_at = now;
            self.tally.lateness.record(now - due, 1);
        }
        if now >= end {
            self.left = 0;
            self.tally.unsent = pace.due_before(end);
        }
        for nth in touched {
            if let Err(error) = self.connections[nth].socket.send() {
                self.lose(nth, &error, start);
            }
        }
        has_room
    }

    /// A connection ended: a fault unless all was sent and answered.
    fn lose(&mut self, nth: usize, error: &io::Error, start: Start) {
        let is_sent = self.is_sent(start.elapsed());
        let connection = &mut self.connections[nth];
        let server = connection.server;
        let lost = connection.give_up();
        self.in_flight -= lost;
        if lost > 0 || !is_sent {
            self.tally.hung_up(lost, server, error);
        }
        drop(connection.socket.deregister(self.poll.registry()));
        if self.pace.is_none() {
            self.left -= self.source.give_up(nth).min(self.left);
        }
    }

    /// Whether nothing more is to be sent. In an open loop what was due before the end is sent first.
    fn is_sent(&self, now: u64) -> bool {
        let is_closed_loop = self.pace.is_none();
        self.left == 0
            || self.plan.stop.load(Ordering::Relaxed)
            || is_closed_loop && matches!(self.plan.end, End::After(time) if now >= nanos(time))
    }

    fn is_over(&self, now: u64) -> bool {
        let is_answered = self.in_flight == 0 && self.is_sent(now);
        let latest = self.tally.last_reply_at.max(self.last_sent_at);
        let is_silent = self.in_flight > 0 && now.saturating_sub(latest) > nanos(self.plan.patience);
        is_answered || is_silent || self.connections.iter().all(Connection::is_broken)
    }
}

/// The part of worker `nth` of `of`.
fn share(count: u64, nth: u32, of: u32) -> u64 {
    let bound = |nth: u32| u128::from(count) * u128::from(nth) / u128::from(of.max(1));
    u64::try_from(bound(nth + 1) - bound(nth)).unwrap_or(u64::MAX)
}
