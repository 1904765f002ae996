//! The most recent report of each client of one shard: an arena of records and an open-addressing index into it.
//!
//! Not a cache and not a judge: which report wins is decided by the caller. A record is replaced in place when the
//! new one is as long, which it is unless a client changes the form of its texts; else it is appended and the old
//! one marked dead, and the shard is rebuilt when a quarter is dead. The one thing to know: records in the arena carry
//! one more flag, [`DEAD`], that exists nowhere else.

use crate::{prefetch::prefetch, wire::record::Record};

/// Set in the flags of a record that was replaced by a longer or shorter one.
const DEAD: u8 = 0x80;

/// Slots of the index of the first client: 256 shards of these are 16 KiB.
const SLOTS_MIN: usize = 8;

/// Dead bytes that are not worth a rebuild.
const DEAD_BYTES_MIN: usize = 4096;

/// Slots looked at when a record is expected: at three quarters full a client is nearly always within these.
const PROBES_EXPECTED: usize = 8;

const CACHE_LINE_BYTES: usize = 64;

/// Allocators give blocks from 128 KiB on pages of their own: such a block takes memory only where it is written to, and leaves
/// none behind when it is outgrown. A shard asks for as much once it needs more than a page.
const INDEX_BYTES_MIN: usize = 128 * 1024;

/// More than for an index: that of glibc keeps blocks for itself that are no larger than one it got back.
const ARENA_BYTES_MIN: usize = 2 * INDEX_BYTES_MIN;

const PAGE_BYTES: usize = 4096;

/// Where in the arena a record starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset(u32);

/// Where in the arena a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    offset: Offset,
    bytes: usize,
}

/// Where in memory an index is, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexPlace {
    pub(crate) address: usize,
    pub(crate) mask: usize,
}

impl IndexPlace {
    /// Where the search for a hash begins.
    #[inline]
    pub(crate) fn address_of(self, hash: SlotHash) -> usize {
        self.address.wrapping_add(home(hash, self.mask).wrapping_mul(size_of::<u64>()))
    }
}

/// A client's place in the index: any hash that attackers cannot foresee.
pub(crate) type SlotHash = u64;

/// The records of one shard.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Upper half: upper half of the slot hash. Lower half: offset plus one, 0 for an empty slot.
    index: Vec<u64>,
    arena: Vec<u8>,
    clients: usize,
    dead_bytes: usize,
}

impl Table {
    /// Clients in the table.
    pub(crate) const fn clients(&self) -> usize {
        self.clients
    }

