//! The peer port against those who do not belong: told why, cut, and nobody else notices.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use herd_core::{
    link::{Identity, Link, Side},
    node::{Node, NodeSettings},
    secret::{HerdKey, Secret},
    server::Name,
    time::{Moment, Now, Timestamp},
    wire::peer::{self, Frame, Refusal},
};

use crate::{
    flock::{Client, Flock},
    program::PATIENCE,
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Dials as `server` of `herd` with `secret`; why the server refuses.
fn dial(address: SocketAddr, herd: &str, server: &str, secret: Option<&str>) -> Refusal {
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
    let now = || Now { moment: Moment::from_nanos(0), clock: Timestamp::from_nanos(1) };
    let mut link = Link::new(identity, Side::Dialler, None, [7; 32], Moment::from_nanos(0));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = Vec::new();
    loop {
        let mut output = Vec::new();
        link.next_bytes(&node, now(), &mut output);
        drop(stream.write_all(&output));
        let mut input = [0; 4096];
        let bytes = stream.read(&mut input).unwrap();
        heard.extend_from_slice(&input[..bytes]);
        // Our end may find fault with the server, too; what counts is what the server says.
        drop(link.handle(&node, &input[..bytes], now()));
        if bytes == 0 {
            return refusal(&heard);
        }
    }
}

fn refusal(mut heard: &[u8]) -> Refusal {
    while let Ok(Some((frame, bytes))) = peer::decode(heard, 1000) {
        if let Frame::Refused(refusal) = frame {
            return refusal;
        }
        heard = &heard[bytes..];
    }
    panic!("closed without a word");
}

/// Sends bytes and waits until the server closes; what it said.
fn shout(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may close on the first wrong byte.
    drop(stream.write_all(bytes));
    let mut said = Vec::new();
    drop(stream.read_to_end(&mut said));
    said
}

#[test]
fn who_does_not_belong_is_told_why() {
    let flock = Flock::goloman();
    let peer = flock.peer("Goloman");
    assert_eq!(dial(peer, "riley", "Hands", None), Refusal::Herd);
    let complaint = flock.complaint("Goloman", "it belongs to another herd: riley");
    assert!(complaint.contains("WARN"), "an operator is told without asking: {complaint}");
    assert_eq!(dial(peer, "goloman", "Hands", Some("not the herd's secret")), Refusal::Proof);
    assert_eq!(dial(peer, "goloman", "Welsh", None), Refusal::Stranger, "no edge");
    assert_eq!(dial(peer, "goloman", "Goloman", None), Refusal::Stranger, "itself");
}

#[test]
fn garbage_silence_and_floods_at_the_peer_port_disturb_nobody() {
    let flock = Flock::goloman();
    let peer = flock.peer("Goloman");
    let garbage: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1520023934.918963997\n",
        &[0xFF; 70_000],
        &[5, 0, 0, 0, 7, 0, 0, 0, 0],
    ];
    for bytes in garbage {
        shout(peer, bytes);
    }
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(peer).unwrap()).collect();
    let said = Client::connect(flock.line("Goloman")).iamat("calm", "+1-1", "1");
    flock.wait_for("Welsh", "calm", &said);
    let began = Instant::now();
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    }
    assert!(began.elapsed() < PATIENCE, "the silent are cut");
    let said = Client::connect(flock.line("Welsh")).iamat("calm", "+1-1", "2");
    flock.wait_for("Goloman", "calm", &said);
}
