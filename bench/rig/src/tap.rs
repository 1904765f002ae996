//! A neighbour that only listens: the link of `herd-core` on a blocking socket, so that what a server tells its
//! neighbours can be timed where it arrives.
//!
//! Its server is called `Tap` and its herd `bench`; the server that it dials has to have it for a neighbour.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use herd_core::{
    link::{Identity, Link, LinkEvent, Side},
    node::{Node, NodeSettings},
    secret::HerdKey,
    server::Name,
    time::{Moment, Now, Timestamp},
    wire::peer::NONCE_BYTES,
};

/// Bytes of one read.
const READ_BYTES: usize = 256 * 1024;

/// Silence after which the neighbour counts as dead: it says something every second.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Tap {
    stream: TcpStream,
    node: Node,
    link: Link,
    start: Instant,
    buffer: Vec<u8>,
    /// Bytes that the neighbour has sent.
    pub(crate) received: u64,
    /// When the last bytes were in our hands.
    pub(crate) received_at: Instant,
}

impl Tap {
    /// Connects to the server called `neighbour`.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn dial(neighbour: &str, address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("no neighbour at {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let (herd, server) = (Name::new("bench")?, Name::new("Tap")?);
        let key = HerdKey::derive(&herd, None);
        let start = Instant::now();
        // On loopback without a secret nothing depends on who could guess these.
        let incarnation = wall_clock()?.as_nanos();
        let mut nonce = [0; NONCE_BYTES];
        nonce.iter_mut().zip(incarnation.to_le_bytes()).for_each(|(to, from)| *to = from);
        let node = Node::new(NodeSettings::new(server.clone(), incarnation, incarnation, key.clone()));
        let neighbour = Name::new(neighbour)?;
        let identity =
            Identity { herd, server, incarnation, key, neighbours: vec![neighbour.clone()], joins: false };
        let link = Link::new(identity, Side::Dialler, Some(neighbour), nonce, Moment::from_nanos(0));
        let buffer = vec![0; READ_BYTES];
        let mut tap = Self { stream, node, link, start, buffer, received: 0, received_at: start };
        tap.send()?;
        Ok(tap)
    }

    /// Waits for bytes and deals with them: what has happened then.
    ///
    /// # Errors
    /// The link ended.
    pub(crate) fn turn(&mut self) -> anyhow::Result<Vec<LinkEvent>> {
        let count = self.stream.read(&mut self.buffer).context("the neighbour is gone")?;
        self.received_at = Instant::now();
        if count == 0 {
            bail!("the neighbour closed the connection");
        }
        self.received += u64::try_from(count)?;
        let now = self.now()?;
        self.link.handle(&self.node, self.buffer.get(..count).unwrap_or_default(), now)?;
        let mut events = self.link.take_events();
        if events.iter().any(|event| matches!(event, LinkEvent::Proved(_))) {
            self.link.open(&self.node, None, now.moment);
            self.link.handle(&self.node, &[], now)?;
        }
        while self.link.has_work() {
            self.link.work(&self.node, now)?;
        }
        events.extend(self.link.take_events());
        self.link.handle_time(&self.node, now)?;
        self.send()?;
        Ok(events)
    }

    /// Waits until both hold the same.
    ///
    /// # Errors
    /// The link ended.
    pub(crate) fn sync(&mut self) -> anyhow::Result<()> {
        while !self.turn()?.contains(&LinkEvent::Synced) {}
        Ok(())
    }

    fn send(&mut self) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        while self.link.has_bytes(&self.node) {
            self.link.next_bytes(&self.node, self.now()?, &mut bytes);
        }
        self.stream.write_all(&bytes).context("the neighbour takes no more")
    }

    fn now(&self) -> anyhow::Result<Now> {
        let moment = Moment::from_nanos(u64::try_from(self.start.elapsed().as_nanos())?);
        Ok(Now { moment, clock: wall_clock()? })
    }
}

/// Measures how long a neighbour that knows nothing takes to know all, and prints that.
///
/// # Errors
/// The link ended.
pub(crate) fn fill(neighbour: &str, address: SocketAddr) -> anyhow::Result<()> {
    let mut tap = Tap::dial(neighbour, address)?;
    tap.sync()?;
    println!("seconds {:.6}", tap.start.elapsed().as_secs_f64());
    println!("bytes {}", tap.received);
    Ok(())
}

fn wall_clock() -> anyhow::Result<Timestamp> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    Ok(Timestamp::from_nanos(u64::try_from(since_1970.as_nanos())?))
}
