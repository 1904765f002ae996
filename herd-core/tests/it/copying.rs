//! What comparing tables brings across a link: all that differs, of whatever age, and nothing that both have.

use herd_core::{
    limits::{COPIES_WAITING_BYTES_MAX, COPY_PIECE_BYTES_MAX, COPY_SLICE_BYTES},
    link::LinkEvent,
    log::LogPosition,
    time::{Now, Timestamp},
    wire::{comparison::Comparison, peer::Frame},
};
use proptest::prelude::*;

use crate::{
    nodes::{apply, at_line, name, report},
    pair::{End, at, bytes_of, identity, linked, talk},
};

/// Ages in seconds around the bounds of what is copied together; negative is ahead of the copier's clock.
const AGES: [i64; 12] = [-200_000, -60, -1, 0, 1, 9, 11, 599, 601, 35_999, 36_001, 6 * 24 * 3600];

fn received(now: Now, age: i64) -> Timestamp {
    now.clock.offset(-age * 1_000_000_000)
}

#[test]
fn reports_of_every_age_are_copied_in_both_directions() {
    let mut a = End::dialler(identity("A", "B"), "B", 1);
    let mut b = End::acceptor(identity("B", "A"), 2);
    for (i, age) in AGES.into_iter().enumerate() {
        let _ = report(&a.node, &format!("a{i}"), 1, received(at(1), age));
        let _ = report(&b.node, &format!("b{i}"), 1, received(at(1), age));
    }
    talk(&mut a, &mut b, at(1)).unwrap();
    for i in 0..AGES.len() {
        for (node, client) in [(&b.node, format!("a{i}")), (&a.node, format!("b{i}"))] {
            assert!(at_line(node, &client, at(1).clock).is_some(), "{client}");
        }
    }
    assert_eq!(a.node.digest(), b.node.digest());
    assert!(a.events.contains(&LinkEvent::Synced) && b.events.contains(&LinkEvent::Synced));
}

/// The name of the neighbour, and a copy of so many clients that it has.
fn copied(a: &End, clients: usize) -> (Vec<u8>, Vec<u8>) {
    let lines: Vec<_> = (0..clients).map(|client| format!("IAMAT c{client} +34-118 1")).collect();
    let records = apply(&a.node, &lines, at(1).clock).1.fresh;
    (bytes_of(&Frame::Names { first: 0, names: vec![name("A")] }), bytes_of(&Frame::Copy(&records)))
}

fn taken() -> Vec<u8> {
    bytes_of(&Frame::Compare(Comparison::Taken))
}

#[test]
fn a_live_report_gets_past_copies_that_wait() {
    let (a, mut b) = linked();
    let (names, copy) = copied(&a, 100);
    let live = report(&a.node, "live", 1, at(1).clock);
    let live = bytes_of(&Frame::Reports { next: LogPosition::from_bytes(9), records: &live });
    b.link.handle(&b.node, &[names, copy, live].concat(), at(1)).unwrap();
    assert!(at_line(&b.node, "live", at(1).clock).is_some());
    assert_eq!(b.node.clients(), 1, "the copies wait");
    assert_eq!(b.say(at(1)), b"", "and are not said to be taken");
    let mut slices = 0;
    while b.link.has_work() {
        let before = b.node.clients();
        b.link.work(&b.node, at(1)).unwrap();
        assert!((1..=COPY_SLICE_BYTES / 30).contains(&(b.node.clients() - before)), "a few at a time");
        slices += 1;
    }
    assert!(slices > 1 && b.node.clients() == 101);
    assert_eq!(b.say(at(1)), taken());
}

#[test]
fn no_more_copies_wait_than_may() {
    let (a, mut b) = linked();
    let (names, copy) = copied(&a, 100);
    b.link.handle(&b.node, &names, at(1)).unwrap();
    let (mut sent, mut answers) = (0, 0);
    while answers == 0 {
        assert!(sent <= COPIES_WAITING_BYTES_MAX, "{sent} bytes wait");
        b.link.handle(&b.node, &copy, at(1)).unwrap();
        sent += copy.len();
        answers = b.say(at(1)).len();
    }
    assert!(sent > COPIES_WAITING_BYTES_MAX / 2, "{sent} bytes and no more may wait");
}

#[test]
fn copies_of_nothing_count_too() {
    let (_, mut b) = linked();
    let nothing = bytes_of(&Frame::Copy(&[]));
    b.link.handle(&b.node, &nothing.repeat(10_000), at(1)).unwrap();
    assert!(b.say(at(1)).len() >= 5_000 * taken().len());
}

#[test]
fn copies_count_before_what_is_said_of_all() {
    let (a, mut b) = linked();
    let (names, copy) = copied(&a, 1000);
    let end = bytes_of(&Frame::Compare(Comparison::Copied));
    b.link.handle(&b.node, &[names, copy, end].concat(), at(1)).unwrap();
    assert_eq!(b.node.clients(), 1000);
}

/// Broke: an empty server had told half of its hashes when the other began to copy, so the youngest reports of some shards
/// came behind the oldest of the rest.
#[test]
fn the_youngest_reports_of_all_shards_come_first() {
    let mut empty = End::dialler(identity("A", "B"), "B", 1);
    let mut full = End::acceptor(identity("B", "A"), 2);
    for old in 0..2000 {
        let _ = report(&full.node, &format!("old{old}"), 1, received(at(1), 20));
    }
    for young in 0..100 {
        let _ = report(&full.node, &format!("young{young}"), 1, received(at(1), 1));
    }
    let knows_all =
        |end: &End| (0..100).all(|young| at_line(&end.node, &format!("young{young}"), at(1).clock).is_some());
    for _ in 0..1000 {
        if knows_all(&empty) {
            break;
        }
        say_a_piece(&mut empty, &mut full);
        say_a_piece(&mut full, &mut empty);
    }
    let came = empty.node.clients();
    assert!(knows_all(&empty) && came < 100 + COPY_PIECE_BYTES_MAX / 30, "{came} came");
}

/// What one end sends at once, to the other.
fn say_a_piece(from: &mut End, to: &mut End) {
    from.link.handle_time(&from.node, at(1)).unwrap();
    let mut said = Vec::new();
    from.link.next_bytes(&from.node, at(1), &mut said);
    to.hear(&said, None, at(1)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_two_tables_hold_one_round_leaves_them_equal(
        ours in prop::collection::vec((0_u16..400, 0_u32..5), 0..200),
        theirs in prop::collection::vec((0_u16..400, 0_u32..5), 0..200),
    ) {
        let mut a = End::dialler(identity("A", "B"), "B", 1);
        let mut b = End::acceptor(identity("B", "A"), 2);
        for (end, told) in [(&a, &ours), (&b, &theirs)] {
            let lines: Vec<_> = told.iter().map(|(client, time)| format!("IAMAT c{client} +34-118 {time}")).collect();
            let _ = apply(&end.node, &lines, at(1).clock);
        }
        talk(&mut a, &mut b, at(1)).unwrap();
        prop_assert_eq!(a.node.digest(), b.node.digest());
        prop_assert!(a.link.progress().is_some() && b.link.progress().is_some());
        for client in 0..400 {
            let client = format!("c{client}");
            prop_assert_eq!(at_line(&a.node, &client, at(1).clock), at_line(&b.node, &client, at(1).clock));
        }
    }
}
