//! The bounds of the table: reports that expire, and the longest-silent clients that go when it is full.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

use crate::{limits, time::Timestamp};

use super::{
    Node,
    placement::Standing,
    shard::{Rules, Size},
};

/// Shards swept at once: all of them in 16 calls.
const SWEEP_SHARDS: usize = limits::SHARDS / 16;

/// Clients looked at in one go when room is made: about a millisecond. A shard takes longer in a table of more than a
/// million.
const STEP_CLIENTS: usize = 4096;

/// Bytes of records that even a table of few clients may hold.
const RECORD_BYTES_MIN: usize = 1024 * 1024;

/// How much all shards hold.
#[derive(Debug, Default)]
pub(super) struct Room {
    clients: AtomicUsize,
    bytes: AtomicUsize,
    /// Room that is being made; locked by the one that goes on with it.
    making: Mutex<Option<Making>>,
    /// Whether there is any.
    is_being_made: AtomicBool,
    /// Reports that stand before this had to go, or would have had to.
    evicted_before: Mutex<Standing>,
    /// The shard to be swept next.
    sweeping: AtomicUsize,
}

/// What stands before the limit still has to go from these shards.
#[derive(Debug)]
struct Making {
    limit: Standing,
    shards: Range<usize>,
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
        self.clients() < self.settings.clients_max && self.record_bytes() < self.bytes_max()
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
        self.record_bytes().checked_div(self.clients()).unwrap_or(0) as u64
    }

    fn record_bytes(&self) -> usize {
        self.room.bytes.load(Ordering::Relaxed)
    }

    /// Drops expired reports in a sixteenth of the shards, and goes on making room; to be called about once a second. Says how many
    /// went for want of room.
    pub fn sweep(&self, clock: Timestamp) -> usize {
        let expired = self.expired(clock);
        let start = self.room.sweeping.fetch_add(SWEEP_SHARDS, Ordering::Relaxed) % limits::SHARDS;
        self.drop_before((expired, 0), start..start + SWEEP_SHARDS);
        self.make_room()
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
    /// paid by as many new clients as 1/256 of it. A large table is gone through a few shards at a time, with each batch, so that
    /// nobody waits for all of it. Says how many went.
    pub(super) fn make_room(&self) -> usize {
        if !self.is_too_full() && !self.room.is_being_made.load(Ordering::Relaxed) {
            return 0;
        }
        // Whoever finds it being done goes on: the bound is overshot by what arrives meanwhile.
        let Some(mut making) = self.room.making.try_lock() else { return 0 };
        let Some(Making { limit, shards }) = making.take().or_else(|| self.begin_making_room()) else {
            return 0;
        };
        let rest = (shards.start + self.shards_of(STEP_CLIENTS)).min(shards.end);
        let went = self.drop_before(limit, shards.start..rest);
        *making = (rest < shards.end).then_some(Making { limit, shards: rest..shards.end });
        self.room.is_being_made.store(making.is_some(), Ordering::Relaxed);
        went
    }

    fn is_too_full(&self) -> bool {
        self.clients() > self.settings.clients_max || self.record_bytes() > self.bytes_max()
    }

    /// Finds out who has to go, by some of the shards if the table is large: clients are spread over them by chance.
    fn begin_making_room(&self) -> Option<Making> {
        let (clients, bytes) = (self.clients(), self.record_bytes());
        let mut sample: Vec<(Standing, usize)> = Vec::new();
        // All over the table: of clients heard of at once the shards decide.
        for shard in self.shards.iter().step_by(limits::SHARDS / self.shards_of(STEP_CLIENTS)) {
            sample.extend(
                shard.records().map(|record| (self.placement.standing(&record), record.bytes().len())),
            );
        }
        sample.sort_unstable();
        let sampled_bytes = sample.iter().map(|(_, bytes)| bytes).sum();
        let share = |surplus: usize, of: usize, sampled: usize| match surplus {
            0 => 0,
            _ => surplus.saturating_mul(sampled) / of.max(1) + sampled / 256,
        };
        let mut clients_too_many =
            share(clients.saturating_sub(self.settings.clients_max), clients, sample.len());
        let mut bytes_too_many = share(bytes.saturating_sub(self.bytes_max()), bytes, sampled_bytes);
        let stays = |&&(_, bytes): &&(Standing, usize)| {
            let stays = clients_too_many == 0 && bytes_too_many == 0;
            clients_too_many = clients_too_many.saturating_sub(1);
            bytes_too_many = bytes_too_many.saturating_sub(bytes);
            stays
        };
        let &(limit, _) = sample.iter().find(stays).or_else(|| sample.last())?;
        let mut evicted_before = self.room.evicted_before.lock();
        *evicted_before = (*evicted_before).max(limit);
        Some(Making { limit, shards: 0..limits::SHARDS })
    }

    /// How many shards hold about so many clients, at least one.
    fn shards_of(&self, clients: usize) -> usize {
        (clients * limits::SHARDS / self.clients().max(1)).clamp(1, limits::SHARDS)
    }

    /// Drops what stands before `limit` in some shards: says how many clients went.
    fn drop_before(&self, limit: Standing, shards: Range<usize>) -> usize {
        let rules = Rules { servers: self.names.read(), expired: limit.0, placement: &self.placement };
        let mut went = 0;
        for mut shard in self.shards.range(shards) {
            let before = shard.size();
            shard.drop_before(limit, &rules);
            went += before.clients - shard.size().clients;
            self.room.grew(shard.size().minus(before));
        }
        went
    }
}
