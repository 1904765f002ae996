//! What of a node is to be written down next: one more cursor into its log, and now and then the whole table.
//!
//! No disk and no clock: the driver asks for a [`Batch`], writes it down as one transaction, and says when that was
//! done. A store holds a *journal* (what was news, block by block) and a *snapshot* of each shard. The one thing to
//! know: merging is commutative and idempotent, so a store is right as long as the blocks in it, merged in any order,
//! give what the node held when the last batch was made; nothing depends on what was written first.
//!
//! Snapshots are taken in *rounds* of all shards, for two reasons: the journal has grown much larger than a round, or
//! the log no longer holds what follows the cursor (a disk slower than what comes in, or full for long). Journal blocks
//! that were written before a round began are forgotten once it is complete.

use crate::{
    digest::LeafSet,
    limits::{LINK_PIECE_BYTES, SHARDS},
    log::{LogPosition, Overtaken, Source},
    node::Node,
    server::Names,
    wire::{block, record},
};

/// Most bytes of records in a block, unless one record is longer: large enough that its cost per record vanishes, small
/// enough that a damaged one loses 20,000 reports of many.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Bytes of snapshots in a batch, about, and at least one shard: what a disk that writes 50 MB a second takes in 20 ms.
const SNAPSHOT_BYTES: usize = 1024 * 1024;

/// Most shards in a batch: each is a lock here and a statement there, however little it holds.
const SNAPSHOTS_MAX: usize = SHARDS / 4;

/// A journal this small is not worth a round: it is read back in a fraction of a second.
const JOURNAL_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// A journal may grow to this many times the last round's snapshots. So at most half as much is written for
/// snapshots as for the journal, and a store holds at most about four times the table.
const JOURNAL_PER_SNAPSHOT: u64 = 2;

/// What a store already holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The largest number of a round in it, 0 if there is none.
    pub round: u64,
    /// Bytes of journal blocks.
    pub journal_bytes: u64,
    /// Bytes of snapshots.
    pub snapshot_bytes: u64,
}

/// All that is to be written down next, as one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number of the round that was begun last; goes with the journal block.
    pub round: u64,
    /// A block to be appended to the journal.
    pub journal: Option<Vec<u8>>,
    /// Snapshots, each in the place of the one that is there for its shard.
    pub snapshots: Vec<Snapshot>,
    /// The round is complete: journal blocks with a lower number may go.
    pub completes_round: bool,
    /// What follows in the log is not in it.
    until: LogPosition,
    /// The shard that the next snapshot is of.
    next_shard: usize,
}

/// All reports of one shard at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number.
    pub shard: u8,
    /// None if the shard is empty.
    pub blocks: Vec<Vec<u8>>,
}

/// See the module.
#[derive(Debug)]
pub struct WriteBehind {
    cursor: LogPosition,
    /// All that was logged before this is in the store: the cursor, unless something was missed.
    covered: LogPosition,
    held: Held,
    round: Option<Round>,
}

/// A round under way.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// The store lacks something until it is complete.
    is_needed: bool,
    next_shard: usize,
    /// Bytes of journal that were there when it began.
    journal_bytes_before: u64,
    snapshot_bytes: u64,
}

impl WriteBehind {
    /// Goes on with a store that holds `held`, from the start of the log of a node that was restored from it.
    #[must_use]
    pub const fn new(held: Held) -> Self {
        let start = LogPosition::from_bytes(0);
        Self { cursor: start, covered: start, held, round: None }
    }

    /// Goes on from the log's end with a store that may lack anything: a round begins.
    #[must_use]
    pub fn anew(node: &Node, held: Held) -> Self {
        let mut write_behind = Self { cursor: node.log_end(), ..Self::new(held) };
        write_behind.begin_round(true);
        write_behind
    }

    /// What the store holds after the batches that were kept.
    #[must_use]
    pub const fn held(&self) -> Held {
        self.held
    }

    /// Up to where the log was kept, or made up for: the store holds all that was logged before, or what replaced it.
    #[must_use]
    pub const fn position(&self) -> LogPosition {
        self.covered
    }

    /// Whether the log was read up to `position`, even if something before that was missed.
    #[must_use]
    pub fn has_read_to(&self, position: LogPosition) -> bool {
        self.cursor >= position
    }

