//! A link: one connection between two neighbours, as a state machine without a socket.
//!
//! Bytes that arrive go into [`Link::handle`]; bytes to be sent come out of [`Link::next_bytes`] whenever the socket can
//! take them, so a slow neighbour needs no queue: it simply falls behind in the log, and past its end compares
//! tables. What catching up brings waits for [`Link::work`], so that live reports get past it. A link knows its node
//! and nothing of other links; who may replace whom is [`judge`]'s to say.

mod handshake;
mod open;
mod catch_up;
mod window;
mod copies;
mod standing;

use std::time::Duration;

use crate::{
    limits::{
        FRAME_BYTES_MAX, HANDSHAKE_MAX, LINK_ANSWERS_BYTES_MAX, LINK_PIECE_BYTES, NEIGHBOUR_SILENCE_MAX,
    },
    log::LogPosition,
    members::Fact,
    node::Node,
    server::Name,
    time::{Moment, Now},
    wire::{
        peer::{self, Frame, FrameError, GREETING_BYTES_MAX, NONCE_BYTES, Refusal},
        record::RecordError,
    },
};

use handshake::Handshake;
use open::{Open, Voice};

pub use handshake::{Identity, Peer, Side, judge};
pub use standing::Standing;

/// Why a link ends. Nothing that was merged is undone; the driver closes the connection, and the dialler dials again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// We do not want the peer; it is told why.
    #[error("refused the peer: {0}: {1}")]
    Refused(Refusal, Name),
    /// The peer does not want us.
    #[error("the peer refuses us: {0}")]
    RefusedByPeer(Refusal),
    /// The peer said something at the wrong time. The peer is at fault.
    #[error("the peer spoke out of turn")]
    OutOfTurn,
    /// The peer sent what is no frame. The peer is at fault.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer sent what is no record. The peer is at fault.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The peer used the number of a server that it had not named, or named too many. The peer is at fault.
    #[error("the peer speaks of an unknown server")]
    UnknownServer,
    /// The peer asks and asks and does not read our answers. The peer is at fault.
    #[error("the peer leaves {0} bytes of answers unread")]
    Unread(usize),
    /// Nothing came for too long: the peer, or what is between us, is at fault.
    #[error("no sign of life for {0:?}")]
    Silent(Duration),
}

/// What a driver ought to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The peer has proved who it is; the driver now calls [`Link::open`] or [`Link::refuse`].
    Proved(Peer),
    /// Reports arrived that were news.
    Fresh {
        /// Their records, with our server numbers.
        records: Vec<u8>,
        /// They came by comparing tables, not as they happened.
        by_copy: bool,
    },
    /// So many clients had to go because the table is full.
    Evicted(usize),
    /// Both sides hold the same.
    Synced,
    /// Servers said something new of themselves: all links have something to send.
    Members,
    /// Another server has our name, and we are the younger: this server has to stop.
    Claimed(Claim),
}

/// How we know that another server has our name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Claim {
    /// It is older, and answered.
    #[error("an older server of this name is running: {}", told(.0))]
    Answered(Box<Fact>),
    /// A neighbour is linked with it, and keeps refusing us.
    #[error("a server of this name is linked with {0}")]
    Refused(Name),
}

fn told(fact: &Fact) -> String {
    let address =
        fact.address.map_or_else(|| "no peer address".to_owned(), |address| format!("peer {address}"));
    format!("{address}, incarnation {:016x}", fact.incarnation)
}

/// How far a neighbour had come with our log, or we with its: kept by the driver from one connection to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of which life of the neighbour.
    pub incarnation: u64,
    /// We have merged its log up to here.
    pub position: LogPosition,
}

/// See the module.
#[derive(Debug)]
pub struct Link {
    side: Side,
    state: State,
    inbox: Vec<u8>,
    /// Short frames that wait to be sent, at most [`LINK_ANSWERS_BYTES_MAX`] and one answer more.
    outbox: Vec<u8>,
    events: Vec<LinkEvent>,
    heard_at: Moment,
    began_at: Moment,
}

