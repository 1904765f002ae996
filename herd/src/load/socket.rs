//! One stream to a server, never waited for: bytes to send as far as the socket takes them, and replies.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use mio::{Interest, Registry, Token};

use super::replies::{Replies, Taker};

/// Time for a connection to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// One stream.
#[derive(Debug)]
pub(super) struct Socket {
    stream: mio::net::TcpStream,
    /// What the system has not taken yet.
    pub(super) out: Vec<u8>,
    replies: Replies,
}

impl Socket {
    /// Connects, and waits for that.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, CONNECT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let stream = mio::net::TcpStream::from_std(stream);
        Ok(Self { stream, out: Vec::new(), replies: Replies::default() })
    }

    /// Events of this stream come as `token`.
    pub(super) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        registry.register(&mut self.stream, Token(token), Interest::READABLE | Interest::WRITABLE)
    }

    /// No events come any more.
    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.stream)
    }

    /// Sends as much as the system takes; an event says when it takes more.
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

    /// Reads all that has come.
    ///
    /// # Errors
    /// The connection is at its end, in whatever way.
    pub(super) fn receive(&mut self, buffer: &mut [u8], taker: &mut impl Taker) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed by the server")),
                Ok(count) => {
                    taker.read();
                    self.replies.take(buffer.get(..count).unwrap_or_default(), taker)?;
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
}
