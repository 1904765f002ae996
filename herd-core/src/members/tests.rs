//! Facts that meet in any order, servers that claim one name, and members that lie.

use proptest::{prelude::*, sample::subsequence};

use super::*;
use crate::{secret::HerdKey, time::Timestamp, wire::members::FACT_BYTES_MAX};

const NEIGHBOUR: Source = Source(1);
const ANOTHER: Source = Source(2);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn at(second: u64) -> Moment {
    Moment::from_nanos(second * 1_000_000_000)
}

fn members(own: &str, incarnation: u64, started: u64) -> Members {
    let key = HerdKey::derive(&name("test"), None);
    let settings = NodeSettings::new(name(own), incarnation, 0, key);
    Members::new(&NodeSettings { started: at(started), ..settings })
}

fn fact(of: &str, incarnation: u64) -> Fact {
    Fact::first(name(of), incarnation, Timestamp::default(), None)
}

/// All that `members` would tell a new neighbour.
fn all(members: &Members) -> Vec<Fact> {
    let (mut facts, told) = members.since(0, NEIGHBOUR, usize::MAX);
    assert_eq!(told, members.revision());
    facts.sort();
    facts
}

fn own(members: &Members) -> Fact {
    members.known.lock().own.clone()
}

/// Both tell each other all they know of themselves until neither has news; what either finds out.
fn meet(a: &Members, b: &Members, now: Moment) -> [Option<Box<Fact>>; 2] {
    let mut claims = [None, None];
    for _ in 0..10 {
        let to_b = a.merge(ANOTHER, vec![own(b)], now);
        let to_a = b.merge(ANOTHER, vec![own(a)], now);
        let [at_a, at_b] = claims;
        claims = [to_b.claim.or(at_a), to_a.claim.or(at_b)];
        if !to_b.is_news && !to_a.is_news {
            return claims;
        }
    }
    panic!("two servers never fall silent")
}

/// A fact of one of three servers, of one of a few lives and versions.
fn some_fact() -> impl Strategy<Value = Fact> {
    (0..3_usize, 0..3_u64, 0..3_u64, 0..3_u64, any::<bool>()).prop_map(
        |(of, life, incarnation, version, has_left)| Fact {
            life,
            version,
            presence: if has_left { Presence::Left } else { Presence::Present },
            neighbours: if has_left { Vec::new() } else { vec![name("X")] },
            ..fact(["A", "B", "C"][of], incarnation)
        },
    )
}

proptest! {
    #[test]
    fn any_order_and_any_duplication_end_in_the_same_facts(
        facts in prop::collection::vec(some_fact(), 0..12).prop_flat_map(|facts| {
            (Just(facts.clone()), Just(facts.clone()).prop_shuffle(), subsequence(facts.clone(), 0..=facts.len()))
        }),
    ) {
        let (facts, shuffled, again) = facts;
        let (one, other) = (members("own", 1, 0), members("own", 1, 0));
        one.merge(NEIGHBOUR, facts, at(0));
        for fact in shuffled {
            other.merge(ANOTHER, vec![fact], at(0));
        }
        let told = |members: &Members| members.since(0, Source(9), usize::MAX).0.into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(told(&one), told(&other));
        prop_assert!(!one.merge(ANOTHER, again, at(0)).is_news, "heard again is no news");
    }

    #[test]
    fn nobody_is_believed_about_ourselves(lies in prop::collection::vec(any::<[u64; 5]>(), 1..20), extreme in any::<u8>()) {
        let members = members("own", 7, 0);
        for (i, [life, incarnation, version, rival, age]) in lies.into_iter().enumerate() {
            let edge = |number: u64, bit: usize| if extreme >> bit & 1 == 1 { u64::MAX } else { number };
            let lie = Fact {
                life: edge(life, 0),
                incarnation: if i % 2 == 0 { 7 } else { incarnation },
                version: edge(version, 1),
                rival,
                age,
                presence: Presence::Left,
                ..fact("own", 0)
            };
            members.merge(NEIGHBOUR, vec![lie], at(1));
            let own = own(&members);
            prop_assert_eq!((own.incarnation, own.presence), (7, Presence::Present));
        }
        prop_assert_eq!(members.list().len(), 1);
    }
}

