//! Somebody who dials a peer port by hand: a link of our own, its bytes in our hands.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use herd_core::{
    link::{Identity, Link, Side},
    node::{Node, NodeSettings},
    secret::{HerdKey, Secret},
    server::Name,
    time::{Moment, Now, Timestamp},
    wire::peer::{self, Frame, Refusal},
};

use crate::program::PATIENCE;

/// See the module.
pub(crate) struct Stranger {
    node: Node,
    link: Link,
}

impl Stranger {
    /// Calls itself `server` of `herd`, knows `secret`, and would like to link with Goloman.
    pub(crate) fn new(herd: &str, server: &str, secret: Option<&str>) -> Self {
        let name = |text: &str| Name::new(text).unwrap();
        let key = HerdKey::derive(&name(herd), secret.map(Secret::new).as_ref());
        let node = Node::new(NodeSettings::new(name(server), 1, 2, key.clone()));
        let identity = Identity {
            herd: name(herd),
            server: name(server),
            incarnation: 1,
            key,
            neighbours: vec![name("Goloman")],
            joins: false,
        };
        let link = Link::new(identity, Side::Dialler, None, [7; 32], Moment::from_nanos(0));
        Self { node, link }
    }

    /// What it says next.
    pub(crate) fn says(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        self.link.next_bytes(&self.node, now(), &mut output);
        output
    }

    /// Hears what the server says. It may find fault with the server, too; what counts is what the server says.
    pub(crate) fn hears(&mut self, bytes: &[u8]) {
        drop(self.link.handle(&self.node, bytes, now()));
    }

    /// Speaks until the server takes it for a neighbour or says why not.
    pub(crate) fn converse(mut self, mut stream: impl Read + Write) -> Result<(), Refusal> {
        let mut heard = Vec::new();
        loop {
            let said = self.says();
            drop(stream.write_all(&said).and_then(|()| stream.flush()));
            let bytes = read(&mut stream);
            self.hears(&bytes);
            heard.extend_from_slice(&bytes);
            if let Some(verdict) = verdict(&heard) {
                return verdict;
            }
            assert!(!bytes.is_empty(), "closed without a word");
        }
    }
}

fn now() -> Now {
    Now { moment: Moment::from_nanos(0), clock: Timestamp::from_nanos(1) }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes next; nothing at the end, of whatever kind.
pub(crate) fn read(stream: &mut impl Read) -> Vec<u8> {
    let mut input = [0; 4096];
    let bytes = stream.read(&mut input).unwrap_or_default();
    input[..bytes].to_vec()
}

/// What the server thinks of us, once it has said so: one that we are a neighbour of goes on with the link.
pub(crate) fn verdict(mut heard: &[u8]) -> Option<Result<(), Refusal>> {
    while let Ok(Some((frame, bytes))) = peer::decode(heard, 1000) {
        if let Frame::Refused(refusal) = frame {
            return Some(Err(refusal));
        }
        if matches!(frame, Frame::Resume { .. }) {
            return Some(Ok(()));
        }
        heard = &heard[bytes..];
    }
    None
}

/// Reads until the server has made up its mind.
pub(crate) fn verdict_of(stream: &mut impl Read) -> Result<(), Refusal> {
    let mut heard = Vec::new();
    loop {
        let bytes = read(stream);
        assert!(!bytes.is_empty(), "closed without a word");
        heard.extend_from_slice(&bytes);
        if let Some(verdict) = verdict(&heard) {
            return verdict;
        }
    }
}
