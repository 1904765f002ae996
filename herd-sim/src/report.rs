//! What a run counted, or how it failed.

use std::{collections::BTreeMap, fmt};

use herd_core::{
    limits::FRAME_BYTES_MAX,
    link::LinkError,
    wire::{
        comparison::Comparison,
        peer::{self, Frame, Refusal},
        record::Record,
    },
};

use crate::scenario::{Cut, FaultKind};

/// The counts of a run that held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Report {
    pub reports: u64,
    pub news: u64,
    pub queries: u64,
    /// Records in live frames, on all links together.
    pub live_records: u64,
    /// Records copied by catching up.
    pub copied_records: u64,
    /// Batches of copied records that held news.
    pub healed_by_copy: u64,
    pub bytes: u64,
    pub heartbeats: u64,
    pub comparisons: u64,
    /// Comparisons that found nothing.
    pub comparisons_same: u64,
    pub dials: u64,
    pub links: u64,
    pub superseded: u64,
    pub synced: u64,
    /// Links that went on where the last one had come.
    pub resumed: u64,
    /// Links that could not.
    pub started_anew: u64,
    /// Links that fell off the log.
    pub overtaken: u64,
    pub silences: u64,
    pub duplicates: u64,
    /// Connections with servers that do not belong to the herd.
    pub refused: u64,
    /// Connections refused because another server of the same name is there.
    pub claimed: u64,
    /// Servers that stopped because another one has their name.
    pub yielded: u64,
    pub evicted: u64,
    /// Reports that lives began with, from their disks.
    pub restored: u64,
    /// Virtual time.
    pub virtual_ms: u64,
    pub faults: BTreeMap<FaultKind, u64>,
    /// Milliseconds from the end of all faults and reports to all links being there.
    pub links_after_ms: u64,
    /// Milliseconds from then to all servers holding the same.
    pub agreed_after_ms: u64,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (after {at_ms} ms)\nreplay: cargo xtask sim --scenario {scenario} --seed {seed}{cut}")]
pub struct Violation {
    /// In which scenario.
    pub scenario: String,
    /// With which seed.
    pub seed: u64,
    /// What was left out of the scenario.
    pub cut: Cut,
    /// How many servers there were.
    pub servers: usize,
    /// After how much virtual time, in milliseconds.
    pub at_ms: u64,
    /// What it is.
    pub what: String,
}

impl Report {
    /// Adds the counts of another run; of the waits the longest stays.
    pub fn add(&mut self, other: &Self) {
        let Self { faults, links_after_ms, agreed_after_ms, .. } = other;
        for (kind, count) in faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        self.links_after_ms = self.links_after_ms.max(*links_after_ms);
        self.agreed_after_ms = self.agreed_after_ms.max(*agreed_after_ms);
        for (sum, more) in self.counts().into_iter().zip(other.clone().counts()) {
            *sum += *more;
        }
    }

    /// Counts the frames that a link sends; says whether some live record is one that should not be sent there.
    pub(crate) fn count_frames(&mut self, mut bytes: &[u8], is_wrong: impl Fn(&Record<'_>) -> bool) -> bool {
        self.bytes += bytes.len() as u64;
        let mut some_wrong = false;
        while let Ok(Some((frame, taken))) = peer::decode(bytes, FRAME_BYTES_MAX) {
            bytes = bytes.get(taken..).unwrap_or_default();
            match frame {
                Frame::Reports { records, .. } => {
                    self.live_records += count_records(records, |record| some_wrong |= is_wrong(record));
                }
                Frame::Copy(records) => self.copied_records += count_records(records, |_| {}),
                Frame::Heartbeat(_) => self.heartbeats += 1,
                Frame::Start { is_resumed: true, .. } => self.resumed += 1,
                Frame::Start { is_resumed: false, .. } => self.started_anew += 1,
                Frame::Compare(Comparison::Digest(_)) => self.comparisons += 1,
                Frame::Compare(Comparison::Same) => self.comparisons_same += 1,
                // Each start that does not resume says it too.
                Frame::Compare(Comparison::Ask) => self.overtaken += 1,
                Frame::Compare(_)
                | Frame::Hello(_)
                | Frame::Proof(_)
                | Frame::Refused(_)
                | Frame::Resume { .. }
                | Frame::Names { .. }
                | Frame::Members(_) => {}
            }
        }
        some_wrong
    }

    /// Counts a link that ended with an error.
    pub(crate) const fn count_error(&mut self, error: &LinkError) {
        match error {
            LinkError::Silent(_) => self.silences += 1,
            LinkError::RefusedByPeer(Refusal::Duplicate) => self.duplicates += 1,
            LinkError::RefusedByPeer(Refusal::Claimed) => self.claimed += 1,
            LinkError::Refused(..) | LinkError::RefusedByPeer(_) | LinkError::Frame(_) => self.refused += 1,
            LinkError::OutOfTurn | LinkError::Record(_) | LinkError::UnknownServer | LinkError::Unread(_) => {
            }
        }
    }

    const fn counts(&mut self) -> [&mut u64; 25] {
        [
            &mut self.reports,
            &mut self.news,
            &mut self.queries,
            &mut self.live_records,
            &mut self.copied_records,
            &mut self.healed_by_copy,
            &mut self.bytes,
            &mut self.heartbeats,
            &mut self.comparisons,
            &mut self.comparisons_same,
            &mut self.dials,
            &mut self.links,
            &mut self.superseded,
            &mut self.synced,
            &mut self.resumed,
            &mut self.started_anew,
            &mut self.overtaken,
            &mut self.silences,
            &mut self.duplicates,
            &mut self.refused,
            &mut self.claimed,
            &mut self.yielded,
            &mut self.evicted,
            &mut self.restored,
            &mut self.virtual_ms,
        ]
    }
}

impl Report {
    /// What does not happen in every run, with its count.
    #[must_use]
    pub const fn rare(&self) -> [(&'static str, u64); 13] {
        [
            ("link resumed where the last one had come", self.resumed),
            ("link started anew", self.started_anew),
            ("link fell off the log", self.overtaken.saturating_sub(self.started_anew)),
            ("link took the place of another", self.superseded),
            ("connection refused as a double", self.duplicates),
            ("connection refused as no part of the herd", self.refused),
            ("connection refused as of a taken name", self.claimed),
            ("server stopped as its name is taken", self.yielded),
            ("silent neighbour given up", self.silences),
            ("report copied by comparing", self.copied_records),
            ("batch of copies that held news", self.healed_by_copy),
            ("report read from a disk", self.restored),
            ("client dropped for want of room", self.evicted),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_report = |count: u64| count.saturating_mul(10) / self.news.max(1);
        let (messages, bytes) = (per_report(self.live_records), per_report(self.bytes) / 10);
        write!(f, "{} reports, {} news, {} questions, ", self.reports, self.news, self.queries)?;
        write!(f, "{}.{} messages and {bytes} bytes each, ", messages / 10, messages % 10)?;
        write!(f, "linked within {} ms, agreed within {} ms", self.links_after_ms, self.agreed_after_ms)
    }
}

fn count_records(mut records: &[u8], mut each: impl FnMut(&Record<'_>)) -> u64 {
    let mut count = 0;
    while let Ok(record) = Record::decode(records) {
        records = records.get(record.bytes().len()..).unwrap_or_default();
        each(&record);
        count += 1;
    }
    count
}