#[derive(Debug)]
enum State {
    Greeting(Box<Handshake>),
    /// Proved, not yet opened by the driver.
    Proved(Peer),
    Open(Box<Open>),
}

impl Link {
    /// A link on a new connection: `expected` is whom we dialled, `nonce` a random number never used before.
    #[must_use]
    pub fn new(
        identity: Identity,
        side: Side,
        expected: Option<Name>,
        nonce: [u8; NONCE_BYTES],
        now: Moment,
    ) -> Self {
        let mut outbox = Vec::new();
        let handshake = Handshake::begin(identity, side, expected, nonce, &mut outbox);
        let state = State::Greeting(Box::new(handshake));
        Self { side, state, inbox: Vec::new(), outbox, events: Vec::new(), heard_at: now, began_at: now }
    }

    /// When something came from the peer last.
    #[must_use]
    pub const fn heard_at(&self) -> Moment {
        self.heard_at
    }

    /// Which end of the connection this is.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Uses a proved connection: `progress` is how far we came with the peer's log before. Call [`Link::handle`] next, with
    /// no bytes: more may have arrived already. The herd is told, so other links have something to send.
    pub fn open(&mut self, node: &Node, progress: Option<Progress>, now: Moment) {
        let State::Proved(peer) = &self.state else { return };
        let (incarnation, position) = match progress {
            Some(known) if known.incarnation == peer.incarnation => (known.incarnation, known.position),
            _ => (0, LogPosition::default()),
        };
        peer::encode(&mut self.outbox, &Frame::Resume { incarnation, position });
        let open = Open::new(node, peer.clone(), self.side, position, (self.began_at, now));
        self.state = State::Open(Box::new(open));
    }

    /// Tells the peer why the connection is about to be closed.
    pub fn refuse(&mut self, refusal: Refusal) {
        peer::encode(&mut self.outbox, &Frame::Refused(refusal));
    }

    /// Takes bytes in; what was copied waits for [`Link::work`].
    ///
    /// # Errors
    /// The link must end, see [`LinkError`]; what is still in [`Link::next_bytes`] is worth sending.
    pub fn handle(&mut self, node: &Node, bytes: &[u8], now: Now) -> Result<(), LinkError> {
        self.heard_at = now.moment;
        self.inbox.extend_from_slice(bytes);
        let mut inbox = std::mem::take(&mut self.inbox);
        let mut taken = 0;
        let result = loop {
            match self.handle_first(node, inbox.get(taken..).unwrap_or_default(), now) {
                Ok(0) => break Ok(()),
                Ok(bytes) => taken += bytes,
                Err(error) => break Err(error),
            }
        };
        inbox.drain(..taken);
        if inbox.is_empty() {
            inbox.shrink_to(LINK_PIECE_BYTES);
        }
        self.inbox = inbox;
        self.note_synced();
        if let Err(LinkError::Refused(refusal, _)) = &result {
            self.refuse(*refusal);
        }
        result
    }

    /// Handles the first frame if it is whole; says how many bytes it took.
    fn handle_first(&mut self, node: &Node, bytes: &[u8], now: Now) -> Result<usize, LinkError> {
        let is_proved = !matches!(self.state, State::Greeting(_));
        let bytes_max = if is_proved { FRAME_BYTES_MAX } else { GREETING_BYTES_MAX };
        let decoded = peer::decode(bytes, bytes_max);
        if let Err(FrameError::Version(_)) = decoded {
            self.refuse(Refusal::Version);
        }
        let Some((frame, taken)) = decoded? else { return Ok(0) };
        match &mut self.state {
            State::Greeting(handshake) => {
                if let Some(peer) = handshake.handle(frame, &mut self.outbox)? {
                    self.state = State::Proved(peer.clone());
                    self.events.push(LinkEvent::Proved(peer));
                    // The driver decides before anything else of the peer is read.
                    return Ok(taken);
                }
            }
            State::Proved(_) => return Ok(0),
            State::Open(open) => {
                let mut voice = Voice { out: &mut self.outbox, events: &mut self.events };
                open.handle(node, frame, now, &mut voice)?;
            }
        }
        if self.outbox.len() > LINK_ANSWERS_BYTES_MAX {
            return Err(LinkError::Unread(self.outbox.len()));
        }
        Ok(taken)
    }

