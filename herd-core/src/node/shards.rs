//! All shards behind their locks, and how a batch of clients visits them.
//!
//! The one thing to know: a million clients do not fit into any cache, so a batch goes over its clients in rounds. The
//! first two only have memory brought near, so that the waits of all clients overlap; the third finds it there.

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use arrayvec::ArrayVec;
use parking_lot::{Mutex, MutexGuard};

use crate::{limits::SHARDS, prefetch::prefetch_address, table::IndexPlace};

use super::{
    placement::Place,
    shard::{Shard, Size},
};

/// Clients that a batch looks ahead for: a core waits for some ten to fifty pieces of memory at once.
pub(super) const LOOKAHEAD: usize = 32;

/// The places of a batch.
pub(super) type Places = ArrayVec<Place, LOOKAHEAD>;

/// Clients from which on it pays to look ahead.
const EXPECTED_MIN: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Shards(Box<[Cell]>);

/// A shard in cache lines of its own, or two cores that use different shards would wait for each other.
#[derive(Debug)]
#[repr(align(128))]
struct Cell {
    shard: Mutex<Shard>,
    index: IndexHint,
}

/// Where a shard's index was after the last change: good enough to have memory brought near without its lock.
#[derive(Debug, Default)]
struct IndexHint {
    address: AtomicUsize,
    mask: AtomicUsize,
}

impl Shards {
    pub(super) fn new() -> Self {
        let cell = |_| Cell { shard: Mutex::new(Shard::new()), index: IndexHint::default() };
        Self((0..SHARDS).map(cell).collect())
    }

    /// Locks one shard.
    pub(super) fn lock(&self, index: u8) -> Option<MutexGuard<'_, Shard>> {
        self.0.get(usize::from(index)).map(|cell| cell.shard.lock())
    }

    /// Locks one shard after the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.range(0..SHARDS)
    }

    /// Locks some shards, one after the other.
    pub(super) fn range(&self, shards: Range<usize>) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.0.get(shards).unwrap_or_default().iter().map(|cell| cell.shard.lock())
    }

    /// Calls `each` for every place of a batch, in order, with its shard locked and its number; says by how much all of them
    /// grew together.
    pub(super) fn visit(&self, batch: &[Place], mut each: impl FnMut(&mut Shard, Place, usize)) -> Size {
        self.expect(batch);
        let mut growth = Size::default();
        for (i, place) in batch.iter().enumerate() {
            let Some(cell) = self.0.get(usize::from(place.shard)) else { continue };
            let mut shard = cell.shard.lock();
            let before = shard.size();
            each(&mut shard, *place, i);
            growth = growth.plus(shard.size().minus(before));
            cell.index.follow(shard.table().index_place());
        }
        growth
    }

    /// Has all that is needed for a batch brought near.
    fn expect(&self, batch: &[Place]) {
        if batch.len() < EXPECTED_MIN {
            return;
        }
        for place in batch {
            if let Some(cell) = self.0.get(usize::from(place.shard)) {
                cell.index.expect(place.slot);
            }
        }
        for place in batch {
            if let Some(cell) = self.0.get(usize::from(place.shard)) {
                let shard = cell.shard.lock();
                shard.table().expect_record(place.slot);
                shard.digest().expect(place.leaf);
            }
        }
    }
}

impl IndexHint {
    fn expect(&self, slot: u64) {
        let place = IndexPlace {
            address: self.address.load(Ordering::Relaxed),
            mask: self.mask.load(Ordering::Relaxed),
        };
        prefetch_address(place.address_of(slot));
    }

    /// Called with the shard locked.
    fn follow(&self, place: IndexPlace) {
        if self.address.load(Ordering::Relaxed) != place.address {
            self.address.store(place.address, Ordering::Relaxed);
            self.mask.store(place.mask, Ordering::Relaxed);
        }
    }
}
