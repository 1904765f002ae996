//! One connection of the generator: a batch of requests out, its replies in, the next batch.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    ops::Range,
};

use anyhow::{Context, bail};
use mio::net::TcpStream;

use crate::requests::{Ending, Language};

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What of the batch is still to be sent.
    unsent: Range<usize>,
    /// Replies to come.
    awaited: usize,
    /// Whether what came last ended with a line end.
    at_line_end: bool,
}

impl Connection {
    /// # Errors
    /// Nobody listens at `address`.
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        // Connected before it stops blocking: a generator starts with all its connections.
        let stream =
            std::net::TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream: TcpStream::from_std(stream), unsent: 0..0, awaited: 0, at_line_end: false })
    }

    pub(crate) const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether every reply is here.
    pub(crate) const fn is_idle(&self) -> bool {
        self.awaited == 0
    }

    /// Begins a batch of `count` requests, which are `batch` of `pool`.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn begin(&mut self, pool: &[u8], batch: Range<usize>, count: usize) -> anyhow::Result<()> {
        self.unsent = batch;
        self.awaited = count;
        self.send(pool)
    }

    /// Sends what the socket takes.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn send(&mut self, pool: &[u8]) -> anyhow::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(pool.get(self.unsent.clone()).unwrap_or_default()) {
                Ok(count) => self.unsent.start += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the server takes no more"),
            }
        }
        Ok(())
    }

    /// Counts the replies that are here, by what they end with; says how many bytes of them are `language`'s refusal.
    ///
    /// # Errors
    /// The server is gone, or said more than it was asked.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        language: Language,
        is_closed: bool,
    ) -> anyhow::Result<usize> {
        let mut refused = 0;
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed the connection with {} replies to come", self.awaited),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the server is gone"),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            let replies = self.count(language.ending(), bytes);
            refused += memchr::memchr_iter(language.refusal(), bytes).count();
            let Some(awaited) = self.awaited.checked_sub(replies) else {
                bail!("{} replies too many", replies - self.awaited)
            };
            self.awaited = awaited;
            // A short read emptied the socket: more will wake us. Only its end would go unnoticed.
            if count < buffer.len() && !is_closed {
                break;
            }
        }
        Ok(refused)
    }

    /// Replies that end within `bytes`.
    fn count(&mut self, ending: Ending, bytes: &[u8]) -> usize {
        if ending == Ending::Line {
            return memchr::memchr_iter(b'\n', bytes).count();
        }
        // A blank line may be split between two reads. There are never two in a row.
        let split = self.at_line_end && bytes.first() == Some(&b'\n');
        self.at_line_end = bytes.last() == Some(&b'\n');
        usize::from(split) + memchr::memmem::find_iter(bytes, b"\n\n").count()
    }
}
