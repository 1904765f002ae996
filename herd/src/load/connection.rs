//! One connection of the generator: its stream and what was asked on it. Not here: whether it is time to send.

use std::{collections::VecDeque, io, net::SocketAddr};

use super::{
    replies::Taker,
    socket::Socket,
    source::{Asked, Source},
    tally::Tally,
};

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) server: SocketAddr,
    asked: VecDeque<Asked>,
    is_broken: bool,
}

impl Connection {
    /// Connects, and waits for that.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: Socket::open(server)?, server, asked: VecDeque::new(), is_broken: false })
    }

    /// Requests without a reply.
    pub(super) fn in_flight(&self) -> usize {
        self.asked.len()
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Appends the source's next request for the `nth` connection, to be sent with the next [`Socket::send`]. False if
    /// it has none.
    pub(super) fn ask(&mut self, source: &mut Source, nth: usize, due: u64, clock: u64) -> bool {
        let Some(asked) = source.ask(nth, &mut self.socket.out, due, clock) else { return false };
        self.asked.push_back(asked);
        true
    }

    /// Takes all replies that have come. `clock` tells the time of the run.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        source: &Source,
        tally: &mut Tally,
        clock: impl Fn() -> u64,
    ) -> io::Result<()> {
        let Self { socket, asked, server, .. } = self;
        let mut counter = Counter { asked, server: *server, source, tally, clock };
        let received = socket.receive(buffer, &mut counter);
        tally.settle();
        received
    }

    /// Gives the connection up: its requests are without a reply. How many those are.
    pub(super) fn give_up(&mut self) -> usize {
        self.is_broken = true;
        self.socket.out.clear();
        let lost = self.asked.len();
        self.asked.clear();
        lost
    }
}

/// Holds replies against what was asked.
struct Counter<'a, C> {
    asked: &'a mut VecDeque<Asked>,
    server: SocketAddr,
    source: &'a Source,
    tally: &'a mut Tally,
    clock: C,
}

impl<C: Fn() -> u64> Taker for Counter<'_, C> {
    fn read(&mut self) {
        self.tally.settle();
        self.tally.at((self.clock)());
    }

    fn line(&mut self, line: &[u8]) -> bool {
        let Some(asked) = self.asked.front() else {
            self.tally.unasked(self.server, line);
            return false;
        };
        let is_at = line.starts_with(b"AT ");
        if !is_at || self.tally.is_sample() && !self.source.is_answered_by(asked, line) {
            self.tally.wrong(self.server, line);
        }
        is_at && asked.is_question
    }

    fn end(&mut self) {
        if let Some(asked) = self.asked.pop_front() {
            self.tally.answered(&asked);
        }
    }
}
