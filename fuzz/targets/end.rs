//! One of the two servers of a handshake: a link, and all that went over its connection.
//!
//! Not a target. The one thing to know: a link that proved its peer, or failed, is gone, and hears nothing more.

use std::sync::LazyLock;

use herd_core::{
    limits::FRAME_BYTES_MAX,
    link::{Identity, Link, LinkEvent, Side},
    node::{Node, NodeSettings},
    secret::{HerdKey, Secret},
    server::Name,
    time::{Moment, Now, Timestamp},
    wire::peer::{self, NONCE_BYTES},
};

const INCARNATION: u64 = 8;
const NOW: Now = Now { moment: Moment::from_nanos(0), clock: Timestamp::from_nanos(0) };

/// Handshakes never look into it.
static NODE: LazyLock<Node> =
    LazyLock::new(|| Node::new(NodeSettings::new(name("A"), INCARNATION, 2, identity("A").key)));

/// See the file.
pub(crate) struct End {
    server: &'static str,
    link: Option<Link>,
    pub(crate) said: Vec<u8>,
    heard: Vec<u8>,
    /// How much of what the other said is behind it, heard or not.
    pub(crate) passed: usize,
}

impl End {
    pub(crate) fn dialler(server: &'static str, expected: &str) -> Self {
        Self::new(server, Side::Dialler, Some(name(expected)))
    }

    pub(crate) fn acceptor(server: &'static str) -> Self {
        Self::new(server, Side::Acceptor, None)
    }

    fn new(server: &'static str, side: Side, expected: Option<Name>) -> Self {
        let nonce = [server.as_bytes()[0]; NONCE_BYTES];
        let link = Some(Link::new(identity(server), side, expected, nonce, NOW.moment));
        Self { server, link, said: Vec::new(), heard: Vec::new(), passed: 0 }
    }

    pub(crate) fn speak(&mut self) {
        self.link.iter_mut().for_each(|link| link.next_bytes(&NODE, NOW, &mut self.said));
    }

    /// Takes bytes in; if they prove who the peer is, it said all that was heard for it.
    pub(crate) fn hear(&mut self, bytes: &[u8], other: &Self) {
        let Some(link) = &mut self.link else { return };
        self.heard.extend_from_slice(bytes);
        let is_over = link.handle(&NODE, bytes, NOW).is_err();
        let proved = link.take_events().pop();
        if let Some(LinkEvent::Proved(peer)) = &proved {
            assert_eq!((peer.server.as_str(), peer.incarnation), (other.server, INCARNATION));
            let (_, hello) = peer::decode(&self.heard, FRAME_BYTES_MAX).unwrap().unwrap();
            let (_, proof) = peer::decode(&self.heard[hello..], FRAME_BYTES_MAX).unwrap().unwrap();
            assert!(other.said.starts_with(&self.heard[..hello + proof]), "a proof of what was not said");
        }
        if is_over || proved.is_some() {
            self.speak();
            self.link = None;
        }
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn identity(server: &str) -> Identity {
    Identity {
        herd: name("fuzz"),
        server: name(server),
        incarnation: INCARNATION,
        key: HerdKey::derive(&name("fuzz"), Some(&Secret::new("a secret of some length"))),
        neighbours: vec![name("A"), name("B")],
        joins: false,
    }
}
