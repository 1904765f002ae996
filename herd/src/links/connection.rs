//! One connection with a neighbour: moves bytes between a socket and a link, and does what the link's events ask for.

use std::{convert::Infallible, future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use herd_core::{
    limits::COPY_SLICE_BYTES,
    link::{Identity, Link, LinkError, LinkEvent, Peer, Side},
    server::Name,
    wire::peer::{NONCE_BYTES, Refusal},
};
use parking_lot::Mutex;
use tokio::{net::TcpStream, task, time};
use tokio_util::sync::CancellationToken;

use super::{
    Links,
    envelope::{Envelope, EnvelopeError},
    registry::Figures,
    strangers::Place,
};
use crate::{
    ending::Ending,
    traffic::{Channel, Party},
};

/// Time for a neighbour to take what was sent last, and to close its end.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Bytes from a neighbour after which others have their turn: some 300 reports, 60 us.
const TURN_BYTES: usize = 16 * 1024;

/// What a wake-up by news counts for: a task that never waits for the runtime would not be asked to give way.
const NEWS_BYTES: usize = TURN_BYTES / 16;

/// Why a connection ended. Nothing that was merged is lost; it is dialled again.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    /// The socket, or TLS around it, failed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// There is a better connection with the same neighbour, or one with another server of its name, or no room.
    #[error("refused {1}: {0}")]
    Unwanted(Refusal, Name),
    /// The peer proved to know what the herd knows, but its certificate is for somebody else.
    #[error("it says that it is {claimed}, its certificate is for {vouched}")]
    Impostor {
        /// The name in its hello.
        claimed: Name,
        /// The names in its certificate.
        vouched: String,
    },
    /// Neither a secret nor certificates, and beyond this machine.
    #[error("it is not on this machine, and there is neither a secret nor [tls]")]
    Exposed,
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
        match self {
            Self::Link(LinkError::RefusedByPeer(refusal)) | Self::Unwanted(refusal, _) => {
                !matches!(refusal, Refusal::Duplicate)
            }
            Self::Link(error) => matches!(error, LinkError::Refused(..)),
            Self::Envelope(error) => error.is_refusal(),
            Self::Impostor { .. } | Self::Exposed => true,
            Self::Random(_) | Self::Replaced | Self::Stopping => false,
        }
    }

    /// This server wanted it so, or a moment's patience mends it.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Replaced
                | Self::Stopping
                | Self::Unwanted(Refusal::Duplicate, _)
                | Self::Link(LinkError::RefusedByPeer(Refusal::Duplicate))
        )
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whom it had become the link with.
    pub(super) neighbour: Option<Name>,
    /// Why it ended.
    pub(super) why: ConnectionError,
}

impl Ended {
    pub(super) fn failed(why: impl Into<ConnectionError>) -> Self {
        Self { neighbour: None, why: why.into() }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    links: Arc<Links>,
    envelope: Envelope,
    party: Party,
    number: u64,
    side: Side,
    expected: Option<Name>,
    /// Given back once the peer has proved who it is.
    place: Option<Place>,
    /// The neighbour, once the connection is its link.
    neighbour: Option<Name>,
    /// Another connection has taken its place.
    replaced: CancellationToken,
    /// Where the registry looks how it goes.
    figures: Arc<Mutex<Figures>>,
}

impl Connection {
    /// A connection that we dialled, to a neighbour or, if nobody is expected, to join whoever is there.
    pub(super) fn dialled(
        links: Arc<Links>,
        stream: TcpStream,
        address: SocketAddr,
        expected: Option<Name>,
    ) -> Self {
        let number = links.next_number();
        Self::new(links, stream, address, number, Side::Dialler, expected)
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
            envelope: Envelope::new(stream),
            party,
            number,
            side,
            expected,
            place: None,
            neighbour: None,
            replaced,
            figures: Arc::default(),
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) -> Ended {
        let links = Arc::clone(&self.links);
        let mut link = match self.begin() {
            Ok(link) => link,
            Err(why) => return Ended::failed(why),
        };
        let Err(why) = self.exchange(&mut link).await;
        while link.has_work() && link.work(links.engine.node(), links.engine.now()).is_ok() {}
        // Frames that were read with the one that ended it may have brought news; it ends all the same.
        drop(self.attend(&mut link));
        if let Some(neighbour) = &self.neighbour {
            links.registry.ended(neighbour, why.to_string());
            let has_left = links.engine.node().members().has_left(neighbour);
            links.registry.leave(self.number, neighbour, link.progress(), has_left);
            let at = links.engine.clock();
            links.engine.traffic().pen().went(self.party, at, &format!("{neighbour} {why}"));
            tracing::info!(%neighbour, %why, "link down");
        }
        if self.neighbour.is_some() || !matches!(why, ConnectionError::Replaced) {
            self.farewell(&mut link).await;
        }
        link.close(links.engine.node());
        links.engine.wake();
        Ended { neighbour: self.neighbour, why }
    }