    /// Whether there is something to be written down.
    #[must_use]
    pub fn has_batch(&self, node: &Node) -> bool {
        self.round.is_some() || self.cursor < node.log_end()
    }

    /// What is to be written down next, if anything. Until it is [kept](Self::kept), the same is offered again, and
    /// what came meanwhile with it.
    #[must_use]
    pub fn next_batch(&mut self, node: &Node) -> Option<Batch> {
        let (records, read) = self.read(node);
        let until = match read {
            Ok(until) => until,
            Err(overtaken) => {
                self.cursor = overtaken.end;
                self.begin_round(true);
                overtaken.end
            }
        };
        let worth_it = JOURNAL_BYTES_MIN.max(JOURNAL_PER_SNAPSHOT.saturating_mul(self.held.snapshot_bytes));
        if self.round.is_none() && self.held.journal_bytes > worth_it {
            self.begin_round(false);
        }
        // The table is read after the log, so snapshots lack nothing that was logged before the round began.
        let (snapshots, next_shard) = self.snapshots(node);
        if records.is_empty() && self.round.is_none() {
            return None;
        }
        Some(Batch {
            round: self.held.round,
            journal: (!records.is_empty()).then(|| block::encode(&records, node.names())),
            snapshots,
            completes_round: self.round.is_some() && next_shard == SHARDS,
            until,
            next_shard,
        })
    }

    /// A block of what follows the cursor in the log, and where to go on.
    fn read(&self, node: &Node) -> (Vec<u8>, Result<LogPosition, Overtaken>) {
        let (mut records, mut from) = (Vec::new(), self.cursor);
        loop {
            let bytes_max = BLOCK_BYTES.min(records.len() + LINK_PIECE_BYTES);
            match node.read_log(from, Source::NOBODY, bytes_max, &mut records) {
                Ok(until) if until > from => from = until,
                read => return (records, read),
            }
        }
    }

    /// Takes note that `batch` was written down, which was the last one offered.
    pub fn kept(&mut self, batch: &Batch) {
        self.cursor = batch.until;
        self.held.journal_bytes += batch.journal.as_deref().map_or(0, bytes);
        if let Some(round) = &mut self.round {
            round.snapshot_bytes +=
                batch.snapshots.iter().flat_map(|s| &s.blocks).map(|b| bytes(b)).sum::<u64>();
            round.next_shard = batch.next_shard;
            if batch.completes_round {
                self.held.journal_bytes -= round.journal_bytes_before;
                self.held.snapshot_bytes = round.snapshot_bytes;
                self.round = None;
            }
        }
        if self.round.is_none_or(|round| !round.is_needed) {
            self.covered = self.cursor;
        }
    }

    /// Begins a round, from the first shard again if one is under way: what it has may lack what was missed.
    fn begin_round(&mut self, is_needed: bool) {
        let is_needed = is_needed || self.round.is_some_and(|round| round.is_needed);
        self.held.round += 1;
        let journal_bytes_before = self.held.journal_bytes;
        self.round = Some(Round { is_needed, next_shard: 0, journal_bytes_before, snapshot_bytes: 0 });
    }

    /// The next few snapshots of the round, and where to go on.
    fn snapshots(&self, node: &Node) -> (Vec<Snapshot>, usize) {
        let Some(round) = self.round else { return (Vec::new(), SHARDS) };
        let (mut snapshots, mut next_shard, mut total) = (Vec::new(), round.next_shard, 0);
        let mut records = Vec::new();
        while total < SNAPSHOT_BYTES
            && snapshots.len() < SNAPSHOTS_MAX
            && let Ok(shard) = u8::try_from(next_shard)
        {
            records.clear();
            node.export(shard, LeafSet::ALL, &(..), &mut records);
            total += records.len();
            snapshots.push(Snapshot { shard, blocks: blocks(&records, node.names()) });
            next_shard += 1;
        }
        (snapshots, next_shard)
    }
}

fn blocks(mut records: &[u8], names: &Names) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    while !records.is_empty() {
        let piece = record::whole_records(records, BLOCK_BYTES, true);
        blocks.push(block::encode(piece, names));
        records = records.get(piece.len().max(1)..).unwrap_or_default();
    }
    blocks
}

const fn bytes(block: &[u8]) -> u64 {
    block.len() as u64
}