    /// Does what is due by now: heartbeats, rounds of comparing, the end of a peer that is silent.
    ///
    /// # Errors
    /// The link must end, see [`LinkError`].
    pub fn handle_time(&mut self, node: &Node, now: Now) -> Result<(), LinkError> {
        let silent = now.moment.since(self.heard_at);
        let handshake = now.moment.since(self.began_at);
        match &mut self.state {
            State::Open(open) if silent < NEIGHBOUR_SILENCE_MAX => {
                open.handle_time(node, now, &mut self.outbox);
                Ok(())
            }
            State::Open(open) => {
                node.members().unanswered(&open.peer().server);
                Err(LinkError::Silent(silent))
            }
            State::Greeting(_) | State::Proved(_) if handshake >= HANDSHAKE_MAX => {
                if let State::Greeting(greeting) = &self.state
                    && let Some(expected) = greeting.expected()
                {
                    node.members().unanswered(expected);
                }
                Err(LinkError::Silent(handshake))
            }
            State::Greeting(_) | State::Proved(_) => Ok(()),
        }
    }

    /// When [`Link::handle_time`] is to be called at the latest.
    #[must_use]
    pub fn next_time(&self) -> Moment {
        match &self.state {
            State::Open(open) => {
                let silent = self.heard_at.later(NEIGHBOUR_SILENCE_MAX);
                silent.min(open.next_time())
            }
            State::Greeting(_) | State::Proved(_) => self.began_at.later(HANDSHAKE_MAX),
        }
    }

    /// Appends what is to be sent next, a few pieces at most; nothing if there is nothing.
    pub fn next_bytes(&mut self, node: &Node, now: Now, out: &mut Vec<u8>) {
        out.append(&mut self.outbox);
        if let State::Open(open) = &mut self.state {
            open.next_bytes(node, now, out);
        }
        self.note_synced();
    }

    /// Whether [`Link::work`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.has_copies())
    }

    /// Merges a few of the copies that arrived. Look for more bytes after each call: a live report is not to wait for copies.
    ///
    /// # Errors
    /// The link must end, see [`LinkError`].
    pub fn work(&mut self, node: &Node, now: Now) -> Result<(), LinkError> {
        if let State::Open(open) = &mut self.state {
            let mut voice = Voice { out: &mut self.outbox, events: &mut self.events };
            open.merge_copies(node, now, &mut voice)?;
        }
        Ok(())
    }

    fn note_synced(&mut self) {
        if let State::Open(open) = &mut self.state
            && open.take_synced()
        {
            self.events.push(LinkEvent::Synced);
        }
    }

    /// Whether [`Link::next_bytes`] would append something without the log growing further.
    #[must_use]
    pub fn has_bytes(&self, node: &Node) -> bool {
        let open_has = match &self.state {
            State::Open(open) => open.has_bytes(node),
            State::Greeting(_) | State::Proved(_) => false,
        };
        open_has || !self.outbox.is_empty()
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<LinkEvent> {
        std::mem::take(&mut self.events)
    }

    /// How far we have come with the peer's log, once both have held the same: worth keeping for the next connection.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        match &self.state {
            State::Open(open) => open.progress(),
            State::Greeting(_) | State::Proved(_) => None,
        }
    }

    /// How the link stands, once it is open.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match &self.state {
            State::Open(open) => Some(open.standing()),
            State::Greeting(_) | State::Proved(_) => None,
        }
    }

    /// Ends the link for the node: the peer's clock has no say any more, and the herd is told, so other links have
    /// something to send.
    pub fn close(self, node: &Node) {
        if let State::Open(open) = self.state {
            let neighbour = &open.peer().server;
            // The connection that took the place of this one may have told its clock already.
            if node.members().link_down(neighbour) {
                node.forget_clock(neighbour);
            }
        }
    }
}
