//! How two neighbours make sure that both hold the same: one compares, both copy what differs.
//!
//! The dialler begins, at once on a new link and every few seconds after. Hashes go down three levels (table, shards,
//! leaves); then each side sends what it has in the leaves that differ, most recently moved clients first. The one
//! thing to know: everything is pulled piece by piece ([`CatchUp::next_piece`]), so a round never holds more than one
//! shard's records, and live reports always go first.

use std::{collections::BTreeMap, ops::Bound, time::Duration};

use crate::{
    digest::LeafSet,
    limits::COMPARE_EVERY,
    node::{Node, digest_of},
    time::{Moment, Timestamp},
    wire::{
        comparison::Comparison,
        peer::{self, Frame},
        record,
    },
};

use super::window::Window;

/// The wait after a round that found a difference. Under load some reports are always under way, so rounds that keep
/// finding differences double it up to [`COMPARE_EVERY`].
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// Ages that are copied one after the other, youngest first.
const BANDS: [Duration; 4] =
    [Duration::from_secs(10), Duration::from_secs(600), Duration::from_secs(36_000), Duration::MAX];

/// The state of catching up on one link.
#[derive(Debug)]
pub(super) struct CatchUp {
    is_dialler: bool,
    /// Each side holds what the other held when the link came up, or when it last fell off the log.
    is_synced: bool,
    /// A round that begins later than this is needed.
    is_asked: bool,
    /// A round is under way (dialler only).
    is_comparing: bool,
    /// When the dialler begins the next round; none while one is under way.
    next_round: Option<Moment>,
    retry: Duration,
    /// Shards whose leaves are still to be sent, from the last on.
    leaves_due: Vec<u8>,
    /// The dialler has sent, or the acceptor has received, all leaves of this round.
    all_leaves: bool,
    /// The peer has sent all that differs (dialler only).
    peer_copied: bool,
    wanted: BTreeMap<u8, LeafSet>,
    /// The leaves that held something when their hashes were sent (dialler only): what is found in the others later
    /// came from the peer, most likely, and is not to be sent back.
    occupied: BTreeMap<u8, LeafSet>,
    copying: Option<Copying>,
    window: Window,
}

/// The records of some leaves on their way out.
#[derive(Debug)]
struct Copying {
    began: Timestamp,
    leaves: BTreeMap<u8, LeafSet>,
    band: usize,
    /// The shard to be read next.
    shard: usize,
    /// The records of the shard that was read last, and how many bytes of them are sent.
    records: Vec<u8>,
    sent: usize,
}

impl CatchUp {
    pub(super) const fn new(is_dialler: bool) -> Self {
        Self {
            is_dialler,
            is_synced: false,
            is_asked: false,
            is_comparing: false,
            next_round: None,
            retry: RETRY_FIRST,
            leaves_due: Vec::new(),
            all_leaves: false,
            peer_copied: false,
            wanted: BTreeMap::new(),
            occupied: BTreeMap::new(),
            copying: None,
            window: Window::new(),
        }
    }

    pub(super) const fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// The peer's log goes on where we had come: the next round can wait, unless one is needed the other way.
    pub(super) fn resumed(&mut self, now: Moment) {
        if !self.is_asked && !self.is_comparing {
            self.finish(now, COMPARE_EVERY);
        }
    }

    /// A round is needed: begins it at once, if that is ours to do, or behind the one that is under way.
    pub(super) fn ask(&mut self, now: Moment) {
        self.is_synced = false;
        self.is_asked = true;
        if !self.is_comparing {
            self.schedule(now, Duration::ZERO);
        }
    }

    pub(super) const fn next_round(&self) -> Option<Moment> {
        self.next_round
    }

    /// Begins a round if it is time.
    pub(super) fn handle_time(&mut self, node: &Node, now: Moment, out: &mut Vec<u8>) {
        if self.next_round.is_some_and(|due| due <= now) {
            self.next_round = None;
            self.is_asked = false;
            self.is_comparing = true;
            say(out, Comparison::Digest(node.digest()));
        }
    }

    /// Takes in what the peer says about its table. Appends short answers.
    pub(super) fn handle(&mut self, node: &Node, step: &Comparison, now: Moment, out: &mut Vec<u8>) {
        match step {
            Comparison::Digest(digest) => self.answer_digest(node, *digest, out),
            Comparison::Same => self.same(now),
            Comparison::Shards(theirs) => self.compare_shards(node, theirs, now, out),
            Comparison::Leaves { shard, hashes } => {
                let ours = node.leaf_digests(*shard);
                let leaves = LeafSet::differing(&ours, hashes);
                if !leaves.is_empty() {
                    self.want(*shard, leaves.intersection(LeafSet::occupied(&ours)));
                    say(out, Comparison::Differ { shard: *shard, leaves });
                }
            }
            Comparison::LeavesEnd => self.all_leaves = true,
            Comparison::Differ { shard, leaves } => {
                let occupied = self.occupied.get(shard).copied().unwrap_or_default();
                self.want(*shard, leaves.intersection(occupied));
            }
            Comparison::Copied if self.is_dialler => {
                self.peer_copied = true;
                self.conclude(now, out);
            }
            Comparison::Copied => self.is_synced = !self.is_asked,
            Comparison::Ask => self.ask(now),
            Comparison::Taken => self.window.taken(now),
        }
    }

