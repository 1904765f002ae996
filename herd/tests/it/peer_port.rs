//! The peer port against those who do not belong: told why, cut, and nobody else notices.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use herd_core::wire::peer::Refusal;

use crate::{
    flock::{Client, Flock},
    program::PATIENCE,
    stranger::{Stranger, connect, read, verdict_of},
};

/// Sends bytes and waits until the server closes; what it said.
fn shout(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
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
    let dial = |herd, server, secret| Stranger::new(herd, server, secret).converse(connect(peer));
    assert_eq!(dial("riley", "Hands", None), Err(Refusal::Herd));
    let complaint = flock.complaint("Goloman", "it belongs to another herd: riley");
    assert!(complaint.contains("WARN"), "an operator is told without asking: {complaint}");
    assert_eq!(dial("goloman", "Hands", Some("not the herd's secret")), Err(Refusal::Proof));
    assert_eq!(dial("goloman", "Welsh", None), Err(Refusal::Stranger), "no edge");
    assert_eq!(dial("goloman", "Goloman", None), Err(Refusal::Stranger), "itself");
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

#[test]
fn a_recorded_handshake_and_the_proof_of_another_connection_are_refused() {
    let mut flock = Flock::goloman();
    flock.kill("Hands");
    let peer = flock.peer("Goloman");
    let mut streams = [connect(peer), connect(peer)];
    let mut stranger = Stranger::new("goloman", "Hands", None);
    let mut said = stranger.says();
    for stream in &mut streams {
        stream.write_all(&said).unwrap();
    }
    // Of two connections that heard the same hello one hears the proof for the other.
    stranger.hears(&read(&mut streams[0]));
    let proof = stranger.says();
    streams[1].write_all(&proof).unwrap();
    assert_eq!(verdict_of(&mut streams[1]), Err(Refusal::Proof));
    streams[0].write_all(&proof).unwrap();
    assert_eq!(verdict_of(&mut streams[0]), Ok(()));
    // All that was said on a connection that became a link, said again.
    said.extend(proof);
    let mut again = connect(peer);
    again.write_all(&said).unwrap();
    assert_eq!(verdict_of(&mut again), Err(Refusal::Proof));
}

#[test]
fn an_address_learned_later_is_not_dialled_beyond_this_machine_without_protection() {
    let mut flock = Flock::goloman();
    flock.kill("Holiday");
    flock.instruct("Welsh", "peer Holiday 192.0.2.1:9\n");
    let complaint = flock.complaint("Welsh", "there is neither a secret nor [tls]");
    assert!(complaint.contains("Holiday (192.0.2.1:9)"), "{complaint}");
}
