//! Connections between servers: latency, bandwidth, bounded buffers, and every way to lose one. Knows bytes, no frames.
//!
//! Each direction is a pipe that keeps order. The one thing to know: bytes that cannot arrive keep their room in the pipe,
//! so the writer is held up as TCP would hold it up.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    queue::{ConnectionId, Event, Queue},
    scenario::NetworkPlan,
};

/// Most bytes that arrive at once.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// A connection holds no more than it delivers in so many seconds.
const BUFFERED_SECONDS_MAX: u64 = 2;

/// All connections there ever were.
#[derive(Debug)]
pub(crate) struct Network {
    plan: NetworkPlan,
    connections: Vec<Connection>,
    /// How many faults keep bytes from getting from one server to another.
    blocked: BTreeMap<(usize, usize), usize>,
    /// Bandwidth of edges that are slower than the rest.
    slow: BTreeMap<(usize, usize), u64>,
}

#[derive(Debug)]
struct Connection {
    /// Dialler and acceptor; a direction has the number of the end that writes.
    servers: [usize; 2],
    pipes: [Pipe; 2],
    /// The ends that do not belong to the herd.
    are_foreign: [bool; 2],
}

#[derive(Debug, Default)]
struct Pipe {
    in_flight: VecDeque<Chunk>,
    /// Arrivals that came while the way was blocked.
    held_up: usize,
    arrived: Vec<u8>,
    buffered: usize,
    busy_until: u64,
    arrives_at: u64,
    is_dead: bool,
    is_closed: bool,
    has_ended: bool,
}

#[derive(Debug)]
enum Chunk {
    Bytes(Vec<u8>),
    End,
}

/// What a server reads.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    /// The other end has closed, or is gone.
    pub(crate) has_ended: bool,
}

impl Network {
    pub(crate) const fn new(plan: NetworkPlan) -> Self {
        Self { plan, connections: Vec::new(), blocked: BTreeMap::new(), slow: BTreeMap::new() }
    }

    /// One way between two servers, this time.
    pub(crate) fn latency(&self, rng: &mut fastrand::Rng) -> u64 {
        rng.u64(self.plan.latency())
    }

    pub(crate) fn connect(&mut self, dialler: usize, acceptor: usize) -> ConnectionId {
        let connection =
            Connection { servers: [dialler, acceptor], pipes: Default::default(), are_foreign: [false; 2] };
        self.connections.push(connection);
        self.connections.len() - 1
    }

    /// The servers at the two ends.
    pub(crate) fn servers(&self, id: ConnectionId) -> [usize; 2] {
        self.connections.get(id).map(|connection| connection.servers).unwrap_or_default()
    }

    /// Notes that one end does not belong to the herd.
    pub(crate) fn mark_foreign(&mut self, id: ConnectionId, end: usize) {
        if let Some(mark) = self.connections.get_mut(id).and_then(|known| known.are_foreign.get_mut(end)) {
            *mark = true;
        }
    }

    /// Which ends do not belong to the herd.
    pub(crate) fn are_foreign(&self, id: ConnectionId) -> [bool; 2] {
        self.connections.get(id).map(|connection| connection.are_foreign).unwrap_or_default()
    }

