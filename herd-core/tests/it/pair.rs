//! Two links on one connection that loses nothing and takes no time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails by panicking; the lints know only #[test] functions"
)]

use herd_core::{
    link::{Identity, Link, LinkError, LinkEvent, Progress, Side},
    node::Node,
    secret::{HerdKey, Secret},
    time::{Moment, Now},
    wire::peer::{self, Frame, NONCE_BYTES},
};

use crate::nodes::{name, node, seconds};

/// The time of tests to which it does not matter.
pub(crate) fn at(second: u64) -> Now {
    Now { moment: Moment::from_nanos(second * 1_000_000_000), clock: seconds(1_000_000 + second) }
}

/// What a server says it is.
pub(crate) fn identity(server: &str, neighbour: &str) -> Identity {
    Identity {
        herd: name("test"),
        server: name(server),
        incarnation: 8,
        key: HerdKey::derive(&name("test"), Some(&Secret::new("secret"))),
        neighbours: vec![name(neighbour)],
        joins: false,
    }
}

/// One end: a node and its link.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) node: Node,
    pub(crate) link: Link,
    pub(crate) events: Vec<LinkEvent>,
}

impl End {
    pub(crate) fn dialler(identity: Identity, expected: &str, nonce: u8) -> Self {
        let node = node(identity.server.as_str());
        let expected = Some(name(expected));
        let link = Link::new(identity, Side::Dialler, expected, [nonce; NONCE_BYTES], at(0).moment);
        Self { node, link, events: Vec::new() }
    }

    /// One that joins.
    pub(crate) fn contacting(identity: Identity, nonce: u8) -> Self {
        let node = node(identity.server.as_str());
        let link = Link::new(identity, Side::Dialler, None, [nonce; NONCE_BYTES], at(0).moment);
        Self { node, link, events: Vec::new() }
    }

    pub(crate) fn acceptor(identity: Identity, nonce: u8) -> Self {
        let node = node(identity.server.as_str());
        let link = Link::new(identity, Side::Acceptor, None, [nonce; NONCE_BYTES], at(0).moment);
        Self { node, link, events: Vec::new() }
    }

    /// All that is to be sent.
    pub(crate) fn say(&mut self, now: Now) -> Vec<u8> {
        let mut out = Vec::new();
        while self.link.has_bytes(&self.node) {
            self.link.next_bytes(&self.node, now, &mut out);
        }
        self.events.extend(self.link.take_events());
        out
    }

    /// Takes bytes in, opens the link as soon as the peer has proved who it is, and merges what was copied.
    pub(crate) fn hear(
        &mut self,
        bytes: &[u8],
        progress: Option<Progress>,
        now: Now,
    ) -> Result<(), LinkError> {
        self.link.handle(&self.node, bytes, now)?;
        let events = self.link.take_events();
        let is_proved = events.iter().any(|event| matches!(event, LinkEvent::Proved(_)));
        self.events.extend(events);
        if is_proved {
            self.link.open(&self.node, progress, now.moment);
            self.link.handle(&self.node, &[], now)?;
        }
        while self.link.has_work() {
            self.link.work(&self.node, now)?;
        }
        self.events.extend(self.link.take_events());
        Ok(())
    }
}

/// A frame as it goes over a connection.
pub(crate) fn bytes_of(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    peer::encode(&mut bytes, frame);
    bytes
}

/// Lets both talk until neither has anything to say.
pub(crate) fn talk(a: &mut End, b: &mut End, now: Now) -> Result<(), LinkError> {
    for _ in 0..10_000 {
        for end in [&mut *a, &mut *b] {
            if end.link.next_time() <= now.moment {
                end.link.handle_time(&end.node, now)?;
            }
        }
        let (from_a, from_b) = (a.say(now), b.say(now));
        if from_a.is_empty() && from_b.is_empty() {
            return Ok(());
        }
        b.hear(&from_a, None, now)?;
        a.hear(&from_b, None, now)?;
    }
    panic!("two links never fall silent")
}

/// Two servers with an open link, in step.
pub(crate) fn linked() -> (End, End) {
    let mut a = End::dialler(identity("A", "B"), "B", 1);
    let mut b = End::acceptor(identity("B", "A"), 2);
    talk(&mut a, &mut b, at(1)).unwrap();
    assert!(a.link.progress().is_some() && b.link.progress().is_some(), "an empty herd agrees at once");
    (a, b)
}