    fn begin(&mut self) -> Result<Link, ConnectionError> {
        self.envelope.stream().set_nodelay(true).map_err(EnvelopeError::from)?;
        if let Some(certificates) = &*self.links.certificates.borrow() {
            self.envelope.seal(self.side, certificates)?;
        }
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let now = self.links.engine.now().moment;
        let joins = self.side == Side::Dialler && self.expected.is_none();
        let identity = Identity { joins, ..self.links.identity.clone() };
        Ok(Link::new(identity, self.side, self.expected.clone(), nonce, now))
    }

    /// Moves bytes both ways until something ends it.
    async fn exchange(&mut self, link: &mut Link) -> Result<Infallible, ConnectionError> {
        let links = Arc::clone(&self.links);
        let (engine, node) = (&links.engine, links.engine.node());
        // What is waited for again and again is registered once.
        let mut replaced = pin!(self.replaced.clone().cancelled_owned());
        let mut draining = pin!(links.draining.cancelled());
        let mut timer = pin!(time::sleep(Duration::ZERO));
        let mut due = None;
        let mut work = 0;
        loop {
            if link.has_work() {
                link.work(node, engine.now())?;
                work += COPY_SLICE_BYTES;
            }
            self.attend(link)?;
            // Registered before the log is read, so that nothing appended after that is overslept; and after what arrived
            // was attended to, which is news to other links.
            let fresh = engine.fresh();
            let now = engine.now();
            self.envelope.fill(|out| link.next_bytes(node, now, out));
            self.envelope.flush().map_err(EnvelopeError::from)?;
            self.note(link);
            let is_flushed = self.envelope.is_flushed();
            let has_next = is_flushed && link.has_bytes(node);
            if due != Some(link.next_time()) {
                due = Some(link.next_time());
                timer.as_mut().reset(time::Instant::now() + link.next_time().since(now.moment));
            }
            // Every branch but the reading one only wakes the loop; `ready` loses nothing when dropped.
            tokio::select! {
                biased;
                () = &mut replaced => return Err(ConnectionError::Replaced),
                // Before reading: a neighbour that sends without end must not keep us from saying that we live.
                () = &mut timer => {
                    due = None;
                    link.handle_time(node, engine.now())?;
                }
                has_arrived = self.envelope.ready() => if has_arrived? {
                    let arrived = self.envelope.arrived();
                    work += arrived.len();
                    link.handle(node, arrived, engine.now())?;
                },
                // Giving way has the runtime look at its sockets: with four slices to a turn live reports waited twice as long.
                () = future::ready(()), if has_next || link.has_work() => work = TURN_BYTES,
                () = &mut draining, if is_flushed => return Err(ConnectionError::Stopping),
                () = fresh, if is_flushed => work += NEWS_BYTES,
            }
            if work >= TURN_BYTES {
                // Neither a neighbour that sends, nor news that comes without end, nor a long copy may keep a thread from all others.
                work = 0;
                task::yield_now().await;
            }
        }
    }

    /// Writes down how the link goes, once it is one.
    fn note(&self, link: &Link) {
        if let Some(standing) = link.standing() {
            let (sent, received) = self.envelope.moved();
            *self.figures.lock() = Figures { standing, sent, received, heard_at: link.heard_at() };
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
                    LinkEvent::Fresh { records, by_copy } => {
                        let mut pen = engine.traffic().pen();
                        if by_copy {
                            pen.copies(self.party, engine.clock(), &records);
                        } else {
                            pen.reports(self.party, engine.clock(), &records);
                        }
                        drop(pen);
                        engine.wake();
                    }
                    LinkEvent::Evicted(clients) => engine.evicted(clients),
                    LinkEvent::Members => engine.wake(),
                    LinkEvent::Claimed(claim) => engine.end(Ending::Claimed(claim)),
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
        if let Err(vouched) = self.envelope.vouches_for(&peer.server) {
            link.refuse(Refusal::Certificate);
            return Err(ConnectionError::Impostor { claimed: peer.server.clone(), vouched });
        }
        let engine = &self.links.engine;
        let (now, side) = (engine.now().moment, (self.side, self.party.peer));
        let claim = (self.number, &self.replaced);
        let admission = self.links.registry.admit(claim, peer, side, now).map_err(|refusal| {
            link.refuse(refusal);
            ConnectionError::Unwanted(refusal, peer.server.clone())
        })?;
        self.figures = admission.figures;
        self.neighbour = Some(peer.server.clone());
        engine.traffic().pen().came(self.party, engine.clock(), peer.server.as_str());
        tracing::info!(neighbour = %peer.server, "link up");
        link.open(engine.node(), admission.progress, now);
        // Our fact tells of the link.
        engine.wake();
        // What the peer sent right behind its proof has arrived already.
        Ok(link.handle(engine.node(), &[], engine.now())?)
    }

    /// Says what is left to say.
    async fn farewell(&mut self, link: &mut Link) {
        let engine = &self.links.engine;
        let last_words = self.envelope.close(|out| link.next_bytes(engine.node(), engine.now(), out));
        let result = time::timeout(FAREWELL_MAX, last_words).await;
        tracing::trace!(?result, "farewell");
    }
}