    pub(crate) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked.contains_key(&(from, to))
    }

    /// Writes as much as there is room for; says how much.
    pub(crate) fn write(
        &mut self,
        id: ConnectionId,
        end: usize,
        bytes: &[u8],
        around: (u64, &mut Queue, &mut fastrand::Rng),
    ) -> usize {
        let (now, queue, rng) = around;
        let latency = self.latency(rng);
        let rate = self.rate(id);
        // However slow it is, what is under way arrives within a few seconds.
        let bytes_max = usize::try_from(rate.saturating_mul(BUFFERED_SECONDS_MAX)).unwrap_or(usize::MAX);
        let room_max = self.plan.buffer_bytes.min(bytes_max);
        let Some(pipe) = self.pipe(id, end).filter(|pipe| !pipe.is_closed) else { return bytes.len() };
        let room = room_max.saturating_sub(pipe.buffered).min(bytes.len());
        // Frames do not arrive in one piece, and a slow line is never silent for long.
        let piece_max = usize::try_from(rate / 10).unwrap_or(usize::MAX).clamp(1, PIECE_BYTES_MAX);
        let (head, tail) = bytes.get(..room).unwrap_or_default().split_at(rng.usize(..=room.min(piece_max)));
        for piece in std::iter::once(head).filter(|head| !head.is_empty()).chain(tail.chunks(piece_max)) {
            pipe.buffered += piece.len();
            pipe.busy_until =
                pipe.busy_until.max(now) + (piece.len() as u64).saturating_mul(1_000_000_000) / rate;
            pipe.send(id, end, Chunk::Bytes(piece.to_vec()), latency, queue);
        }
        room
    }

    /// Closes one end: the other one reads what was written, then the end of it.
    pub(crate) fn close(
        &mut self,
        id: ConnectionId,
        end: usize,
        around: (u64, &mut Queue, &mut fastrand::Rng),
    ) {
        let (now, queue, rng) = around;
        let latency = self.latency(rng);
        let Some(pipe) = self.pipe(id, end).filter(|pipe| !pipe.is_closed) else { return };
        pipe.is_closed = true;
        pipe.busy_until = pipe.busy_until.max(now);
        pipe.send(id, end, Chunk::End, latency, queue);
    }

    /// What an end writes arrives no more, and nobody is told.
    pub(crate) fn kill(&mut self, id: ConnectionId, end: usize) {
        if let Some(pipe) = self.pipe(id, end) {
            pipe.is_dead = true;
        }
    }

    /// The next piece that `from` wrote arrives; says whether the reader has something to read.
    pub(crate) fn arrive(&mut self, id: ConnectionId, from: usize) -> bool {
        let [writer, reader] = self.directed(id, from);
        let is_blocked = self.is_blocked(writer, reader);
        let Some(pipe) = self.pipe(id, from).filter(|pipe| !pipe.is_dead) else { return false };
        if is_blocked {
            pipe.held_up += 1;
            return false;
        }
        match pipe.in_flight.pop_front() {
            Some(Chunk::Bytes(bytes)) => pipe.arrived.extend_from_slice(&bytes),
            Some(Chunk::End) => pipe.has_ended = true,
            None => {}
        }
        true
    }

    /// Reads all that has arrived at an end.
    pub(crate) fn read(&mut self, id: ConnectionId, end: usize) -> Read {
        let Some(pipe) = self.pipe(id, 1 - end) else {
            return Read { bytes: Vec::new(), has_ended: true };
        };
        let bytes = std::mem::take(&mut pipe.arrived);
        pipe.buffered -= bytes.len();
        Read { bytes, has_ended: pipe.has_ended }
    }

    pub(crate) fn block(&mut self, from: usize, to: usize) {
        *self.blocked.entry((from, to)).or_default() += 1;
    }

    /// Ends one block; what it held up arrives.
    pub(crate) fn unblock(&mut self, from: usize, to: usize, around: (u64, &mut Queue, &mut fastrand::Rng)) {
        let (now, queue, rng) = around;
        if let Some(count) = self.blocked.get_mut(&(from, to)) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        self.blocked.remove(&(from, to));
        for id in 0..self.connections.len() {
            for end in 0..2 {
                if self.directed(id, end) == [from, to]
                    && let Some(pipe) = self.pipe(id, end)
                {
                    for _ in 0..std::mem::take(&mut pipe.held_up) {
                        // Sent again after a time-out of TCP's.
                        queue.plan(now + rng.u64(..200_000_000), Event::Arrive { id, from: end });
                    }
                }
            }
        }
    }

    /// Sets the bandwidth of an edge, or gives it back.
    pub(crate) fn set_rate(&mut self, (a, b): (usize, usize), bytes_per_second: Option<u64>) {
        match bytes_per_second {
            Some(rate) => self.slow.insert((a.min(b), a.max(b)), rate.max(1)),
            None => self.slow.remove(&(a.min(b), a.max(b))),
        };
    }

    fn rate(&self, id: ConnectionId) -> u64 {
        let [a, b] = self.servers(id);
        self.slow.get(&(a.min(b), a.max(b))).copied().unwrap_or(self.plan.bytes_per_second)
    }

    fn directed(&self, id: ConnectionId, from: usize) -> [usize; 2] {
        let [dialler, acceptor] = self.servers(id);
        if from == 0 { [dialler, acceptor] } else { [acceptor, dialler] }
    }

    fn pipe(&mut self, id: ConnectionId, from: usize) -> Option<&mut Pipe> {
        self.connections.get_mut(id)?.pipes.get_mut(from)
    }
}

impl Pipe {
    fn send(&mut self, id: ConnectionId, from: usize, chunk: Chunk, latency: u64, queue: &mut Queue) {
        self.arrives_at = self.arrives_at.max(self.busy_until + latency);
        self.in_flight.push_back(chunk);
        queue.plan(self.arrives_at, Event::Arrive { id, from });
    }
}
