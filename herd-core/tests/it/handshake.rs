//! Who gets a link and who does not, and what each side is told.

use std::time::Duration;

use herd_core::{
    limits::{CLAIM_SILENCE_MAX, FRAME_BYTES_MAX, HANDSHAKE_MAX},
    link::{Identity, LinkError, LinkEvent, Peer, Side, judge},
    secret::{HerdKey, Secret},
    wire::peer::{self, Frame, FrameError, GREETING_BYTES_MAX, Hello, NONCE_BYTES, Refusal},
};

use crate::{
    nodes::name,
    pair::{End, at, identity, linked, talk},
};

fn peer(server: &str, incarnation: u64) -> Peer {
    Peer { server: name(server), incarnation, joins: false }
}

/// The refusal among the frames of `bytes`, if there is one.
fn refusal(mut bytes: &[u8]) -> Option<Refusal> {
    while let Ok(Some((frame, taken))) = peer::decode(bytes, FRAME_BYTES_MAX) {
        if let Frame::Refused(refusal) = frame {
            return Some(refusal);
        }
        bytes = &bytes[taken..];
    }
    None
}

fn bytes_of(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    peer::encode(&mut bytes, frame);
    bytes
}

/// An acceptor named B that knows A hears `dialler`, and ends with `expected`; the dialler is told.
fn check(mut dialler: End, expected: Refusal) {
    let mut acceptor = End::acceptor(identity("B", "A"), 2);
    let ended = talk(&mut acceptor, &mut dialler, at(1));
    let told = refusal(&acceptor.say(at(1))).or_else(|| refusal(&dialler.say(at(1))));
    assert!(matches!(&ended, Err(LinkError::Refused(refusal, _)) if *refusal == expected), "{ended:?}");
    assert_eq!(told, Some(expected));
}