#[test]
fn a_former_life_is_outdone_whatever_it_said() {
    for former in [
        Fact { life: 5, version: 99, ..fact("A", 2) },
        Fact { presence: Presence::Left, life: 3, ..fact("A", 2) },
        Fact { rival: 1, age: u64::MAX, life: 1, ..fact("A", 2) },
    ] {
        let a = members("A", 7, 0);
        let heard = a.merge(NEIGHBOUR, vec![former.clone()], at(0));
        assert!(heard.is_news && heard.claim.is_none());
        assert!(own(&a) > former);
        assert_eq!(own(&a).rival, 2);
        assert!(!a.merge(NEIGHBOUR, vec![former], at(1)).is_news, "once is enough");
    }
}

#[test]
fn of_two_servers_with_one_name_the_younger_learns_that_it_has_to_stop() {
    // Whoever has the greater number, and whoever hears of the other first.
    for (old, new, life) in [(3, 9, 1), (9, 3, 1), (3, 9, 8), (9, 3, 8)] {
        let (older, younger) = (members("A", old, 0), members("A", new, 100));
        older.merge(NEIGHBOUR, vec![Fact { life, ..fact("A", 555) }], at(1));
        let [at_older, at_younger] = meet(&older, &younger, at(101));
        assert!(at_older.is_none(), "{old} {new}");
        assert_eq!(at_younger.map(|fact| fact.incarnation), Some(old));
        assert!(own(&older) > own(&younger), "all others hear of the older one");
    }
}

#[test]
fn links_come_and_go_in_our_own_fact() {
    let a = members("A", 1, 0);
    let neighbours = || own(&a).neighbours;
    for neighbour in ["B", "C", "B"] {
        a.link_up(&name(neighbour));
    }
    let revision = a.revision();
    assert!(!a.link_down(&name("B")), "one connection took the place of the other");
    assert_eq!(a.revision(), revision);
    assert_eq!(neighbours(), [name("B"), name("C")]);
    assert!(a.link_down(&name("B")));
    assert!(a.link_down(&name("B")));
    assert_eq!(neighbours(), [name("C")]);
    (0..200).for_each(|i| a.link_up(&name(&format!("N{i:03}"))));
    assert_eq!(neighbours().len(), FACT_NEIGHBOURS_MAX);
}

#[test]
fn a_link_tells_what_changed_since_and_nothing_back() {
    let a = members("A", 1, 0);
    a.merge(NEIGHBOUR, vec![fact("B", 2), fact("C", 3)], at(0));
    a.merge(ANOTHER, vec![fact("D", 4)], at(0));
    let names = |facts: Vec<Fact>| facts.into_iter().map(|fact| fact.name.to_string()).collect::<String>();
    let (facts, told) = a.since(0, ANOTHER, usize::MAX);
    assert_eq!(names(facts), "ABC");
    assert_eq!(a.since(told, ANOTHER, usize::MAX), (Vec::new(), told));
    assert_eq!(names(all(&a)), "AD");
    // In pieces, one fact at least.
    let (mut told, mut seen) = (0, String::new());
    while told < a.revision() {
        let (facts, next) = a.since(told, Source(9), 1);
        assert!(next > told && facts.len() == 1);
        (told, seen) = (next, seen + &names(facts));
    }
    assert_eq!(seen, "ABCD");
}

