//! The bounds of the table: reports that expire, and the longest-silent clients that go when it is full.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::{limits, time::Timestamp};

use super::{
    Node,
    placement::Standing,
    shard::{Rules, Size},
};

/// Shards swept at once: all of them in 16 calls.
const SWEEP_SHARDS: usize = limits::SHARDS / 16;

/// Bytes of records that even a table of few clients may hold.
const RECORD_BYTES_MIN: usize = 1024 * 1024;

/// How much all shards hold.
#[derive(Debug, Default)]
pub(super) struct Room {
    clients: AtomicUsize,
    bytes: AtomicUsize,
    /// Held by the one that makes room.
    evicting: Mutex<()>,
    /// Reports that stand before this had to go, or would have had to.
    evicted_before: Mutex<Standing>,
    /// The shard to be swept next.
    sweeping: AtomicUsize,
}

impl Room {
    /// Takes note of how much shards grew.
    pub(super) fn grew(&self, growth: Size) {
        if growth != Size::default() {
            self.clients.fetch_add(growth.clients, Ordering::Relaxed);
            self.bytes.fetch_add(growth.bytes, Ordering::Relaxed);
        }
    }
}

impl Node {
    /// Reports that stand before this are those that go when the table is full. They are no news: flooded, they would
    /// go round a cycle of servers that each take them, pass them on and drop them again.
    pub(super) fn evicted_before(&self) -> Standing {
        *self.room.evicted_before.lock()
    }

    /// Takes note that a report is held that was received then. Where clocks are apart it may stand before others that had
    /// to go: these are welcome again, or two full servers would each refuse what the other holds for ever.
    pub(super) fn hold_late(&self, received_at: Timestamp) {
        let mut evicted_before = self.room.evicted_before.lock();
        *evicted_before = (*evicted_before).min((received_at, 0));
    }

    /// Whether there is room for clients that have been silent for long.
    pub(super) fn has_room(&self) -> bool {
        self.clients() < self.settings.clients_max
            && self.room.bytes.load(Ordering::Relaxed) < self.bytes_max()
    }

    fn bytes_max(&self) -> usize {
        let clients_max = self.settings.clients_max;
        clients_max.saturating_mul(limits::RECORD_BYTES_MEAN_MAX).max(RECORD_BYTES_MIN)
    }

    /// Clients in the table.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.room.clients.load(Ordering::Relaxed)
    }

    /// Mean size of a report in the table in bytes, 0 if there is none.
    #[must_use]
    pub fn record_bytes_mean(&self) -> u64 {
        self.room.bytes.load(Ordering::Relaxed).checked_div(self.clients()).unwrap_or(0) as u64
    }

    /// Drops expired reports in a sixteenth of the shards; to be called about once a second.
    pub fn sweep(&self, clock: Timestamp) {
        let expired = self.expired(clock);
        let start = self.room.sweeping.fetch_add(SWEEP_SHARDS, Ordering::Relaxed) % limits::SHARDS;
        self.drop_before((expired, 0), start..start + SWEEP_SHARDS);
    }

    /// Reports received before this have expired, in herd time; but a server that has only one neighbour, whose clock is
    /// far ahead, lets every report live for half its time by its own clock.
    pub(super) fn expired(&self, clock: Timestamp) -> Timestamp {
        let ttl = self.settings.ttl;
        let time = self.clocks.herd_time(clock).min(clock.later(ttl / 2));
        let nanos = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        Timestamp::from_nanos(time.as_nanos().saturating_sub(nanos))
    }

    /// Drops the longest-silent clients if there are too many, and a few more than needed: the scan of the table is
    /// paid by as many new clients as 1/256 of it. Says how many went.
    pub(super) fn make_room(&self) -> usize {
        let clients_max = self.settings.clients_max;
        let bytes_max = self.bytes_max();
        let (clients, bytes) = (self.clients(), self.room.bytes.load(Ordering::Relaxed));
        if clients <= clients_max && bytes <= bytes_max {
            return 0;
        }
        // Whoever finds it being done goes on: the bound is overshot by what arrives meanwhile.
        let Some(_guard) = self.room.evicting.try_lock() else { return 0 };
        let mut held: Vec<Standing> = Vec::with_capacity(clients);
        for shard in self.shards.iter() {
            held.extend(shard.records().map(|record| self.placement.standing(&record)));
        }
        let surplus_clients = held.len().saturating_sub(clients_max);
        let surplus_bytes = bytes.saturating_sub(bytes_max);
        let surplus = surplus_clients.max(surplus_bytes.saturating_mul(held.len()) / bytes.max(1));
        let Some(last) = held.len().checked_sub(1) else { return 0 };
        let going = (surplus + held.len() / 256).min(last);
        let (_, limit, _) = held.select_nth_unstable(going);
        let before = self.clients();
        let mut evicted_before = self.room.evicted_before.lock();
        *evicted_before = (*evicted_before).max(*limit);
        drop(evicted_before);
        self.drop_before(*limit, 0..limits::SHARDS);
        before.saturating_sub(self.clients())
    }

    fn drop_before(&self, limit: Standing, shards: std::ops::Range<usize>) {
        let rules = Rules { servers: self.names.read(), expired: limit.0, placement: &self.placement };
        for mut shard in self.shards.range(shards) {
            let before = shard.size();
            shard.drop_before(limit, &rules);
            self.room.grew(shard.size().minus(before));
        }
    }
}