#[test]
fn two_neighbours_with_the_secret_prove_who_they_are() {
    let (a, b) = linked();
    let proved = |end: &End| match &end.events[0] {
        LinkEvent::Proved(peer) => peer.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((proved(&a).server, proved(&b).server), (name("B"), name("A")));
}

#[test]
fn a_wrong_secret_herd_or_name_is_refused_and_told_why() {
    let mut wrong_secret = identity("A", "B");
    wrong_secret.key = HerdKey::derive(&name("test"), Some(&Secret::new("guess")));
    check(End::dialler(wrong_secret, "B", 1), Refusal::Proof);
    let mut wrong_herd = identity("A", "B");
    wrong_herd.herd = name("other");
    check(End::dialler(wrong_herd, "B", 1), Refusal::Herd);
    check(End::dialler(identity("C", "B"), "B", 1), Refusal::Stranger);
    // Whom we reached is a neighbour, but not the one that we dialled.
    check(End::dialler(identity("A", "B"), "C", 1), Refusal::Stranger);
}

#[test]
fn who_is_refused_ends_by_saying_so() {
    let mut a = End::dialler(identity("A", "B"), "B", 1);
    let told = a.hear(&bytes_of(&Frame::Refused(Refusal::Duplicate)), None, at(1));
    assert_eq!(told, Err(LinkError::RefusedByPeer(Refusal::Duplicate)));
}

#[test]
fn a_handshake_that_is_played_again_proves_nothing() {
    let mut a = End::dialler(identity("A", "B"), "B", 1);
    let mut b = End::acceptor(identity("B", "A"), 2);
    let mut recorded = a.say(at(1));
    a.hear(&b.say(at(1)), None, at(1)).unwrap();
    recorded.extend(a.say(at(1)));
    b.hear(&recorded, None, at(1)).unwrap();
    assert!(matches!(b.events[..], [LinkEvent::Proved(_)]), "the record is good once");

    let mut again = End::acceptor(identity("B", "A"), 3);
    let ended = again.hear(&recorded, None, at(1));
    assert!(matches!(ended, Err(LinkError::Refused(Refusal::Proof, _))), "{ended:?}");
    assert_eq!(refusal(&again.say(at(1))), Some(Refusal::Proof));
}

#[test]
fn a_proof_that_is_reflected_proves_nothing() {
    // Word for word: whoever speaks claims to be the listener itself.
    let mut b = End::acceptor(identity("B", "A"), 2);
    let own = b.say(at(1));
    assert!(matches!(b.hear(&own, None, at(1)), Err(LinkError::Refused(Refusal::Stranger, _))));

    // With a hello of its own that has everything of the listener's but the name, and the listener's proof.
    let mut b = End::acceptor(identity("B", "A"), 2);
    let _ = b.say(at(1));
    let hello = Hello {
        incarnation: 8,
        nonce: [2; NONCE_BYTES],
        herd: name("test"),
        server: name("A"),
        joins: false,
    };
    b.hear(&bytes_of(&Frame::Hello(hello)), None, at(1)).unwrap();
    let proof = b.say(at(1));
    let ended = b.hear(&proof, None, at(1));
    assert!(matches!(ended, Err(LinkError::Refused(Refusal::Proof, _))), "{ended:?}");
}

#[test]
fn garbage_and_long_frames_end_the_link_before_any_proof() {
    let check = |bytes: &[u8], expected: LinkError| {
        let mut b = End::acceptor(identity("B", "A"), 2);
        assert_eq!(b.hear(bytes, None, at(1)), Err(expected), "{}", bytes.escape_ascii());
    };
    let http = u32::from_le_bytes(*b"GET ") as usize;
    check(b"GET / HTTP/1.1\r\n\r\n", FrameError::Length(http).into());
    check(&[0, 0, 0, 0, 0], FrameError::Length(0).into());
    check(&[1, 0, 0, 0, 99], FrameError::Kind(99).into());
    check(&[2, 0, 0, 0, 1, 7], FrameError::Payload(1).into());
    let long = u32::try_from(GREETING_BYTES_MAX + 1).unwrap().to_le_bytes();
    check(&long, FrameError::Length(GREETING_BYTES_MAX + 1).into());
    check(&bytes_of(&Frame::Proof([0; 32])), LinkError::OutOfTurn);
    check(&bytes_of(&Frame::Copy(&[])), LinkError::OutOfTurn);
}

#[test]
fn another_version_is_refused_by_name_of_the_fault() {
    let mut b = End::acceptor(identity("B", "A"), 2);
    let _ = b.say(at(1));
    let mut hello = End::dialler(identity("A", "B"), "B", 1).say(at(1));
    hello[9..11].copy_from_slice(&7_u16.to_le_bytes());
    assert_eq!(b.hear(&hello, None, at(1)), Err(FrameError::Version(7).into()));
    assert_eq!(refusal(&b.say(at(1))), Some(Refusal::Version));
}

#[test]
fn a_peer_that_says_nothing_is_given_up_when_the_handshake_is_over() {
    let mut b = End::acceptor(identity("B", "A"), 2);
    assert_eq!(b.link.next_time(), at(0).moment.later(HANDSHAKE_MAX));
    assert_eq!(b.link.handle_time(&b.node, at(1)), Ok(()));
    assert_eq!(b.link.handle_time(&b.node, at(2)), Err(LinkError::Silent(HANDSHAKE_MAX)));
}

#[test]
fn both_ends_keep_the_same_one_of_two_connections_whichever_they_saw_first() {
    let (a, b) = (peer("A", 1), peer("B", 1));
    // One that A dialled and one that B dialled: what becomes of the first given the second, as either end sees it.
    let judged = |own: &Peer, other: &Peer, new, current| {
        judge(&own.server, (other, new), Some((other, current, Duration::ZERO)))
    };
    let at_a = |new, current| judged(&a, &b, new, current);
    let at_b = |new, current| judged(&b, &a, new, current);
    // A has the smaller name: what it dialled stays.
    let stands_back = Err(Refusal::Duplicate);
    assert_eq!(at_a(Side::Dialler, Side::Acceptor), Ok(()));
    assert_eq!(at_a(Side::Acceptor, Side::Dialler), stands_back);
    assert_eq!(at_b(Side::Acceptor, Side::Dialler), Ok(()));
    assert_eq!(at_b(Side::Dialler, Side::Acceptor), stands_back);
    // Who dials again has lost the first one.
    assert_eq!(at_a(Side::Dialler, Side::Dialler), Ok(()));
    assert_eq!(at_b(Side::Acceptor, Side::Acceptor), Ok(()));
}

#[test]
fn a_name_is_taken_while_its_server_is_heard_and_no_longer() {
    let (old, new) = (peer("B", 1), peer("B", 2));
    let judged = |side, silence| judge(&name("A"), (&new, side), Some((&old, Side::Dialler, silence)));
    for side in [Side::Dialler, Side::Acceptor] {
        assert_eq!(judged(side, Duration::ZERO), Err(Refusal::Claimed));
        assert_eq!(judged(side, CLAIM_SILENCE_MAX - Duration::from_millis(1)), Err(Refusal::Claimed));
        assert_eq!(judged(side, CLAIM_SILENCE_MAX), Ok(()), "a life whose end nobody saw");
        assert_eq!(judge(&name("A"), (&new, side), None), Ok(()));
    }
    // Ours, to begin with.
    assert_eq!(judge(&name("B"), (&new, Side::Acceptor), None), Err(Refusal::Claimed));
}

#[test]
fn who_joins_is_let_in_although_no_configuration_names_it() {
    let joiner = || Identity { joins: true, neighbours: Vec::new(), ..identity("C", "B") };
    let mut c = End::contacting(joiner(), 1);
    let mut b = End::acceptor(identity("B", "A"), 2);
    talk(&mut c, &mut b, at(1)).unwrap();
    let joined = Peer { joins: true, ..peer("C", 8) };
    assert_eq!(b.events.first(), Some(&LinkEvent::Proved(joined)));
    assert!(c.link.progress().is_some(), "an empty herd agrees at once");
    // The secret is asked of everybody.
    let stranger = Identity { key: HerdKey::derive(&name("test"), Some(&Secret::new("guess"))), ..joiner() };
    check(End::contacting(stranger, 1), Refusal::Proof);
    // Whoever dials itself learns so.
    let itself = Identity { joins: true, ..identity("B", "A") };
    check(End::contacting(itself, 1), Refusal::Stranger);
}