#[test]
fn who_left_is_shown_no_more_until_a_new_life() {
    let a = members("A", 1, 0);
    let names = || a.list().iter().map(|member| member.fact.name.to_string()).collect::<String>();
    a.merge(NEIGHBOUR, vec![fact("B", 2)], at(0));
    assert!(names() == "AB" && !a.has_left(&name("B")));
    let b = members("B", 2, 0);
    b.leave();
    a.merge(NEIGHBOUR, vec![own(&b)], at(0));
    assert!(names() == "A" && a.has_left(&name("B")));
    let again = members("B", 3, 0);
    again.merge(NEIGHBOUR, all(&a), at(0));
    a.merge(NEIGHBOUR, vec![own(&again)], at(0));
    assert!(names() == "AB" && !a.has_left(&name("B")));
}

#[test]
fn who_is_gone_is_seen_to_be_out_of_reach() {
    // A - B - C, and D that was linked with C.
    let a = members("A", 1, 0);
    a.link_up(&name("B"));
    let linked = |of: &str, with: &[&str], version| Fact {
        neighbours: with.iter().map(|text| name(text)).collect(),
        version,
        ..fact(of, 2)
    };
    a.merge(NEIGHBOUR, vec![linked("B", &["A", "C"], 1), linked("C", &["B", "D"], 1)], at(0));
    a.merge(NEIGHBOUR, vec![linked("D", &["C"], 1)], at(0));
    let away = || {
        let away = a.list().into_iter().filter(|member| !member.is_reachable);
        away.map(|member| member.fact.name.to_string()).collect::<String>()
    };
    assert_eq!(away(), "");
    a.merge(NEIGHBOUR, vec![linked("C", &["B"], 2)], at(0));
    assert_eq!(away(), "D");
    let _ = a.link_down(&name("B"));
    assert_eq!(away(), "BCD");
}

#[test]
fn more_servers_than_there_can_be_are_not_kept() {
    let a = members("A", 1, 0);
    let left = |i: usize| Fact { presence: Presence::Left, ..fact(&format!("L{i}"), 1) };
    let present = |i: usize| fact(&format!("P{i}"), 1);
    let held = || a.known.lock().others.len();
    a.merge(NEIGHBOUR, (0..SERVERS_MAX).map(left).collect(), at(0));
    a.merge(NEIGHBOUR, vec![left(9_999)], at(0));
    assert_eq!(held(), SERVERS_MAX);
    a.merge(NEIGHBOUR, (0..2 * SERVERS_MAX).map(present).collect(), at(0));
    assert_eq!((held(), a.list().len()), (SERVERS_MAX, SERVERS_MAX + 1));
    let mut told = 0;
    while told < a.revision() {
        let (facts, next) = a.since(told, ANOTHER, 64 * 1024);
        assert!(facts.iter().map(fact_bytes).sum::<usize>() <= 64 * 1024 + FACT_BYTES_MAX);
        told = next;
    }
}

#[test]
fn only_refusals_that_go_on_mean_that_the_name_is_taken() {
    let a = members("A", 1, 0);
    let b = Name::new("B").unwrap();
    let refused = |asked_at, answered_at| a.is_refused_for_good(&b, at(asked_at), at(answered_at));
    assert!(!refused(10, 10));
    assert!(!refused(13, 13));
    a.merge(NEIGHBOUR, vec![fact("B", 2)], at(13));
    assert!(!refused(14, 14), "one neighbour has accepted it meanwhile");
    assert!(refused(18, 18));
}

/// Broke: a server that came back after a power cut stopped for good if its neighbour stood still at that time: the
/// neighbour refused it before and, having read late what the former life had sent, after that.
#[test]
fn a_neighbour_that_stood_still_does_not_mean_that_the_name_is_taken() {
    let a = members("A", 1, 0);
    let b = Name::new("B").unwrap();
    assert!(!a.is_refused_for_good(&b, at(10), at(10)));
    assert!(!a.is_refused_for_good(&b, at(13), at(15)), "what is answered late was asked early");
    a.unanswered(&b);
    assert!(!a.is_refused_for_good(&b, at(17), at(17)), "and what came before no answer counts no more");
    assert!(!a.is_refused_for_good(&Name::new("C").unwrap(), at(30), at(30)), "each neighbour for itself");
    assert!(a.is_refused_for_good(&b, at(21), at(21)));
}
