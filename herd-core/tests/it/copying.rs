//! What comparing tables brings across a link: all that differs, of whatever age, and nothing that both have.

use herd_core::{
    link::LinkEvent,
    time::{Now, Timestamp},
};
use proptest::prelude::*;

use crate::{
    nodes::{apply, at_line, report},
    pair::{End, at, identity, talk},
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