    /// Appends one piece of what is to be sent, if anything is.
    pub(super) fn next_piece(&mut self, node: &Node, now: (Moment, Timestamp), out: &mut Vec<u8>) {
        if let Some(shard) = self.leaves_due.pop() {
            let hashes = node.leaf_digests(shard);
            self.occupied.insert(shard, LeafSet::occupied(&hashes));
            say(out, Comparison::Leaves { shard, hashes });
            if self.leaves_due.is_empty() {
                self.all_leaves = true;
                say(out, Comparison::LeavesEnd);
            }
            return;
        }
        if self.copying.is_none() && !self.wanted.is_empty() && self.all_leaves {
            self.copying = Some(Copying::new(std::mem::take(&mut self.wanted), now.1));
        }
        if let Some(copying) = self.copying.as_mut().filter(|_| self.window.is_open()) {
            match copying.next_piece(node, self.window.piece_bytes()) {
                Some(piece) => {
                    self.window.sent(piece.len(), now.0);
                    peer::encode(out, &Frame::Copy(piece));
                }
                None => self.copying = None,
            }
        }
        if self.is_idle() && self.all_leaves {
            if self.is_dialler {
                self.conclude(now.0, out);
            } else {
                self.all_leaves = false;
                say(out, Comparison::Copied);
            }
        }
    }

    /// Whether [`CatchUp::next_piece`] has something to append.
    pub(super) fn has_piece(&self) -> bool {
        let says_copied = self.all_leaves && !self.is_dialler;
        // Before all leaves are known, the youngest reports of some would wait for the oldest of others. The dialler does not wait
        // for what the acceptor says of them: meanwhile it would get reports from there, and send them back.
        let may_copy = self.window.is_open() && (self.copying.is_some() || self.all_leaves);
        !self.leaves_due.is_empty() || if self.is_idle() { says_copied } else { may_copy }
    }

    fn is_idle(&self) -> bool {
        self.copying.is_none() && self.wanted.is_empty()
    }

    fn answer_digest(&mut self, node: &Node, theirs: u64, out: &mut Vec<u8>) {
        let shards = node.shard_digests();
        self.all_leaves = false;
        self.is_asked = false;
        if digest_of(&shards) == theirs {
            self.is_synced = true;
            say(out, Comparison::Same);
        } else {
            say(out, Comparison::Shards(shards));
        }
    }

    fn compare_shards(&mut self, node: &Node, theirs: &[u64], now: Moment, out: &mut Vec<u8>) {
        let ours = node.shard_digests();
        let differing = (0..=u8::MAX).zip(ours.iter().zip(theirs)).filter(|(_, (a, b))| a != b);
        self.leaves_due = differing.map(|(shard, _)| shard).collect();
        if self.leaves_due.is_empty() {
            // What differed was under way, and has arrived: the acceptor does not know that yet.
            say(out, Comparison::Copied);
            self.same(now);
        }
    }

    fn want(&mut self, shard: u8, leaves: LeafSet) {
        if leaves.is_empty() {
            return;
        }
        let wanted = self.wanted.entry(shard).or_default();
        *wanted = wanted.union(leaves);
    }

    fn same(&mut self, now: Moment) {
        self.retry = RETRY_FIRST;
        self.finish(now, COMPARE_EVERY);
    }

    /// Ends a round; what was asked for since it began needs another.
    fn finish(&mut self, now: Moment, wait: Duration) {
        self.is_comparing = false;
        self.occupied.clear();
        self.is_synced = !self.is_asked;
        self.schedule(now, if self.is_asked { Duration::ZERO } else { wait });
    }

    /// Ends the dialler's round when both sides have sent all that differs.
    fn conclude(&mut self, now: Moment, out: &mut Vec<u8>) {
        if self.peer_copied && self.all_leaves && self.is_idle() {
            self.peer_copied = false;
            self.all_leaves = false;
            say(out, Comparison::Copied);
            self.finish(now, self.retry);
            self.retry = (self.retry * 2).min(COMPARE_EVERY);
        }
    }

    fn schedule(&mut self, now: Moment, wait: Duration) {
        if self.is_dialler {
            self.next_round = Some(now.later(wait));
        }
    }
}

impl Copying {
    const fn new(leaves: BTreeMap<u8, LeafSet>, began: Timestamp) -> Self {
        Self { began, leaves, band: 0, shard: 0, records: Vec::new(), sent: 0 }
    }

    /// The next records, about so many bytes; none at the end.
    fn next_piece(&mut self, node: &Node, bytes_max: usize) -> Option<&[u8]> {
        while self.sent == self.records.len() {
            let band = self.received_in_band()?;
            self.records.clear();
            self.sent = 0;
            match u8::try_from(self.shard).ok().and_then(|next| self.leaves.range(next..).next()) {
                Some((&shard, &leaves)) => {
                    self.shard = usize::from(shard) + 1;
                    node.export(shard, leaves, &band, &mut self.records);
                }
                None => {
                    self.shard = 0;
                    self.band += 1;
                }
            }
        }
        let unsent = self.records.get(self.sent..).unwrap_or_default();
        let piece = record::whole_records(unsent, bytes_max, true);
        self.sent += piece.len();
        Some(piece)
    }

    /// The times of receipt that the band stands for.
    fn received_in_band(&self) -> Option<(Bound<Timestamp>, Bound<Timestamp>)> {
        let back = |age: Duration| {
            let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
            Timestamp::from_nanos(self.began.as_nanos().saturating_sub(nanos))
        };
        let oldest = back(*BANDS.get(self.band)?);
        let younger = self.band.checked_sub(1).and_then(|younger| BANDS.get(younger));
        // A clock may be ahead of ours: the first band has no upper end.
        let end = younger.map_or(Bound::Unbounded, |age| Bound::Excluded(back(*age)));
        Some((Bound::Included(oldest), end))
    }
}

fn say(out: &mut Vec<u8>, step: Comparison) {
    peer::encode(out, &Frame::Compare(step));
}
