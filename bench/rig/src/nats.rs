//! NATS as a client sees it: messages of one subject, in its own protocol.
//!
//! Just enough of it: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// Longest that an interest may take from one server to the other.
const INTEREST_MAX: Duration = Duration::from_secs(10);
/// After which a message that was published before anybody was interested is not awaited any more.
const LOST_AFTER: Duration = Duration::from_millis(50);

/// The command that publishes `payload`.
pub(crate) fn publish(payload: &str) -> Vec<u8> {
    format!("PUB h {}\r\n{payload}\r\n", payload.len()).into_bytes()
}

/// Makes a connection ready: no reply to what goes well.
///
/// # Errors
/// It is no NATS that listens there.
pub(crate) fn greet(stream: &mut BufReader<TcpStream>) -> anyhow::Result<()> {
    let mut info = String::new();
    stream.read_line(&mut info).context("NATS says nothing")?;
    if !info.starts_with("INFO ") {
        bail!("not what NATS says: {info:?}");
    }
    stream.get_mut().write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
    Ok(())
}

/// A subscriber.
#[derive(Debug)]
pub(crate) struct Subscriber(BufReader<TcpStream>);

impl Subscriber {
    /// Subscribes on a connection that was greeted, and publishes on `entry`, another one, until that is heard.
    ///
    /// # Errors
    /// The servers do not talk.
    pub(crate) fn new(
        mut stream: BufReader<TcpStream>,
        entry: &mut BufReader<TcpStream>,
    ) -> anyhow::Result<Self> {
        stream.get_mut().write_all(b"SUB h 1\r\n")?;
        let patience = stream.get_ref().read_timeout()?;
        stream.get_ref().set_read_timeout(Some(LOST_AFTER))?;
        let mut subscriber = Self(stream);
        let start = Instant::now();
        while !subscriber.hears()? {
            if start.elapsed() > INTEREST_MAX {
                bail!("no message over the route after {INTEREST_MAX:?}");
            }
            entry.get_mut().write_all(&publish("hello"))?;
        }
        // Of those that were late none may be taken for another.
        while subscriber.hears()? {}
        subscriber.0.get_ref().set_read_timeout(patience)?;
        Ok(subscriber)
    }

    /// Whether a message comes within the time that the socket waits.
    fn hears(&mut self) -> anyhow::Result<bool> {
        match self.0.fill_buf() {
            Ok(_) => self.wait().map(|_| true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error).context("NATS is gone"),
        }
    }

    /// Waits for the next message: when it was there.
    ///
    /// # Errors
    /// NATS is gone, or complains.
    pub(crate) fn wait(&mut self) -> anyhow::Result<Instant> {
        let mut line = String::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).context("a message was lost")?;
            if line.starts_with("PING") {
                self.0.get_mut().write_all(b"PONG\r\n")?;
                continue;
            }
            let bytes = line.strip_prefix("MSG h 1 ").and_then(|bytes| bytes.trim_end().parse().ok());
            let Some(bytes) = bytes else { bail!("not a message: {line:?}") };
            let mut payload: Vec<u8> = vec![0; bytes];
            self.0.read_exact(&mut payload).context("a message was cut")?;
            self.0.read_exact(&mut [0; 2]).context("a message was cut")?;
            return Ok(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_ping_between_messages_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut server = listener.accept().unwrap().0;
        let mut subscriber = Subscriber(BufReader::new(stream));
        server.write_all(b"PING\r\nMSG h 1 5\r\nhello\r\n-ERR 'x'\r\n").unwrap();
        subscriber.wait().unwrap();
        let mut pong = [0; 6];
        server.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"PONG\r\n");
        assert_eq!(subscriber.wait().unwrap_err().to_string(), "not a message: \"-ERR 'x'\\r\\n\"");
        assert_eq!(publish("hello"), b"PUB h 5\r\nhello\r\n");
    }
}
