//! A disk: what is written, what of it is synced, and how it fails. Batches are transactions; it knows no server.
//!
//! It outlives the process that writes to it.

use std::{collections::BTreeMap, rc::Rc};

use herd_core::write_behind::{Batch, Held};

/// How long a write or a sync of a healthy disk takes at most, in nanoseconds.
const WRITE_NS_MAX: u64 = 5_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// What a process finds that starts after another was killed.
    written: Image,
    /// What is left after a power cut.
    synced: Image,
    /// A copy that somebody made at some time.
    copy: Image,
    /// Nothing can be written.
    pub(crate) is_full: bool,
    /// How much longer than usual writing takes, in nanoseconds.
    pub(crate) delay_ns: u64,
    /// Since when it does not keep up.
    troubled_since: Option<u64>,
}

/// What a disk holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    journal: Vec<(u64, Rc<[u8]>)>,
    snapshots: BTreeMap<u8, Vec<Rc<[u8]>>>,
    held: Held,
}

impl Disk {
    /// How long the next write takes.
    pub(crate) fn write_ns(&self, rng: &mut fastrand::Rng) -> u64 {
        rng.u64(..WRITE_NS_MAX) + self.delay_ns
    }

    /// Writes a batch, all of it or nothing.
    pub(crate) fn write(&mut self, batch: &Batch, held: Held) {
        self.written.apply(batch, held);
    }

    /// What is there to be synced.
    pub(crate) fn image(&self) -> Image {
        self.written.clone()
    }

    /// What was there when a sync began is safe.
    pub(crate) fn synced(&mut self, image: Image, rng: &mut fastrand::Rng) {
        if rng.u8(..3) == 0 {
            self.copy = image.clone();
        }
        self.synced = image;
    }

    /// Forgets what was not synced, or some of it.
    pub(crate) fn lose_power(&mut self, rng: &mut fastrand::Rng) {
        if rng.bool() {
            self.written = self.synced.clone();
        }
        self.synced = self.written.clone();
    }

    /// Somebody puts an earlier copy in its place.
    pub(crate) fn go_back(&mut self) {
        self.written = self.copy.clone();
        self.synced = self.copy.clone();
    }

    /// Another disk, with nothing on it.
    pub(crate) fn clear(&mut self) {
        let Self { is_full, delay_ns, troubled_since, .. } = *self;
        *self = Self { is_full, delay_ns, troubled_since, ..Self::default() };
    }

    /// What a process knows of it that starts.
    pub(crate) const fn held(&self) -> Held {
        self.written.held
    }

    /// All blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Rc<[u8]>> {
        let Image { journal, snapshots, .. } = &self.written;
        journal.iter().map(|(_, block)| block).chain(snapshots.values().flatten())
    }

    /// It does not keep up from now on.
    pub(crate) fn trouble(&mut self, now: u64) {
        self.troubled_since.get_or_insert(now);
    }

    /// All is written: it keeps up, unless something is still wrong with it.
    pub(crate) const fn settle(&mut self) {
        if !self.is_full && self.delay_ns == 0 {
            self.troubled_since = None;
        }
    }

    /// Up to when a process that ends now promised to have written what it learned, given so much time for it.
    pub(crate) fn promised_until(&self, now: u64, window_ns: u64) -> u64 {
        self.troubled_since.unwrap_or(now).saturating_sub(window_ns)
    }
}

impl Image {
    fn apply(&mut self, batch: &Batch, held: Held) {
        self.journal.extend(batch.journal.iter().map(|block| (batch.round, block.as_slice().into())));
        for snapshot in &batch.snapshots {
            let blocks = snapshot.blocks.iter().map(|block| block.as_slice().into()).collect();
            self.snapshots.insert(snapshot.shard, blocks);
        }
        if batch.completes_round {
            self.journal.retain(|(round, _)| *round >= batch.round);
        }
        self.held = held;
    }
}
