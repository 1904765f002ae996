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
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task, time,
};
use tokio_util::sync::CancellationToken;

use super::{Links, registry::Figures, strangers::Place};
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
    /// Another connection with the same neighbour took its place, or another stranger that of one who proved nothing.
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
    place: Option<Place>,
    /// The neighbour, once the connection is its link.
    neighbour: Option<Name>,
    replaced: CancellationToken,
    received: u64,
    /// Where the registry looks how it goes.
    figures: Arc<Mutex<Figures>>,
}

impl Connection {
    /// A connection that we dialled.
    pub(super) fn dialled(links: Arc<Links>, stream: TcpStream, address: SocketAddr, expected: Name) -> Self {
        let number = links.next_number();
        Self::new(links, stream, address, number, Side::Dialler, Some(expected))
    }

    /// A connection that somebody else dialled.
    pub(super) fn accepted(links: Arc<Links>, stream: TcpStream, address: SocketAddr) -> Self {
        let number = links.next_number();
        let place = links.strangers.admit(number);
        let replaced = place.taken.clone();
        let accepted = Self::new(links, stream, address, number, Side::Acceptor, None);
        Self { place: Some(place), replaced, ..accepted }
    }

    fn new(
        links: Arc<Links>,
        stream: TcpStream,
        address: SocketAddr,
        number: u64,
        side: Side,
        expected: Option<Name>,
    ) -> Self {
        let party = Party { channel: Channel::Link(number), peer: Some(address) };
        let replaced = CancellationToken::new();
        Self {
            links,
            stream,
            party,
            number,
            side,
            expected,
            place: None,
            neighbour: None,
            replaced,
            received: 0,
            figures: Arc::default(),
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) -> Ended {
        let links = Arc::clone(&self.links);
        let mut link = match self.begin() {
            Ok(link) => link,
            Err(why) => return Ended { was_open: false, why },
        };
        let mut output = Output::default();
        let Err(why) = self.exchange(&mut link, &mut output).await;
        // Frames that were read with the one that ended it may have brought news; it ends all the same.
        drop(self.attend(&mut link));
        if let Some(neighbour) = &self.neighbour {
            links.registry.leave(self.number, neighbour, link.progress());
            links.registry.ended(neighbour, why.to_string());
            let at = links.engine.clock();
            links.engine.traffic().pen().went(self.party, at, &format!("{neighbour} {why}"));
            tracing::info!(%neighbour, %why, "link down");
        }
        if self.neighbour.is_some() || !matches!(why, ConnectionError::Replaced) {
            self.farewell(&mut link, output).await;
        }
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
    async fn exchange(
        &mut self,
        link: &mut Link,
        output: &mut Output,
    ) -> Result<Infallible, ConnectionError> {
        let links = Arc::clone(&self.links);
        let (engine, node) = (&links.engine, links.engine.node());
        let mut input = vec![0; READ_BYTES];
        let timer = time::sleep(Duration::ZERO);
        tokio::pin!(timer);
        loop {
            // Registered before the log is read, so that nothing appended after that is overslept.
            let fresh = engine.fresh();
            self.attend(link)?;
            output.refill(link, node, engine.now());
            output.write_to(&self.stream)?;
            self.note(link, output.sent_total);
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
                    self.read(link, &mut input)?;
                }
                () = future::ready(()), if has_next => {}
                ready = self.stream.writable(), if !output.is_empty() => ready?,
                () = links.draining.cancelled(), if output.is_empty() => return Err(ConnectionError::Stopping),
                () = fresh, if output.is_empty() => {}
            }
            // Neither a neighbour that sends without end nor a long copy may keep a thread from all others.
            task::yield_now().await;
        }
    }

    /// Writes down how the link goes, once it is one.
    fn note(&self, link: &Link, sent: u64) {
        if let Some(standing) = link.standing() {
            *self.figures.lock() = Figures { standing, sent, received: self.received };
        }
    }

    fn read(&mut self, link: &mut Link, input: &mut [u8]) -> Result<(), ConnectionError> {
        match self.stream.try_read(input) {
            Ok(0) => Err(ConnectionError::Closed),
            Ok(bytes) => {
                self.received += bytes as u64;
                let engine = &self.links.engine;
                Ok(link.handle(engine.node(), input.get(..bytes).unwrap_or_default(), engine.now())?)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
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
        self.place = None;
        let engine = &self.links.engine;
        let Some(admission) = self.links.registry.admit(self.number, peer, (self.side, self.party.peer))
        else {
            link.refuse(Refusal::Duplicate);
            return Err(ConnectionError::Duplicate);
        };
        (self.replaced, self.figures) = (admission.replaced, admission.figures);
        self.neighbour = Some(peer.server.clone());
        engine.traffic().pen().came(self.party, engine.clock(), peer.server.as_str());
        tracing::info!(neighbour = %peer.server, "link up");
        link.open(engine.node(), admission.progress, engine.now().moment);
        // What the peer sent right behind its proof has arrived already.
        Ok(link.handle(engine.node(), &[], engine.now())?)
    }

    /// Sends the rest of what was begun and what the link still has to say, and lets the neighbour close first: closing on unread bytes would make
    /// the system drop what is on its way.
    async fn farewell(&mut self, link: &mut Link, mut output: Output) {
        let last_words = async {
            // A frame that is half sent must be ended before another begins.
            self.stream.write_all(output.unsent()).await?;
            output.sent = output.bytes.len();
            output.refill(link, self.links.engine.node(), self.links.engine.now());
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
    /// Bytes sent since the connection began.
    sent_total: u64,
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
                Ok(bytes) => {
                    self.sent += bytes;
                    self.sent_total += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
