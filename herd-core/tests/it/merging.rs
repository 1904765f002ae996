//! The laws of merging: any order, any duplication and any way round end in the same table.

use herd_core::{limits::FUTURE_TOLERANCE, log::Source, node::Node, time::Timestamp};
use proptest::prelude::*;

use crate::nodes::{apply, at_line, carried, name, node, report, seconds, settings};

/// What some clients tell some server at some time.
#[derive(Clone, Debug)]
struct Told {
    server: usize,
    client: u8,
    time: u64,
    longitude: u8,
    digits: usize,
    clock: u64,
}

const SERVERS: [&str; 3] = ["A", "B", "C"];

fn told() -> impl Strategy<Value = Vec<Told>> {
    let one = (0..SERVERS.len(), 0_u8..6, 100_u64..108, any::<u8>(), 0_usize..9, 100_u64..106).prop_map(
        |(server, client, time, longitude, digits, clock)| Told {
            server,
            client,
            time,
            longitude,
            digits,
            clock,
        },
    );
    prop::collection::vec(one, 1..40)
}

fn line(told: &Told) -> String {
    let fraction =
        if told.digits > 0 { format!(".{:0width$}", 5, width = told.digits) } else { String::new() };
    format!("IAMAT c{} +34{fraction}-{:03} {}", told.client, told.longitude % 180, told.time)
}

/// All records that the servers took, as one of them would send them to `to`.
fn taken(all: &[Told], to: &Node) -> Vec<Vec<u8>> {
    let servers: Vec<_> = SERVERS.iter().map(|server| node(server)).collect();
    let mut records = Vec::new();
    for told in all {
        let server = &servers[told.server];
        let (_, effects) = apply(server, &[line(told)], seconds(told.clock));
        records.extend(carried(server, to, &effects.fresh));
    }
    records
}

fn answers(node: &Node) -> Vec<Option<String>> {
    (0..6).map(|client| at_line(node, &format!("c{client}"), seconds(110))).collect()
}

fn merged(node: Node, records: &[Vec<u8>]) -> Node {
    for record in records {
        let _ = node.merge(Source::CLIENTS, record, seconds(110)).unwrap();
    }
    node
}

/// What the specification says wins, by plain comparison.
fn winner<'a>(all: impl Iterator<Item = &'a Told>) -> Option<(u64, u64, &'static str)> {
    all.map(|told| (told.time, told.clock, SERVERS[told.server])).max()
}

