//! Peers that proved who they are and then misbehave, and links that have to bear it.

use herd_core::{
    limits::{FRAME_BYTES_MAX, LINK_ANSWERS_BYTES_MAX, SERVERS_MAX},
    link::{LinkError, LinkEvent, Progress},
    log::LogPosition,
    server::Name,
    wire::{comparison::Comparison, peer::Frame},
};
use proptest::prelude::*;

use crate::{
    nodes::{at_line, report},
    pair::{End, at, bytes_of, identity, linked, talk},
};

/// Broke: all names went out in one frame, which is longer than peers accept when a herd's names are many and long.
#[test]
fn the_names_of_the_largest_herd_fit_into_frames() {
    let (mut a, mut b) = linked();
    // B counts itself, too, and knows A already.
    for number in 2..SERVERS_MAX {
        let _ = a.node.names().intern(&Name::new(&format!("{number:064}")).unwrap());
    }
    let _ = report(&a.node, "kiwi", 1, at(2).clock);
    talk(&mut a, &mut b, at(2)).unwrap();
    assert!(at_line(&b.node, "kiwi", at(2).clock).is_some());
}

/// Broke: a peer that asked without reading the answers had us keep them all.
#[test]
fn a_peer_that_asks_without_reading_is_cut_off() {
    let (mut a, _) = linked();
    let _ = report(&a.node, "kiwi", 1, at(2).clock);
    let questions = bytes_of(&Frame::Compare(Comparison::Digest(1))).repeat(1000);
    let ended = a.link.handle(&a.node, &questions, at(2));
    let Err(LinkError::Unread(bytes)) = ended else { panic!("{ended:?}") };
    assert!(bytes > LINK_ANSWERS_BYTES_MAX && bytes < LINK_ANSWERS_BYTES_MAX + 4096);
}

/// Broke: a link said for ever that it had bytes for a peer that had not said what it has, and gave none.
#[test]
fn a_link_that_waits_for_its_peer_has_no_bytes() {
    let (mut a, mut b) = (End::dialler(identity("A", "B"), "B", 1), End::acceptor(identity("B", "A"), 2));
    b.hear(&a.say(at(1)), None, at(1)).unwrap();
    a.hear(&b.say(at(1)), None, at(1)).unwrap();
    let _ = a.say(at(1));
    let _ = report(&a.node, "kiwi", 1, at(1).clock);
    let mut leaves = herd_core::digest::LeafSet::default();
    leaves.insert(1);
    let differ = bytes_of(&Frame::Compare(Comparison::Differ { shard: 0, leaves }));
    a.link.handle(&a.node, &differ, at(1)).unwrap();
    assert!(!a.link.has_bytes(&a.node));
}

/// Broke: a round of comparing that was asked for while another was under way ran beside it, and the end of the first
/// counted as the end of both.
#[test]
fn a_comparison_that_is_asked_for_waits_for_the_one_under_way() {
    let (mut a, mut b) = linked();
    for second in 2..=6 {
        a.link.handle_time(&a.node, at(second)).unwrap();
        b.hear(&a.say(at(second)), None, at(second)).unwrap();
        b.link.handle_time(&b.node, at(second)).unwrap();
        if second < 6 {
            a.hear(&b.say(at(second)), None, at(second)).unwrap();
        }
    }
    // B's answer to A's question is on its way when B asks for another comparison.
    let answer = b.say(at(6));
    a.hear(&bytes_of(&Frame::Compare(Comparison::Ask)), None, at(6)).unwrap();
    a.link.handle_time(&a.node, at(6)).unwrap();
    assert_eq!(a.say(at(6)), b"", "one is under way");
    a.hear(&answer, None, at(6)).unwrap();
    assert_eq!(a.link.progress(), None, "what was asked for is still to come");
    talk(&mut a, &mut b, at(6)).unwrap();
    assert!(a.link.progress().is_some());
}

