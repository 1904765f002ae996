//! One connection of the generator: what is still to be sent, what was asked, and the replies cut out of the stream.
//!
//! A reply is a line; an AT line that answers a WHATSAT is followed by JSON, either on one line or, as Google prints it
//! (a lone `{` begins it), on many up to an empty one. Not here: whether it is time to send.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use memchr::memchr_iter;

use super::{
    crowd::{Asked, Crowd},
    tally::Tally,
};

/// Time for a connection to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest line of a reply: 100 messages on one line, 40 KiB each.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Where in a reply the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a reply.
    Start,
    /// Before a reply, behind JSON that was one line: an empty line may follow.
    AfterLine,
    /// Before the JSON of a question's reply.
    Body,
    /// Within JSON that ends with an empty line.
    InBody,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: mio::net::TcpStream,
    pub(super) server: SocketAddr,
    /// What the socket has not taken yet.
    out: Vec<u8>,
    asked: VecDeque<Asked>,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    place: Place,
    is_broken: bool,
}

impl Connection {
    /// Connects, and waits for it.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, CONNECT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: mio::net::TcpStream::from_std(stream),
            server,
            out: Vec::new(),
            asked: VecDeque::new(),
            partial: Vec::new(),
            place: Place::Start,
            is_broken: false,
        })
    }

    /// Requests without a reply.
    pub(super) fn in_flight(&self) -> usize {
        self.asked.len()
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Appends a request; [`Connection::send`] sends it.
    pub(super) fn ask(&mut self, crowd: &mut Crowd, due: u64, clock: u64) {
        let asked = crowd.ask(&mut self.out, due, clock);
        self.asked.push_back(asked);
    }

    /// Sends as much as the socket takes.
    pub(super) fn send(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while let Some(rest) = self.out.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..sent);
        Ok(())
    }

    /// Reads all that has come; says whether the stream goes on. `clock` tells the time of the run after each read.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        crowd: &Crowd,
        tally: &mut Tally,
        clock: impl Fn() -> u64,
    ) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server")),
                Ok(count) => {
                    tally.at(clock());
                    self.take(buffer.get(..count).unwrap_or_default(), crowd, tally)?;
                    tally.settle();
                    // A stream that gave less than it could has nothing more; new bytes are a new event.
                    if count < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the connection up: its requests are without a reply. How many those are.
    pub(super) fn give_up(&mut self) -> usize {
        self.is_broken = true;
        self.out.clear();
        let lost = self.asked.len();
        self.asked.clear();
        lost
    }

    /// Cuts bytes into lines.
    fn take(&mut self, bytes: &[u8], crowd: &Crowd, tally: &mut Tally) -> io::Result<()> {
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes) {
            let line = bytes.get(start..end).unwrap_or_default();
            start = end + 1;
            if self.partial.is_empty() {
                self.line(line, crowd, tally);
                continue;
            }
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(line);
            self.line(&whole, crowd, tally);
            whole.clear();
            self.partial = whole;
        }
        self.partial.extend_from_slice(bytes.get(start..).unwrap_or_default());
        if self.partial.len() > LINE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a reply with an endless line"));
        }
        Ok(())
    }

    /// Takes a line, without its LF, for what it is where it stands.
    fn line(&mut self, line: &[u8], crowd: &Crowd, tally: &mut Tally) {
        match self.place {
            Place::AfterLine if line.is_empty() => self.place = Place::Start,
            Place::Start | Place::AfterLine => self.first_line(line, crowd, tally),
            Place::Body if line == b"{" => self.place = Place::InBody,
            Place::Body => self.end(Place::AfterLine, tally),
            Place::InBody if line.is_empty() => self.end(Place::Start, tally),
            Place::InBody => {}
        }
    }

    fn first_line(&mut self, line: &[u8], crowd: &Crowd, tally: &mut Tally) {
        self.place = Place::Start;
        let Some(asked) = self.asked.front() else {
            tally.unasked(self.server, line);
            return;
        };
        let is_right = line.starts_with(b"AT ") && (!tally.is_sample() || crowd.is_answered_by(asked, line));
        if !is_right {
            tally.wrong(self.server, line);
        }
        if asked.is_question && line.starts_with(b"AT ") {
            self.place = Place::Body;
        } else {
            self.end(Place::Start, tally);
        }
    }

    /// A reply is complete.
    fn end(&mut self, next: Place, tally: &mut Tally) {
        self.place = next;
        if let Some(asked) = self.asked.pop_front() {
            tally.answered(&asked);
        }
    }
}
