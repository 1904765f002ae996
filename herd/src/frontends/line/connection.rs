//! One client's TCP connection: a state machine that is polled by whatever it waits for.
//!
//! The one thing to know: reading, answering, waiting for providers (or the disk) and writing go on side by side, and
//! only bounds on what is unsent or unanswered hold reading back. Read buffers belong to the threads, so that an idle
//! connection holds none.

use std::{
    cell::RefCell,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use herd_core::{node::Answer, wire::lines::LineSplitter};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::coop::has_budget_remaining,
    time::{Instant, Sleep, sleep},
};

use crate::{
    frontends::{ClientLimits, DRAIN_MAX, Share, Turnstile},
    gateway::{Gateway, Submitted},
    traffic::Party,
};

use super::{answer, backlog::Backlog, departure::Departure, replies::Replies, turn::Turn};

/// Bytes read at once, about 1,000 commands: with a quarter of it a flood costs 5 to 10 % more, for its system calls. A
/// client that sends without end has as many waiting here, and as many bytes of replies.
const READ_BYTES: usize = 64 * 1024;

/// Replies that wait for those of the next turn, if there is to be one at once.
const WRITE_BYTES: usize = 64 * 1024;

/// Bytes that a reply adds to its line, about: the server and the skew.
const TAKER_BYTES: usize = 32;

/// Bytes of a usual line: a longer one counts for several.
const LINE_BYTES_USUAL: usize = 64;

/// What a question counts for, in other commands: its answer is looked up and printed.
const QUESTION_WORK: u32 = 32;

/// Things that replies of one connection may wait for: providers, and batches that are to be on the disk first; with
/// more, its commands wait too. A client that asks once a second and whose provider takes the whole deadline has 5.
const WAITING_MAX: usize = 64;

/// Time in which a client must take at least one byte while it leaves as much unread as it may: a network that
/// loses a packet needs some 200 ms, three losses in a row 1.4 s.
const STALL_MAX: Duration = Duration::from_secs(2);

/// Time in which a server that stops takes in what has arrived: what the system held for it is some tenths of a second
/// of work, and questions that wait for a provider are answered by then. The rest of [`DRAIN_MAX`] is for writing.
const INTAKE_MAX: Duration = Duration::from_millis(1500);

/// Silence after which a server that stops closes a connection although the client does not: what was under way when the
/// client was told that nothing more will come is here within a round trip, some 200 ms later after a loss.
const HUSH: Duration = Duration::from_millis(500);

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ANSWERS: RefCell<Vec<Answer>> = const { RefCell::new(Vec::new()) };
}

/// What may still come from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// Only what has arrived.
    Stopping,
    Ended(End),
    /// All replies are written and the client was told that there will be no more. What still comes is read and thrown
    /// away: to close on it would take back the replies that the client has not read.
    Discarded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    OfStream,
    OfService,
}

