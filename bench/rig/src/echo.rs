//! The floor: a server that copies input to output, in one thread, with one read and one write per wake-up.
//!
//! It understands nothing, so that no server of any protocol on this kind of socket can cost less.

use std::io::{ErrorKind, Read, Write};

use anyhow::Context;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

/// Bytes of one read: a window of a thousand requests takes two.
const READ_BYTES: usize = 64 * 1024;
/// Connections that wake up at once; more come with the next turn.
const EVENTS_MAX: usize = 1024;
/// Larger than any index of a connection.
const LISTENER: Token = Token(usize::MAX);

/// Serves until it is ended.
///
/// # Errors
/// No socket to be had.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).context("cannot listen")?;
    println!("echo {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: Vec<Option<Echo>> = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS_MAX);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(connections.len()), interest)?;
                    connections.push(Some(Echo { stream, unsent: Vec::new() }));
                }
            } else if let Some(slot) = connections.get_mut(event.token().0)
                && let Some(echo) = slot
                && echo.turn(&mut buffer, event.is_read_closed()).is_err()
            {
                *slot = None;
            }
        }
    }
}

struct Echo {
    stream: TcpStream,
    /// What the socket did not take.
    unsent: Vec<u8>,
}

impl Echo {
    /// Copies what there is; an error ends the connection.
    fn turn(&mut self, buffer: &mut [u8], is_closed: bool) -> std::io::Result<()> {
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)?;
        while self.unsent.is_empty() {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            self.send(buffer.get(..count).unwrap_or_default())?;
            // A short read emptied the socket: more will wake us. Only its end would go unnoticed.
            if count < buffer.len() && !is_closed {
                break;
            }
        }
        Ok(())
    }

    fn send(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.unsent = bytes.to_vec();
        Ok(())
    }
}
