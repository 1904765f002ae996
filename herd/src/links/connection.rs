//! One connection with a neighbour: moves bytes between a socket and a link, and does what the link's events ask for.

use std::{convert::Infallible, future, io, net::SocketAddr, sync::Arc, time::Duration};

use herd_core::{
    limits::LINK_PIECE_BYTES,
    link::{Link, LinkError, LinkEvent, Peer, Side},
    node::{Effects, Node},
    server::Name,
    time::Now,
    wire::peer::{NONCE_BYTES, Refusal},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    task, time,
};
use tokio_util::sync::CancellationToken;

use super::Links;
use crate::traffic::{Channel, Party};

/// Bytes of one read.
const READ_BYTES: usize = LINK_PIECE_BYTES;

/// Time for a neighbour to take what was sent last, and to close its end.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Why a connection ended. Nothing that was merged is lost; it is dialled again.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// There is a better connection with the same neighbour.
    #[error("another connection with the same neighbour is the link")]
    Duplicate,
    /// The neighbour closed it.
    #[error("the neighbour closed the connection")]
    Closed,
    /// Another connection with the same neighbour took its place.
    #[error("replaced")]
    Replaced,
    /// The neighbour has everything, and the server stops.
    #[error("server stops")]
    Stopping,
}

impl ConnectionError {
    /// One of the two does not want the other, and somebody has to change a configuration.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Link(
                LinkError::Refused(..)
                    | LinkError::RefusedByPeer(
                        Refusal::Version | Refusal::Herd | Refusal::Stranger | Refusal::Proof
                    )
            )
        )
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// It had become a link.
    pub(super) was_open: bool,
    /// Why it ended.
    pub(super) why: ConnectionError,
}

impl Ended {
    pub(super) fn failed(error: io::Error) -> Self {
        Self { was_open: false, why: error.into() }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    links: Arc<Links>,
    stream: TcpStream,
    party: Party,
    number: u64,
    side: Side,
    expected: Option<Name>,
    /// Given back once the peer has proved who it is.
    unproved: Option<OwnedSemaphorePermit>,
    /// The neighbour, once the connection is its link.
    neighbour: Option<Name>,
    replaced: CancellationToken,
}

impl Connection {
    /// A connection that we dialled.
    pub(super) fn dialled(links: Arc<Links>, stream: TcpStream, address: SocketAddr, expected: Name) -> Self {
        Self::new(links, stream, address, Side::Dialler, Some(expected), None)
    }

    /// A connection that somebody else dialled.
    pub(super) fn accepted(
        links: Arc<Links>,
        stream: TcpStream,
        address: SocketAddr,
        unproved: OwnedSemaphorePermit,
    ) -> Self {
        Self::new(links, stream, address, Side::Acceptor, None, Some(unproved))
    }

    fn new(
        links: Arc<Links>,
        stream: TcpStream,
        address: SocketAddr,
        side: Side,
        expected: Option<Name>,
        unproved: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let number = links.next_number();
        let party = Party { channel: Channel::Link(number), peer: Some(address) };
        let replaced = CancellationToken::new();
        Self { links, stream, party, number, side, expected, unproved, neighbour: None, replaced }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) -> Ended {
        let links = Arc::clone(&self.links);
        let mut link = match self.begin() {
            Ok(link) => link,
            Err(why) => return Ended { was_open: false, why },
        };
        let Err(why) = self.exchange(&mut link).await;
        // Frames that were read with the one that ended it may have brought news; it ends all the same.
        drop(self.attend(&mut link));
        if let Some(neighbour) = &self.neighbour {
            links.registry.leave(self.number, neighbour, link.progress());
            let at = links.engine.clock();
            links.engine.traffic().pen().went(self.party, at, &format!("{neighbour} {why}"));
            tracing::info!(%neighbour, %why, "link down");
        }
        self.farewell(&mut link).await;
        link.close(links.engine.node());
        Ended { was_open: self.neighbour.is_some(), why }
    }

    fn begin(&self) -> Result<Link, ConnectionError> {
        self.stream.set_nodelay(true)?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let now = self.links.engine.now().moment;
        Ok(Link::new(self.links.identity.clone(), self.side, self.expected.clone(), nonce, now))
    }

