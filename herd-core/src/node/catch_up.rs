//! What links need to find where two nodes differ, and to make up for it.

use std::ops::{Bound, RangeBounds};

use crate::{digest::LeafSet, limits::SHARDS, server::Name, time::Timestamp, wire::record::Record};

use super::Node;

impl Node {
    /// The hash of each shard.
    #[must_use]
    pub fn shard_digests(&self) -> Vec<u64> {
        self.shards.iter().map(|shard| shard.digest().root()).collect()
    }

    /// The hash of each leaf of a shard.
    #[must_use]
    pub fn leaf_digests(&self, shard: u8) -> Vec<u64> {
        self.shards.lock(shard).map(|shard| shard.digest().leaves().to_vec()).unwrap_or_default()
    }

    /// A hash of the whole table: equal on two nodes that hold the same.
    #[must_use]
    pub fn digest(&self) -> u64 {
        digest_of(&self.shard_digests())
    }

    /// Appends the records in some leaves of a shard that were received in a span of time.
    pub fn export(
        &self,
        shard: u8,
        leaves: LeafSet,
        received: &impl RangeBounds<Timestamp>,
        out: &mut Vec<u8>,
    ) {
        let Some(shard) = self.shards.lock(shard) else { return };
        let is_older = match received.end_bound() {
            Bound::Included(end) => *end < shard.oldest(),
            Bound::Excluded(end) => *end <= shard.oldest(),
            Bound::Unbounded => false,
        };
        if is_older {
            return;
        }
        let is_in = |record: &Record<'_>| {
            leaves == LeafSet::ALL || leaves.contains(self.placement.of(record.client()).leaf)
        };
        // The time first: it costs no hash.
        let wanted = shard.records().filter(|record| received.contains(&record.received_at())).filter(is_in);
        wanted.for_each(|record| out.extend_from_slice(record.bytes()));
    }

    /// Takes note of how far ahead of ours a neighbour's clock is, in nanoseconds.
    pub(crate) fn observe_clock(&self, neighbour: &Name, offset: i64) {
        self.clocks.observe(neighbour, offset);
    }

    /// Forgets the clock of a neighbour that is gone.
    pub(crate) fn forget_clock(&self, neighbour: &Name) {
        self.clocks.forget(neighbour);
    }
}

/// Folds the hashes of the shards into one; the position counts, so that two shards cannot make up for each other.
pub(crate) fn digest_of(shards: &[u64]) -> u64 {
    debug_assert_eq!(shards.len(), SHARDS, "a node has {SHARDS} shards");
    shards
        .iter()
        .fold(0, |digest: u64, shard| digest.rotate_left(5) ^ shard.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
