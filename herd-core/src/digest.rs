//! What a shard holds, in hashes: two nodes find where they differ without sending what they hold.
//!
//! A shard's clients fall into leaves by their key; a leaf is the XOR of the fingerprints of its reports, so an update
//! costs two XORs. Equal digests mean equal tables up to the chance of 2^-64; the digest says nothing of order.

use crate::{limits::LEAVES, prefetch::prefetch};

/// The hashes of one shard.
#[derive(Debug)]
pub(crate) struct Digest {
    leaves: Box<[u64]>,
    root: u64,
}

impl Digest {
    pub(crate) fn new() -> Self {
        Self { leaves: vec![0; LEAVES].into(), root: 0 }
    }

    /// Takes a report in, or out again: XOR is its own inverse.
    pub(crate) fn toggle(&mut self, leaf: u8, fingerprint: u64) {
        if let Some(hash) = self.leaves.get_mut(usize::from(leaf)) {
            *hash ^= fingerprint;
            self.root ^= fingerprint;
        }
    }

    /// Has a leaf brought near that is toggled soon.
    pub(crate) fn expect(&self, leaf: u8) {
        if let Some(hash) = self.leaves.get(usize::from(leaf)) {
            prefetch(hash);
        }
    }

    /// The XOR of everything in the shard.
    pub(crate) const fn root(&self) -> u64 {
        self.root
    }

    /// The hash of each leaf.
    pub(crate) fn leaves(&self) -> &[u64] {
        &self.leaves
    }
}

/// Some leaves of a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeafSet([u64; LEAVES / 64]);

impl LeafSet {
    /// Every leaf.
    pub const ALL: Self = Self([u64::MAX; LEAVES / 64]);

    /// The leaves in which two shards differ, given the hashes of both.
    #[must_use]
    pub fn differing(ours: &[u64], theirs: &[u64]) -> Self {
        let mut set = Self::default();
        for (leaf, _) in ours.iter().zip(theirs).enumerate().filter(|(_, (a, b))| a != b) {
            set.insert(leaf);
        }
        set
    }

    /// The leaves that hold something, given the hashes of all.
    #[must_use]
    pub fn occupied(hashes: &[u64]) -> Self {
        Self::differing(hashes, &[0; LEAVES])
    }

    /// Adds a leaf.
    pub fn insert(&mut self, leaf: usize) {
        if let Some(word) = self.0.get_mut(leaf / 64) {
            *word |= 1 << (leaf % 64);
        }
    }

    /// Whether it holds `leaf`.
    #[must_use]
    pub fn contains(&self, leaf: u8) -> bool {
        self.0.get(usize::from(leaf) / 64).is_some_and(|word| word >> (leaf % 64) & 1 == 1)
    }

    /// Whether it holds no leaf.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The leaves of both.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
    }

    /// The leaves of both that are in each.
    #[must_use]
    pub fn intersection(mut self, other: Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        self
    }

    /// As sent to a peer.
    #[must_use]
    pub const fn to_words(self) -> [u64; LEAVES / 64] {
        self.0
    }

    /// As received from a peer.
    #[must_use]
    pub const fn from_words(words: [u64; LEAVES / 64]) -> Self {
        Self(words)
    }
}