/// See the module.
pub(super) struct Connection {
    stream: TcpStream,
    party: Party,
    gateway: Gateway,
    limits: ClientLimits,
    input: Input,
    splitter: LineSplitter,
    /// Bytes that were read and wait for their turn, and for room for their replies.
    backlog: Backlog,
    replies: Replies,
    share: Share,
    /// When bytes last went either way.
    active_at: Instant,
    /// Since when the client takes nothing although it has as much unread as it may.
    stalled_at: Option<Instant>,
    stopping_at: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer wakes this task when it fires.
    is_timed: bool,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        party: Party,
        gateway: Gateway,
        limits: ClientLimits,
        turnstile: &Turnstile,
    ) -> Self {
        let now = Instant::now();
        Self {
            stream,
            party,
            gateway,
            limits,
            input: Input::Open,
            splitter: LineSplitter::new(limits.line_bytes_max),
            backlog: Backlog::default(),
            replies: Replies::default(),
            share: Share::new(turnstile, now),
            active_at: now,
            stalled_at: None,
            stopping_at: None,
            timer: Box::pin(sleep(limits.idle_timeout)),
            is_timed: false,
        }
    }

    /// Takes in what has arrived and then no more.
    pub(super) fn stop(&mut self) {
        self.stopping_at.get_or_insert_with(Instant::now);
        if self.input == Input::Open {
            self.input = Input::Stopping;
        }
    }

    /// Closes it: at once and without a farewell if the client is not to be waited for.
    pub(super) fn close(self, departure: &Departure) {
        if matches!(departure, Departure::Stalled | Departure::Overdue) {
            // Without this the system would go on offering the replies for minutes. If it fails, it does.
            let _ = self.stream.set_zero_linger();
        }
    }

    /// Does one piece of work, and comes back for the next when it is its turn again: a client that sends without end
    /// must not keep a thread.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Departure> {
        let now = Instant::now();
        if self.input == Input::Discarded {
            return self.poll_discard(cx, now);
        }
        match self.poll_exchange(cx, now) {
            Ok(Poll::Ready(())) => cx.waker().wake_by_ref(),
            Ok(Poll::Pending) => {}
            Err(error) => return Poll::Ready(Departure::Broken(error)),
        }
        match self.input {
            Input::Ended(end) if self.replies.is_empty() && self.backlog.is_empty() => match end {
                End::OfStream => Poll::Ready(Departure::Closed),
                End::OfService => self.poll_farewell(cx, now),
            },
            Input::Open | Input::Stopping | Input::Ended(_) | Input::Discarded => self.poll_deadline(cx, now),
        }
    }

    /// Tells the client that there will be no more replies.
    fn poll_farewell(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Departure> {
        match ready!(Pin::new(&mut self.stream).poll_shutdown(cx)) {
            Ok(()) => self.input = Input::Discarded,
            Err(error) => return Poll::Ready(Departure::Broken(error)),
        }
        self.poll_discard(cx, now)
    }

    /// Throws away what still comes, a piece at a time.
    fn poll_discard(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Departure> {
        let mut buffer = INPUT.take();
        buffer.resize(READ_BYTES, 0);
        let mut input = ReadBuf::new(&mut buffer);
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut input);
        let is_end = input.filled().is_empty();
        INPUT.set(buffer);
        match read {
            Poll::Ready(Ok(())) if is_end => return Poll::Ready(Departure::Stopped),
            Poll::Ready(Ok(())) => {
                self.active_at = now;
                cx.waker().wake_by_ref();
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Departure::Broken(error)),
            Poll::Pending => {}
        }
        self.poll_deadline(cx, now)
    }

    /// One round of telling and taking in; pending if nothing more can be taken in now.
    fn poll_exchange(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<Poll<()>> {
        self.tell(cx, now)?;
        if self.input == Input::Stopping && self.stopping_at.is_some_and(|at| now >= at + INTAKE_MAX) {
            self.input = Input::Ended(End::OfService);
        }
        if !self.has_room() || self.backlog.is_empty() && matches!(self.input, Input::Ended(_)) {
            self.share.step_aside();
            return Ok(Poll::Pending);
        }
        let Poll::Ready(_turn) = self.share.poll_turn(cx, now) else { return Ok(Poll::Pending) };
        if !self.backlog.is_empty() {
            let mut backlog = std::mem::take(&mut self.backlog);
            let left = self.answer(Some(backlog.bytes()));
            backlog.keep(left);
            self.backlog = backlog;
            self.tell(cx, now)?;
            return Ok(Poll::Ready(()));
        }
        match self.poll_read(cx, now) {
            Poll::Ready(Ok(0)) => {
                self.input = Input::Ended(End::OfStream);
                self.answer(None);
            }
            Poll::Ready(read) => {
                let has_more = read? == READ_BYTES || !self.backlog.is_empty();
                // Who had less to say than fits has said it all: the system need not be asked to hear so.
                if !has_more && self.stream.poll_read_ready(cx)?.is_pending() && self.input == Input::Open {
                    return Ok(Poll::Pending);
                }
            }
            Poll::Pending if self.input == Input::Stopping && self.has_taken_all() => {
                self.input = Input::Ended(End::OfService);
                return Ok(Poll::Pending);
            }
            Poll::Pending => return Ok(Poll::Pending),
        }
        Ok(Poll::Ready(()))
    }

    /// Whether the system holds nothing more of the client's. The runtime does not know yet of what has just arrived: then
    /// it is going to wake this task.
    fn has_taken_all(&self) -> bool {
        SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]).is_err()
    }

    /// Whether more commands may be taken in.
    fn has_room(&self) -> bool {
        self.replies.waiting() < WAITING_MAX && self.replies.unsent() < self.limits.reply_bytes_max
    }

    /// Reads into the thread's buffer and takes that in; says how many bytes there were.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<usize>> {
        let mut buffer = INPUT.take();
        buffer.resize(READ_BYTES, 0);
        let mut input = ReadBuf::new(&mut buffer);
        let read = match Pin::new(&mut self.stream).poll_read(cx, &mut input) {
            Poll::Ready(Ok(())) => {
                self.active_at = now;
                let read = input.filled();
                let left = self.answer(Some(read));
                self.backlog.push(read.get(read.len() - left..).unwrap_or_default());
                Poll::Ready(self.tell(cx, now).map(|()| read.len()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        INPUT.set(buffer);
        read
    }

    /// Answers a turn's lines of those that end in `input`, or at the end of the stream, and says how many bytes are left for
    /// the next.
    fn answer(&mut self, input: Option<&[u8]>) -> usize {
        let split = match input {
            Some(input) => self.splitter.split(input),
            None => self.splitter.finish(),
        };
        let mut ahead = split.lines();
        let mut turn = Turn::default();
        turn.fill(&mut ahead, &self.gateway.provider().limits);
        let Turn { lines, commands } = &turn;
        let left = ahead.unread();
        if lines.is_empty() {
            return left;
        }
        let mut answers = ANSWERS.take();
        answers.clear();
        let Submitted { at, wait } = self.gateway.submit(commands, &mut answers);
        if let Some(wait) = wait {
            self.replies.hold(wait);
        }
        let mark = self.replies.mark();
        let bytes = input.map_or(0, <[u8]>::len) - left;
        let mut work = u32::try_from(lines.len().max(bytes / LINE_BYTES_USUAL)).unwrap_or(u32::MAX);
        self.replies.tail().reserve(bytes + lines.len() * TAKER_BYTES);
        for ((line, command), answer) in lines.iter().zip(commands).zip(&answers) {
            let question = answer::print(self.replies.tail(), self.gateway.server(), line, command, answer);
            if let Some((position, question)) = question {
                self.replies.ask((self.gateway.provider().ask)(position, question));
                work = work.saturating_add(QUESTION_WORK);
            }
        }
        ANSWERS.set(answers);
        self.share.count(work);
        let mut pen = self.gateway.traffic().pen();
        pen.received(self.party, at, lines.iter().map(answer::bytes));
        pen.sent(self.party, at, self.replies.since(mark));
        drop((pen, turn));
        split.put_back(left);
        left
    }

    /// Makes ready what providers have said, and writes as much as the client takes.
    fn tell(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<()> {
        if self.replies.waiting() > 0 {
            let (gateway, party) = (&self.gateway, self.party);
            self.replies.advance(cx, |body_bytes, then| {
                let at = gateway.clock();
                let mut pen = gateway.traffic().pen();
                if let Some(body_bytes) = body_bytes {
                    pen.sent_body(party, at, gateway.provider().subject, body_bytes);
                }
                pen.sent(party, at, then);
            });
        }
        let has_more = !self.backlog.is_empty() && self.has_room();
        if has_more && self.replies.unsent() < WRITE_BYTES {
            return Ok(());
        }
        while self.replies.has_ready() {
            let stream = Pin::new(&mut self.stream);
            let written = self.replies.write(|parts| match parts {
                [all] => stream.poll_write(cx, all),
                parts => stream.poll_write_vectored(cx, parts),
            });
            match written {
                Poll::Ready(written) => {
                    written?;
                    self.active_at = now;
                    self.stalled_at = None;
                }
                Poll::Pending => break,
            }
        }
        if !self.replies.has_ready() || self.replies.unsent() < self.limits.reply_bytes_max {
            self.stalled_at = None;
        } else {
            self.stalled_at.get_or_insert(now);
        }
        Ok(())
    }

    /// Ends the connection when its time has come.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Departure> {
        let (deadline, departure) = self.deadline();
        if now >= deadline {
            return Poll::Ready(departure);
        }
        // An early timer is cheaper than one that is moved with each command: it fires, and is set anew.
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
            self.is_timed = false;
        }
        // One task polls this connection all its life, so the timer knows whom to wake.
        while !self.is_timed || self.timer.is_elapsed() {
            // A task that has used up its turn is not told of timers, but polled again.
            self.is_timed = has_budget_remaining();
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(departure);
            }
            self.timer.as_mut().reset(deadline);
            self.is_timed = false;
        }
        Poll::Pending
    }

    fn deadline(&self) -> (Instant, Departure) {
        let idle = (self.active_at + self.limits.idle_timeout, Departure::Idle);
        let stalled = self.stalled_at.map(|at| (at + STALL_MAX, Departure::Stalled));
        let is_told_all = self.input == Input::Discarded;
        let hushed = is_told_all.then(|| (self.active_at + HUSH, Departure::Stopped));
        let overdue = self
            .stopping_at
            .map(|at| (at + DRAIN_MAX, if is_told_all { Departure::Stopped } else { Departure::Overdue }));
        let earliest = |a: (Instant, Departure), b: (Instant, Departure)| if b.0 < a.0 { b } else { a };
        [stalled, hushed, overdue].into_iter().flatten().fold(idle, earliest)
    }
}
