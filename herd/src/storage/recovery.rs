//! From a store back into a node: every block is merged, by all cores, in whatever order; what is damaged is left out,
//! counted and told.

use std::{
    num::NonZero,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use herd_core::{node::Node, time::Timestamp};
use parking_lot::Mutex;

use super::store::{Kind, Store};

/// Most threads that merge: reading is for one, which keeps about so many busy.
const THREADS_MAX: usize = 8;

/// Blocks that were read and wait to be merged: a megabyte each.
const BLOCKS_WAITING_MAX: usize = 16;

/// What came of reading stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Blocks that were merged.
    pub(super) blocks: u64,
    /// Blocks that are there but damaged.
    pub(super) lost_blocks: u64,
    /// Their bytes, as far as they could be read.
    pub(super) lost_bytes: u64,
    /// What was wrong first; there may be more behind it than the lost blocks.
    pub(super) fault: Option<String>,
}

impl Tally {
    fn lose(&mut self, bytes: usize, reason: &impl ToString) {
        self.lost_blocks += 1;
        self.lost_bytes += bytes as u64;
        self.blame(reason);
    }

    /// Takes note of what is wrong, if it is the first thing.
    pub(super) fn blame(&mut self, reason: &impl ToString) {
        self.fault.get_or_insert_with(|| reason.to_string());
    }
}

/// Merges all that `store` holds into `node`.
pub(super) fn restore(store: &Store, node: &Node, clock: Timestamp, tally: &mut Tally) {
    if let Some(fault) = store.fault() {
        tally.blame(&fault);
    }
    let tally = Mutex::new(tally);
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let (tx, rx) = sync_channel(BLOCKS_WAITING_MAX);
    let rx = Mutex::new(rx);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| merge(&rx, node, clock, &tally));
        }
        for kind in [Kind::Snapshot, Kind::Journal] {
            let (numbers, fault) = store.numbers(kind);
            if let Some(fault) = fault {
                tally.lock().blame(&fault);
            }
            for number in numbers {
                match store.block(kind, number) {
                    // The receiver outlives this thread.
                    Ok(block) => drop(tx.send(block)),
                    Err(error) => tally.lock().lose(0, &error),
                }
            }
        }
        drop(tx);
    });
}

fn merge(blocks: &Mutex<Receiver<Vec<u8>>>, node: &Node, clock: Timestamp, tally: &Mutex<&mut Tally>) {
    loop {
        let Ok(block) = blocks.lock().recv() else { return };
        match node.restore(&block, clock) {
            Ok(_) => tally.lock().blocks += 1,
            Err(error) => tally.lock().lose(block.len(), &error),
        }
    }
}
