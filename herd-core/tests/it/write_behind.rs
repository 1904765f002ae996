//! What is written behind, restored after any crash: a store in memory, and nodes that live and die above it.

use std::collections::BTreeMap;

use herd_core::{
    log::LogPosition,
    node::{Node, NodeSettings, RestoreError},
    time::Timestamp,
    wire::block::{self, BlockError},
    write_behind::{Batch, Held, WriteBehind},
};
use proptest::prelude::*;

use crate::nodes::{apply, at_line, name, node, report, seconds, settings};

/// More than a journal may grow to, so that a round begins at once.
const MUCH: u64 = 65 * 1024 * 1024;

/// What was written down.
#[derive(Default)]
struct Store {
    journal: Vec<(u64, Vec<u8>)>,
    snapshots: BTreeMap<u8, Vec<Vec<u8>>>,
}

impl Store {
    fn keep(&mut self, batch: &Batch) {
        self.journal.extend(batch.journal.iter().map(|block| (batch.round, block.clone())));
        for snapshot in &batch.snapshots {
            self.snapshots.insert(snapshot.shard, snapshot.blocks.clone());
        }
        if batch.completes_round {
            self.journal.retain(|(round, _)| *round >= batch.round);
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.journal.iter().map(|(_, block)| block).chain(self.snapshots.values().flatten())
    }

    /// Another life, which met other names before and merges the blocks in another order.
    fn restored(&self, seed: u64) -> Node {
        let node = small(seed);
        let _ = node.names().intern(&name("Z"));
        let mut blocks: Vec<_> = self.blocks().collect();
        blocks.sort_by_key(|block| block.iter().fold(seed, |h, b| h.rotate_left(5) ^ u64::from(*b)));
        for block in blocks {
            node.restore(block, seconds(10)).unwrap();
        }
        node
    }
}

/// A node whose log overtakes slow readers soon.
fn small(seed: u64) -> Node {
    Node::new(NodeSettings { log_bytes_max: 2048, ..settings("X", seed) })
}

#[derive(Clone, Debug)]
enum Step {
    Report(Vec<(u8, u64)>),
    /// A batch is written down.
    Keep,
    /// A batch cannot be written down, or nobody hears that it was.
    Fail {
        but_it_was: bool,
    },
    /// The process is killed, and the next one starts from the store.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reports = prop::collection::vec((0_u8..40, 1_u64..50), 1..30);
    let step = prop_oneof![
        4 => reports.prop_map(Step::Report),
        4 => Just(Step::Keep),
        1 => any::<bool>().prop_map(|but_it_was| Step::Fail { but_it_was }),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn after_any_crash_the_store_gives_what_was_held_at_the_last_batch(
        steps in steps(),
        journal_bytes in prop_oneof![Just(0), Just(MUCH)],
    ) {
        let mut store = Store::default();
        let mut life = 1;
        let mut node = small(life);
        let mut behind = WriteBehind::new(Held { journal_bytes, ..Held::default() });
        for step in steps {
            match step {
                Step::Report(told) => {
                    let line = |(client, time): &(u8, u64)| format!("IAMAT c{client} +34-118 {time}");
                    let _ = apply(&node, &told.iter().map(line).collect::<Vec<_>>(), seconds(5));
                }
                Step::Keep | Step::Fail { .. } => {
                    let Some(batch) = behind.next_batch(&node) else {
                        prop_assert!(!behind.has_batch(&node));
                        continue;
                    };
                    if !matches!(step, Step::Fail { but_it_was: false }) {
                        store.keep(&batch);
                    }
                    if matches!(step, Step::Keep) {
                        behind.kept(&batch);
                    }
                }
                Step::Crash => {
                    life += 1;
                    node = store.restored(life);
                    let round = store.journal.iter().map(|(round, _)| *round).max().unwrap_or_default();
                    // Every other life begins with a journal that is due to be replaced.
                    behind = WriteBehind::new(Held { round, journal_bytes: MUCH * (life % 2), ..Held::default() });
                }
            }
            if behind.position() == node.log_end() {
                prop_assert_eq!(store.restored(99).digest(), node.digest());
            }
        }
    }

    #[test]
    fn no_bytes_are_restored_that_nobody_wrote(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let node = node("X");
        prop_assert!(node.restore(&bytes, seconds(1)).is_err());
        prop_assert_eq!(node.clients(), 0);
    }
}

#[test]
fn a_round_replaces_the_journal_that_was_there_before() {
    let node = node("X");
    let mut store = Store::default();
    let mut behind = WriteBehind::new(Held { journal_bytes: MUCH, ..Held::default() });
    for time in 1..=6 {
        let _ = report(&node, &format!("c{time}"), time, seconds(5));
        let batch = behind.next_batch(&node).unwrap();
        assert_eq!(batch.completes_round, time == 4, "a quarter of the shards at a time");
        store.keep(&batch);
        behind.kept(&batch);
    }
    // What came while the round went on stays for the next one: it may be in the snapshots or not.
    let first = behind.held();
    assert_eq!((store.journal.len(), store.snapshots.len()), (6, 256));
    assert!(first.journal_bytes < 6 * 128 && first.snapshot_bytes > 0, "{first:?}");

    let mut behind = WriteBehind::anew(&node, first);
    while let Some(batch) = behind.next_batch(&node) {
        store.keep(&batch);
        behind.kept(&batch);
    }
    assert_eq!((store.journal.len(), behind.held().journal_bytes), (0, 0));
    assert_eq!(store.restored(3).digest(), node.digest());
}

#[test]
fn restoring_is_no_news_and_brings_nothing_expired_back() {
    let taker = node("X");
    let _ = report(&taker, "young", 1, seconds(10_000_000));
    let _ = report(&taker, "old", 1, seconds(1));
    let mut behind = WriteBehind::new(Held::default());
    let block = behind.next_batch(&taker).unwrap().journal.unwrap();

    let now = seconds(10_000_001);
    let next = node("Y");
    assert_eq!(next.restore(&block, now), Ok(1));
    assert_eq!(next.log_end(), LogPosition::default());
    let young = at_line(&next, "young", now).unwrap();
    assert!(young.starts_with("AT X +9999999"), "{young}");
    assert_eq!(at_line(&next, "old", seconds(2)), None, "not only hidden, but not there");
    assert_eq!(next.restore(&block, now), Ok(0), "twice is once");
}

#[test]
fn nothing_of_a_damaged_block_is_restored() {
    let taker = node("X");
    let fresh = apply(&taker, &["IAMAT a +34-118 1".into(), "IAMAT b +34-118 1".into()], seconds(1)).1.fresh;
    let mut records = fresh.clone();
    let whole = block::encode(&records, taker.names());
    // A record with an impossible flag below a checksum that matches: nobody's damage, but no report either.
    records[0] |= 0x40;
    let impossible = block::encode(&records, taker.names());
    let next = node("Y");
    assert!(matches!(next.restore(&impossible, seconds(2)), Err(RestoreError::Record(_))));
    assert_eq!(next.restore(&whole[1..], seconds(2)), Err(RestoreError::Block(BlockError::Checksum)));
    assert_eq!(next.clients(), 0);
    assert_eq!(next.restore(&whole, Timestamp::default()), Ok(2));
}
