//! Pages that may answer later questions: in memory only, bounded in number and bytes, gone when their time is over.
//!
//! Not the single flight, which is the gate's. The one thing to know: one weight bounds both entries and bytes, since
//! a page counts at least its share of an evenly filled cache.

use std::{hash::RandomState, time::Duration};

use quick_cache::{OptionsBuilder, Weighter, sync};
use tokio::time::Instant;

use super::grid::Cell;
use crate::nearby::upstream::Page;

/// Bytes of an entry beside its page, measured at 100,000 entries.
const ENTRY_BYTES: u64 = 128;

/// Parts with a lock each, if the cache is large enough.
const SHARDS_MAX: u64 = 16;
/// Fewest bytes of a part: room for the largest page that a provider may send, and some more.
const SHARD_BYTES_MIN: u64 = 4 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Cache {
    // Keys are made of positions that clients choose, so they are hashed with a random key.
    pages: sync::Cache<Cell, Kept, Weight, RandomState>,
    ttl: Duration,
}

#[derive(Clone, Debug)]
struct Kept {
    page: Page,
    until: Instant,
}

#[derive(Clone, Debug)]
struct Weight {
    least: u64,
}

impl Weighter<Cell, Kept> for Weight {
    fn weight(&self, _: &Cell, kept: &Kept) -> u64 {
        (ENTRY_BYTES + u64::try_from(kept.page.weight()).unwrap_or(u64::MAX / 2)).max(self.least)
    }
}

impl Cache {
    /// An empty one of at most so many `entries` and `bytes`, each for `ttl`.
    pub(super) fn new(entries: u32, bytes: u64, ttl: Duration) -> Self {
        let entries = u64::from(entries).max(1);
        let least = bytes.div_ceil(entries);
        let shards = (bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .estimated_items_capacity(usize::try_from(entries).unwrap_or(usize::MAX))
            .weight_capacity(bytes)
            .build();
        let weight = Weight { least };
        let lifecycle = sync::DefaultLifecycle::default();
        let pages = match options {
            Ok(options) => sync::Cache::with_options(options, weight, RandomState::new(), lifecycle),
            // Only options that lack one of the two above are refused.
            Err(_) => sync::Cache::with(1, bytes, weight, RandomState::new(), lifecycle),
        };
        Self { pages, ttl }
    }

    /// The page for a cell, if there is one and its time is not over.
    pub(super) fn get(&self, cell: &Cell, now: Instant) -> Option<Page> {
        self.pages.get(cell).filter(|kept| now < kept.until).map(|kept| kept.page)
    }

    /// Keeps a page; others may have to go for it.
    pub(super) fn put(&self, cell: Cell, page: Page, now: Instant) {
        self.pages.insert(cell, Kept { page, until: now + self.ttl });
    }

    /// Forgets pages whose time is over, also those that nobody asks for any more.
    pub(super) fn sweep(&self, now: Instant) {
        self.pages.retain(|_, kept| now < kept.until);
    }

    /// Number of pages.
    pub(super) fn entries(&self) -> usize {
        self.pages.len()
    }

    /// What they weigh.
    pub(super) fn bytes(&self) -> u64 {
        self.pages.weight()
    }
}