proptest! {
    #[test]
    fn any_order_and_any_duplication_end_in_the_same_table(
        all in told(),
        seed in any::<u64>(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
    ) {
        let straight = Node::new(settings("X", 1));
        let records = taken(&all, &straight);
        let straight = merged(straight, &records);

        // Another server with another private seed, which met the names in another order.
        let shuffled = Node::new(settings("Y", seed));
        for server in SERVERS.iter().rev() {
            let _ = shuffled.names().intern(&name(server));
        }
        let theirs = carried(&straight, &shuffled, &records.concat());
        let mut some: Vec<Vec<u8>> = order.iter().map(|at| theirs[at.index(theirs.len())].clone()).collect();
        some.extend(theirs.into_iter().rev());
        // In one batch as well as one by one.
        let shuffled = merged(shuffled, &[some.concat()]);
        prop_assert_eq!(straight.digest(), shuffled.digest());
        prop_assert_eq!(answers(&straight), answers(&shuffled));
    }

    #[test]
    fn merging_twice_is_merging_once(all in told()) {
        let once = Node::new(settings("X", 1));
        let records = taken(&all, &once);
        let once = merged(once, &records);
        let (digest, end) = (once.digest(), once.log_end());
        let twice = merged(once, &records);
        prop_assert_eq!((twice.digest(), twice.log_end()), (digest, end), "nothing was news");
    }

    #[test]
    fn it_does_not_matter_who_merged_first(all in told(), cut in any::<prop::sample::Index>()) {
        let whole = Node::new(settings("X", 1));
        let records = taken(&all, &whole);
        let cut = cut.index(records.len() + 1);
        // Two servers that merged a part each, and then one the other's table.
        let (left, right) = (Node::new(settings("X", 2)), Node::new(settings("Y", 3)));
        let (ours, theirs) = records.split_at(cut);
        let left = {
            let ours = carried(&whole, &left, &ours.concat());
            merged(left, &ours)
        };
        let right = {
            let theirs = carried(&whole, &right, &theirs.concat());
            merged(right, &theirs)
        };
        let whole = merged(whole, &records);
        let table = carried(&right, &left, &table_of(&right));
        let both = merged(left, &table);
        prop_assert_eq!(whole.digest(), both.digest());
    }

    #[test]
    fn the_report_with_the_largest_order_time_receipt_and_server_wins(all in told()) {
        let x = Node::new(settings("X", 1));
        let records = taken(&all, &x);
        let x = merged(x, &records);
        for client in 0..6 {
            let expected = winner(all.iter().filter(|told| told.client == client));
            let line = at_line(&x, &format!("c{client}"), seconds(110));
            let found = line.map(|line| {
                let fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                let (seconds, _) = fields[2].split_once('.').unwrap();
                let (time, skew): (u64, i64) = (fields[5].parse().unwrap(), seconds.parse().unwrap());
                (time, time.checked_add_signed(skew).unwrap(), fields[1].clone())
            });
            prop_assert_eq!(found, expected.map(|(t, c, s)| (t, c, s.to_owned())));
        }
    }
}

/// All records of a table, as catching up would send them.
fn table_of(node: &Node) -> Vec<u8> {
    let mut leaves = herd_core::digest::LeafSet::default();
    (0..256).for_each(|leaf| leaves.insert(leaf));
    let mut records = Vec::new();
    for shard in 0..=u8::MAX {
        node.export(shard, leaves, &(Timestamp::default()..Timestamp::MAX), &mut records);
    }
    records
}

#[test]
fn an_older_report_is_refused_and_an_equal_one_received_later_wins() {
    let a = node("A");
    assert_ne!(report(&a, "kiwi", 100, seconds(200)), b"");
    assert_eq!(report(&a, "kiwi", 99, seconds(201)), b"");
    assert_ne!(report(&a, "kiwi", 100, seconds(202)), b"");
    assert!(at_line(&a, "kiwi", seconds(203)).unwrap().starts_with("AT A +102."));
}

#[test]
fn a_time_in_the_future_counts_for_no_more_than_the_tolerance() {
    let a = node("A");
    let tolerance = FUTURE_TOLERANCE.as_secs();
    assert_ne!(report(&a, "kiwi", 1_000_000, seconds(1000)), b"");
    assert_eq!(report(&a, "kiwi", 1000 + tolerance - 1, seconds(1000 + tolerance - 1)), b"");
    assert_ne!(report(&a, "kiwi", 1000 + tolerance + 1, seconds(1000 + tolerance + 1)), b"");
}

#[test]
fn a_report_expires_after_its_time_to_live_and_does_not_return() {
    let mut short = settings("A", 1);
    short.ttl = std::time::Duration::from_secs(10);
    let a = Node::new(short);
    let records = report(&a, "kiwi", 100, seconds(100));
    assert!(at_line(&a, "kiwi", seconds(110)).is_some());
    assert_eq!(at_line(&a, "kiwi", seconds(111)), None, "before any sweep");
    for _ in 0..16 {
        assert_eq!(a.sweep(seconds(111)), 0, "there is room");
    }
    assert_eq!((a.clients(), a.digest()), (0, node("A").digest()));
    assert_eq!(a.merge(Source::CLIENTS, &records, seconds(111)).unwrap().fresh, b"");
    assert_eq!(a.clients(), 0);
}

/// Broke: an expired report that no sweep had reached yet still stood in the way of a new one.
#[test]
fn an_expired_report_stands_in_nobodys_way() {
    let mut short = settings("A", 1);
    short.ttl = std::time::Duration::from_secs(10);
    let a = Node::new(short);
    // Counts as a minute later than it was received.
    let _ = report(&a, "kiwi", 500, seconds(100));
    assert_eq!(report(&a, "kiwi", 109, seconds(109)), b"");
    assert_ne!(report(&a, "kiwi", 111, seconds(111)), b"");
    assert!(at_line(&a, "kiwi", seconds(112)).is_some());
    let other = node("A");
    let _ = report(&other, "kiwi", 111, seconds(111));
    assert_eq!(a.digest(), other.digest());
}