    /// Bytes of records, dead ones too.
    pub(crate) const fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Where the record of `client` is, and what it says.
    pub(crate) fn find(&self, hash: SlotHash, client: &[u8]) -> Option<(Spot, Record<'_>)> {
        if self.index.is_empty() {
            return None;
        }
        let mask = self.index.len() - 1;
        let mut slot = home(hash, mask);
        loop {
            let entry = self.index.get(slot).copied().unwrap_or_default();
            if entry == 0 {
                return None;
            }
            if entry >> 32 == hash >> 32 {
                let offset = Offset(low(entry) - 1);
                if let Some(record) = self.get(offset).filter(|record| record.client() == client) {
                    return Some((Spot { offset, bytes: record.bytes().len() }, record));
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Where the index is, for the first of two steps before [`Table::find`]: to have a place in it brought near.
    pub(crate) fn index_place(&self) -> IndexPlace {
        IndexPlace { address: self.index.as_ptr().addr(), mask: self.index.len().wrapping_sub(1) }
    }

    /// Second step: has the record brought near that the index names there, if it may be the one.
    pub(crate) fn expect_record(&self, hash: SlotHash) {
        let mask = self.index.len().wrapping_sub(1);
        let start = home(hash, mask);
        let near = self.index.get(start..(start + PROBES_EXPECTED).min(self.index.len()));
        let entry = near.into_iter().flatten().find(|&&entry| entry >> 32 == hash >> 32 && entry != 0);
        if let Some(&entry) = entry {
            let offset = low(entry) as usize - 1;
            // A usual record lies across two cache lines.
            [offset, offset + CACHE_LINE_BYTES]
                .iter()
                .filter_map(|&at| self.arena.get(at))
                .for_each(prefetch);
        }
    }

    fn get(&self, offset: Offset) -> Option<Record<'_>> {
        Record::locate(self.arena.get(offset.0 as usize..)?).ok()
    }

    /// Puts `record` in the place of the one that [`Table::find`] found there, which is of the same client.
    pub(crate) fn replace(
        &mut self,
        Spot { offset, bytes: old_bytes }: Spot,
        record: &[u8],
        hash: SlotHash,
        rehash: impl Fn(&[u8]) -> SlotHash,
    ) -> bool {
        let start = offset.0 as usize;
        if old_bytes == record.len() {
            if let Some(place) = self.arena.get_mut(start..start + old_bytes) {
                place.copy_from_slice(record);
            }
            return true;
        }
        let Some(new) = self.append(record) else { return false };
        if let Some(entry) = self.entry_of(hash, offset) {
            *entry = join(hash, new);
        }
        if let Some(flags) = self.arena.get_mut(start) {
            *flags |= DEAD;
        }
        self.dead_bytes += old_bytes;
        if self.dead_bytes > DEAD_BYTES_MIN.max(self.arena.len() / 4) {
            self.retain(|_| true, rehash);
        }
        true
    }

    /// Puts in the first record of a client. A shard whose arena is full (4 GiB) takes no more.
    pub(crate) fn insert(&mut self, hash: SlotHash, record: &[u8]) -> bool {
        if (self.clients + 1) * 4 > self.index.len() * 3 {
            self.grow();
        }
        let Some(offset) = self.append(record) else { return false };
        link(&mut self.index, join(hash, offset));
        self.clients += 1;
        true
    }

    /// All records, in no order that means anything.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.offsets().filter_map(|offset| self.get(offset))
    }

    /// Drops the records that `keep` does not want, and the dead ones.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Record<'_>) -> bool, rehash: impl Fn(&[u8]) -> SlotHash) {
        let mut arena = Vec::with_capacity(self.arena.len() - self.dead_bytes);
        let mut clients = 0;
        for record in self.records().filter(keep) {
            arena.extend_from_slice(record.bytes());
            clients += 1;
        }
        self.arena = arena;
        self.clients = clients;
        self.dead_bytes = 0;
        let mut index = empty_index((clients * 2).next_power_of_two().max(SLOTS_MIN));
        for offset in self.offsets() {
            if let Some(record) = self.get(offset) {
                link(&mut index, join(rehash(record.client()), offset));
            }
        }
        self.index = index;
    }

    /// Doubles the index. An entry knows its home: no record is looked at, let alone hashed.
    fn grow(&mut self) {
        let mut index = empty_index((self.index.len() * 2).max(SLOTS_MIN));
        self.index.iter().filter(|&&entry| entry != 0).for_each(|&entry| link(&mut index, entry));
        self.index = index;
    }

    /// The offsets of the records that are not dead.
    fn offsets(&self) -> impl Iterator<Item = Offset> {
        let mut next = 0;
        std::iter::from_fn(move || {
            while let Some(offset) = u32::try_from(next).ok().map(Offset) {
                let record = self.get(offset)?;
                next += record.bytes().len();
                if self.arena.get(offset.0 as usize).is_some_and(|flags| flags & DEAD == 0) {
                    return Some(offset);
                }
            }
            None
        })
    }

    fn append(&mut self, record: &[u8]) -> Option<Offset> {
        // One more than the offset must fit into half an index entry.
        let offset = u32::try_from(self.arena.len()).ok().filter(|&o| o < u32::MAX).map(Offset)?;
        if self.arena.capacity() - self.arena.len() < record.len() {
            // Growing by an eighth wastes less memory than doubling; 256 small arenas make the copies short.
            let more = (self.arena.len() / 8).max(record.len()).max(256);
            self.arena.reserve_exact(roomy(self.arena.len() + more, ARENA_BYTES_MIN) - self.arena.len());
        }
        self.arena.extend_from_slice(record);
        Some(offset)
    }

    fn entry_of(&mut self, hash: SlotHash, offset: Offset) -> Option<&mut u64> {
        let wanted = join(hash, offset);
        let mask = self.index.len() - 1;
        let mut slot = home(hash, mask);
        while *self.index.get(slot)? != wanted {
            if *self.index.get(slot)? == 0 {
                return None;
            }
            slot = (slot + 1) & mask;
        }
        self.index.get_mut(slot)
    }
}

fn empty_index(slots: usize) -> Vec<u64> {
    let bytes = roomy(slots * size_of::<u64>(), INDEX_BYTES_MIN);
    let mut index = Vec::with_capacity(bytes / size_of::<u64>());
    index.resize(slots, 0);
    index
}

/// How much to ask for where so many bytes are needed: a page, or pages of one's own.
fn roomy(bytes: usize, bytes_min: usize) -> usize {
    if bytes > PAGE_BYTES { bytes.max(bytes_min) } else { bytes }
}

fn link(index: &mut [u64], entry: u64) {
    let mask = index.len() - 1;
    let mut slot = home(entry, mask);
    while index.get(slot).is_some_and(|&entry| entry != 0) {
        slot = (slot + 1) & mask;
    }
    if let Some(slot) = index.get_mut(slot) {
        *slot = entry;
    }
}

/// The slot where the search for a hash begins: from its upper half, which its entry keeps. A shard has far fewer than 2^32
/// slots, so that what is left of that half still tells clients apart.
fn home(hash: SlotHash, mask: usize) -> usize {
    low(hash >> 32) as usize & mask
}

fn join(hash: SlotHash, offset: Offset) -> u64 {
    hash >> 32 << 32 | u64::from(offset.0 + 1)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn low(entry: u64) -> u32 {
    entry as u32
}

#[cfg(test)]
mod tests;
