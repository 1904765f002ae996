//! How a provider behind a network may be used: the keys that `[places]` and `[messages]` share.
//!
//! docs/configuration.md says what each trades; the ranges there and here are the same.

use std::{fmt, time::Duration};

use crate::config::{
    quantity::{Size, Span},
    section::{DAY, count, share, size, span},
};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// How long a page is kept, if the provider's terms allow that.
    pub ttl: Duration,
    /// Side of a cell of similar positions, as a share of the radius: 0 to 0.5.
    pub similarity: f64,
    /// Most requests in any second, 1 or more.
    pub requests_per_second: u32,
    /// Most requests in a day (UTC), 1 or more.
    pub requests_per_day: u32,
    /// Most pages kept.
    pub cache_entries: u32,
    /// Most bytes of pages kept.
    pub cache_bytes: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            similarity: 0.02,
            requests_per_second: 10,
            requests_per_day: 1000,
            cache_entries: 100_000,
            cache_bytes: 256 << 20,
        }
    }
}

impl Policy {
    /// The first key out of range, and what is wrong with it.
    pub(crate) fn mistake(&self) -> Option<(&'static str, String)> {
        None.or_else(|| span("ttl", self.ttl, 1000, 30 * DAY))
            // Beyond half a radius answers would be about somewhere else.
            .or_else(|| share("similarity", self.similarity, 0.0..=0.5))
            .or_else(|| count("requests_per_second", self.requests_per_second, 1..=10_000))
            .or_else(|| count("requests_per_day", self.requests_per_day, 1..=1_000_000_000))
            .or_else(|| count("cache_entries", self.cache_entries, 1..=100_000_000))
            .or_else(|| size("cache_bytes", self.cache_bytes, 1 << 20..=1 << 40))
    }
}

impl fmt::Display for Policy {
    /// As lines of a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ttl = \"{}\"", Span(self.ttl))?;
        writeln!(f, "similarity = {:?}", self.similarity)?;
        writeln!(f, "requests_per_second = {}", self.requests_per_second)?;
        writeln!(f, "requests_per_day = {}", self.requests_per_day)?;
        writeln!(f, "cache_entries = {}", self.cache_entries)?;
        writeln!(f, "cache_bytes = \"{}\"", Size(self.cache_bytes))
    }
}