/// Broke: where what differed had arrived meanwhile, only the dialler took the link for synced, until the next round.
#[test]
fn a_round_that_finds_that_what_differed_has_arrived_ends_for_both() {
    let (mut a, mut b) = linked();
    for end in [&mut a, &mut b] {
        end.hear(&bytes_of(&Frame::Compare(Comparison::Ask)), None, at(1)).unwrap();
        assert_eq!(end.link.progress(), None);
    }
    let _ = report(&b.node, "kiwi", 1, at(1).clock);
    let live = b.say(at(1));
    a.link.handle_time(&a.node, at(1)).unwrap();
    b.hear(&a.say(at(1)), None, at(1)).unwrap();
    a.hear(&live, None, at(1)).unwrap();
    a.hear(&b.say(at(1)), None, at(1)).unwrap();
    b.hear(&a.say(at(1)), None, at(1)).unwrap();
    assert!(a.link.progress().is_some() && b.link.progress().is_some());
}

#[test]
fn a_number_without_a_name_and_names_out_of_turn_end_the_link() {
    let (a, mut b) = linked();
    let records = report(&a.node, "kiwi", 1, at(2).clock);
    let next = LogPosition::from_bytes(records.len() as u64);
    let reports = bytes_of(&Frame::Reports { next, records: &records });
    assert_eq!(b.link.handle(&b.node, &reports, at(2)), Err(LinkError::UnknownServer));
    let (_, mut b) = linked();
    let names = bytes_of(&Frame::Names { first: 9, names: Vec::new() });
    assert_eq!(b.link.handle(&b.node, &names, at(2)), Err(LinkError::OutOfTurn));
}

#[test]
fn a_link_resumes_where_the_last_one_had_come_and_sends_nothing_twice() {
    let (mut a, mut b) = linked();
    let _ = report(&a.node, "one", 1, at(1).clock);
    talk(&mut a, &mut b, at(1)).unwrap();
    let progress: [Option<Progress>; 2] = [a.link.progress(), b.link.progress()];
    let _ = report(&a.node, "two", 1, at(1).clock);

    let (node_a, node_b) = (a.node, b.node);
    let mut a = End { node: node_a, ..End::dialler(identity("A", "B"), "B", 3) };
    let mut b = End { node: node_b, ..End::acceptor(identity("B", "A"), 4) };
    b.hear(&a.say(at(1)), None, at(1)).unwrap();
    a.hear(&b.say(at(1)), progress[0], at(1)).unwrap();
    b.hear(&a.say(at(1)), progress[1], at(1)).unwrap();
    talk(&mut a, &mut b, at(1)).unwrap();
    let fresh: Vec<_> = b
        .events
        .iter()
        .filter_map(|event| match event {
            LinkEvent::Fresh { by_copy, .. } => Some(*by_copy),
            _ => None,
        })
        .collect();
    assert_eq!(fresh, [false], "one report came, and not by copying");
    assert_eq!(a.node.digest(), b.node.digest());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_a_link_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0_usize..400) {
        let (mut a, _) = linked();
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        let _ = a.link.handle(&a.node, head, at(2)).and_then(|()| a.link.handle(&a.node, tail, at(2)));
        let _ = a.say(at(2));
    }

    #[test]
    fn no_change_to_what_an_honest_peer_says_makes_a_link_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        pieces in 1_usize..300,
    ) {
        let (mut a, mut b) = linked();
        for client in 0..20 {
            let _ = report(&a.node, &format!("c{client}"), 1, at(2).clock);
            let _ = report(&b.node, &format!("d{client}"), 1, at(2).clock);
        }
        let mut said = bytes_of(&Frame::Compare(Comparison::Digest(3)));
        said.extend(bytes_of(&Frame::Resume { incarnation: 0, position: LogPosition::default() }));
        said.extend(a.say(at(2)));
        a.link.handle_time(&a.node, at(7)).unwrap_or_default();
        said.extend(a.say(at(2)));
        for (at, change) in changes {
            let at = at.index(said.len());
            said[at] ^= change;
        }
        for piece in said.chunks(pieces) {
            if b.link.handle(&b.node, piece, at(2)).is_err() {
                break;
            }
            let answer = b.say(at(2));
            prop_assert!(answer.len() < 10 * FRAME_BYTES_MAX);
        }
    }
}
