//! How two servers come to trust a connection: hello and proof, each way, in one round trip and a half.
//!
//! Both sides send a hello with a fresh random number; each proves with the herd's key that it saw both hellos, and
//! which side it is, so that a proof can be neither replayed nor reflected.

use std::time::Duration;

use crate::{
    limits::CLAIM_SILENCE_MAX,
    secret::{HerdKey, PROOF_BYTES},
    server::Name,
    wire::peer::{self, Frame, Hello, NONCE_BYTES, Refusal},
};

use super::LinkError;

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// We connected.
    Dialler,
    /// The peer connected.
    Acceptor,
}

impl Side {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Dialler => b"dialler",
            Self::Acceptor => b"acceptor",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// Who we are to a peer.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The herd's name.
    pub herd: Name,
    /// Our server's name.
    pub server: Name,
    /// The number of this life of it.
    pub incarnation: u64,
    /// The herd's key.
    pub key: HerdKey,
    /// The servers that we may link with.
    pub neighbours: Vec<Name>,
    /// This connection is to join the herd: whoever of it answers is a neighbour, and is asked to take us for one.
    pub joins: bool,
}

/// Who the peer proved to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub server: Name,
    /// The number of this life of it.
    pub incarnation: u64,
    /// It asks for an edge that no configuration names.
    pub joins: bool,
}

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    identity: Identity,
    side: Side,
    /// Whom we dialled, if we did.
    expected: Option<Name>,
    ours: Vec<u8>,
    theirs: Option<(Peer, Vec<u8>)>,
}

impl Handshake {
    /// Begins: appends our hello.
    pub(super) fn begin(
        identity: Identity,
        side: Side,
        expected: Option<Name>,
        nonce: [u8; NONCE_BYTES],
        out: &mut Vec<u8>,
    ) -> Self {
        let hello = Hello {
            incarnation: identity.incarnation,
            nonce,
            herd: identity.herd.clone(),
            server: identity.server.clone(),
            joins: identity.joins,
        };
        let mut ours = Vec::new();
        peer::encode(&mut ours, &Frame::Hello(hello));
        out.extend_from_slice(&ours);
        Self { identity, side, expected, ours, theirs: None }
    }

    /// Whom we dialled, if we did.
    pub(super) const fn expected(&self) -> Option<&Name> {
        self.expected.as_ref()
    }

    /// Takes a frame in: the peer, once it has proved who it is. Appends what is to be said.
    pub(super) fn handle(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<Option<Peer>, LinkError> {
        match (frame, self.theirs.take()) {
            (Frame::Hello(hello), None) => {
                self.admit(&hello)?;
                let mut theirs = Vec::new();
                peer::encode(&mut theirs, &Frame::Hello(hello.clone()));
                let proof = self.identity.key.prove(&self.transcript(self.side, &self.ours, &theirs));
                peer::encode(out, &Frame::Proof(proof));
                let Hello { incarnation, server, joins, .. } = hello;
                self.theirs = Some((Peer { server, incarnation, joins }, theirs));
                Ok(None)
            }
            (Frame::Proof(proof), Some((peer, theirs))) => {
                self.verify(&proof, &theirs)?;
                Ok(Some(peer))
            }
            (Frame::Refused(refusal), _) => Err(LinkError::RefusedByPeer(refusal)),
            _ => Err(LinkError::OutOfTurn),
        }
    }

    fn admit(&self, hello: &Hello) -> Result<(), LinkError> {
        if hello.herd != self.identity.herd {
            return Err(LinkError::Refused(Refusal::Herd, hello.herd.clone()));
        }
        let is_us = hello.server == self.identity.server && hello.incarnation == self.identity.incarnation;
        let is_expected = self.expected.as_ref().is_none_or(|expected| *expected == hello.server);
        let has_edge = self.identity.joins || hello.joins || self.identity.neighbours.contains(&hello.server);
        if is_expected && has_edge && !is_us {
            Ok(())
        } else {
            Err(LinkError::Refused(Refusal::Stranger, hello.server.clone()))
        }
    }

    fn verify(&self, proof: &[u8; PROOF_BYTES], theirs: &[u8]) -> Result<(), LinkError> {
        let transcript = self.transcript(self.side.other(), theirs, &self.ours);
        if self.identity.key.verify(&transcript, proof) {
            Ok(())
        } else {
            Err(LinkError::Refused(Refusal::Proof, self.identity.herd.clone()))
        }
    }

    /// What the one on `side` proves: which side it is, its own hello, and the other's.
    fn transcript<'a>(&self, side: Side, its_own: &'a [u8], the_others: &'a [u8]) -> [&'a [u8]; 4] {
        [b"link", side.label(), its_own, the_others]
    }
}

/// Whether a connection that has proved itself, `new`, becomes the link with its peer, given the one that is it at present
/// and for how long nothing was heard on that. Drivers ask before they call [`super::Link::open`]; both ends decide
/// alike, whichever connection they see first.
///
/// Another life of the peer has to wait until the one we hear from falls silent, since that may be another server with
/// the same name. A connection from the same dialler wins, who would not dial if it still trusted the old one; of
/// two that were dialled from both ends at once, that of the smaller name stays.
///
/// # Errors
/// It does not; what the peer is to be told.
pub fn judge(
    own: &Name,
    (new, side): (&Peer, Side),
    current: Option<(&Peer, Side, Duration)>,
) -> Result<(), Refusal> {
    if new.server == *own && side == Side::Acceptor {
        // Whoever dialled us to join under our own name learns it from this refusal.
        return Err(Refusal::Claimed);
    }
    let Some((current, current_side, silence)) = current else { return Ok(()) };
    if new.incarnation != current.incarnation {
        return if silence < CLAIM_SILENCE_MAX { Err(Refusal::Claimed) } else { Ok(()) };
    }
    let is_of_smaller = (side == Side::Dialler) == (*own < new.server);
    if side == current_side || is_of_smaller { Ok(()) } else { Err(Refusal::Duplicate) }
}