    /// Moves bytes both ways until something ends it.
    async fn exchange(&mut self, link: &mut Link) -> Result<Infallible, ConnectionError> {
        let links = Arc::clone(&self.links);
        let (engine, node) = (&links.engine, links.engine.node());
        let mut input = vec![0; READ_BYTES];
        let mut output = Output::default();
        let timer = time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        loop {
            // Registered before the log is read, so that nothing appended after that is overslept.
            let fresh = engine.fresh();
            self.attend(link)?;
            output.refill(link, node, engine.now());
            output.write_to(&self.stream)?;
            let has_next = output.is_empty() && link.has_bytes(node);
            let wait = link.next_time().since(engine.now().moment);
            timer.as_mut().reset(time::Instant::now() + wait);
            // Every branch but the reading one only wakes the loop; `readable` loses nothing when dropped.
            tokio::select! {
                biased;
                () = self.replaced.cancelled() => return Err(ConnectionError::Replaced),
                // Before reading: a neighbour that sends without end must not keep us from saying that we live.
                () = &mut timer => link.handle_time(node, engine.now())?,
                ready = self.stream.readable() => {
                    ready?;
                    if self.read(link, &mut input)? == READ_BYTES {
                        // There is more; others that are ready come first.
                        task::yield_now().await;
                    }
                }
                () = future::ready(()), if has_next => {}
                ready = self.stream.writable(), if !output.is_empty() => ready?,
                () = links.draining.cancelled(), if output.is_empty() => return Err(ConnectionError::Stopping),
                () = fresh, if output.is_empty() => {}
            }
        }
    }

    /// Reads once; says how many bytes there were.
    fn read(&self, link: &mut Link, input: &mut [u8]) -> Result<usize, ConnectionError> {
        match self.stream.try_read(input) {
            Ok(0) => Err(ConnectionError::Closed),
            Ok(bytes) => {
                let engine = &self.links.engine;
                link.handle(engine.node(), input.get(..bytes).unwrap_or_default(), engine.now())?;
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Does what the link's events ask for.
    fn attend(&mut self, link: &mut Link) -> Result<(), ConnectionError> {
        let links = Arc::clone(&self.links);
        let engine = &links.engine;
        let mut events = link.take_events();
        while !events.is_empty() {
            for event in events {
                match event {
                    LinkEvent::Proved(peer) => self.open(link, &peer)?,
                    LinkEvent::Fresh { records, evicted, by_copy } => {
                        let mut pen = engine.traffic().pen();
                        if by_copy {
                            pen.copies(self.party, engine.clock(), &records);
                        } else {
                            pen.reports(self.party, engine.clock(), &records);
                        }
                        drop(pen);
                        engine.conclude(&Effects { fresh: records, evicted });
                    }
                    LinkEvent::Synced => {
                        let neighbour = self.neighbour.as_ref().map(tracing::field::display);
                        tracing::info!(neighbour, clients = engine.node().clients(), "synced");
                    }
                }
            }
            events = link.take_events();
        }
        Ok(())
    }

    /// Makes the connection the link with `peer`, unless there is a better one.
    fn open(&mut self, link: &mut Link, peer: &Peer) -> Result<(), ConnectionError> {
        self.unproved = None;
        let engine = &self.links.engine;
        let Some(admission) = self.links.registry.admit(self.number, peer, self.side) else {
            link.refuse(Refusal::Duplicate);
            return Err(ConnectionError::Duplicate);
        };
        self.replaced = admission.replaced;
        self.neighbour = Some(peer.server.clone());
        engine.traffic().pen().came(self.party, engine.clock(), peer.server.as_str());
        tracing::info!(neighbour = %peer.server, "link up");
        link.open(engine.node(), admission.progress, engine.now().moment);
        // What the peer sent right behind its proof has arrived already.
        Ok(link.handle(engine.node(), &[], engine.now())?)
    }

    /// Sends what the link still has to say and lets the neighbour close first: closing on unread bytes would make
    /// the system drop what is on its way.
    async fn farewell(&mut self, link: &mut Link) {
        let mut output = Output::default();
        output.refill(link, self.links.engine.node(), self.links.engine.now());
        let last_words = async {
            self.stream.write_all(output.unsent()).await?;
            self.stream.shutdown().await?;
            let mut ignored = [0; 1024];
            while self.stream.read(&mut ignored).await? > 0 {}
            io::Result::Ok(())
        };
        let result = time::timeout(FAREWELL_MAX, last_words).await;
        tracing::trace!(?result, "farewell");
    }
}

/// Bytes on their way out.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Takes the next bytes of the link, once all before are sent.
    fn refill(&mut self, link: &mut Link, node: &Node, now: Now) {
        if self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
            link.next_bytes(node, now, &mut self.bytes);
        }
    }

    /// Writes as much as the socket takes.
    fn write_to(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.is_empty() {
            match stream.try_write(self.unsent()) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
