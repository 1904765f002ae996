//! Accepted reports in order of acceptance: a bounded ring of encoded records that every link reads at its own pace.
//!
//! Appending costs the same however many links there are. A link is a position; one that falls off the ring is told
//! so ([`Overtaken`]) and compares tables instead. Nothing here knows who reads.

use std::collections::VecDeque;

use crate::{limits::LINK_PIECE_BYTES, wire::record};

/// Most bytes of a segment: dropping the oldest one forgets 1/256 of a log of the default size. A smaller log has
/// sixteen segments.
const SEGMENT_BYTES_MAX: usize = 256 * 1024;

/// Where reports come from, so that they are not sent back there: clients, or one incarnation of one neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(pub(crate) u32);

impl Source {
    /// Our own clients.
    pub const CLIENTS: Self = Self(0);

    /// Where nothing comes from: a reader that leaves this out gets everything.
    pub const NOBODY: Self = Self(u32::MAX);
}

/// A place in the log: bytes of records appended before it since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(u64);

impl LogPosition {
    /// The position `bytes` after the start of the log.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes from the start of the log.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

/// The reader was too slow, or speaks of another log: what it has not read is gone. Nobody is at fault; the reader
/// goes on from `end` and makes up for the rest by comparing tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log no longer holds what follows; it ends at {}", end.0)]
pub struct Overtaken {
    /// Where the log ends.
    pub end: LogPosition,
}

/// The ring.
#[derive(Debug)]
pub(crate) struct Log {
    segments: VecDeque<Segment>,
    end: u64,
    bytes: usize,
    bytes_max: usize,
    segment_bytes: usize,
}

#[derive(Debug)]
struct Segment {
    start: u64,
    bytes: Vec<u8>,
    runs: Vec<Run>,
}

/// Successive records of one source.
#[derive(Clone, Copy, Debug)]
struct Run {
    source: Source,
    /// Where in the segment it ends; it starts where the one before ends.
    end: usize,
}

impl Log {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let segment_bytes = (bytes_max / 16).min(SEGMENT_BYTES_MAX);
        Self { segments: VecDeque::new(), end: 0, bytes: 0, bytes_max, segment_bytes }
    }

    pub(crate) const fn end(&self) -> LogPosition {
        LogPosition(self.end)
    }

    /// Appends whole records.
    pub(crate) fn append(&mut self, source: Source, records: &[u8]) {
        let needs_segment = self.segments.back().is_none_or(|last| last.bytes.len() >= self.segment_bytes);
        if needs_segment {
            let segment = self.next_segment();
            self.segments.push_back(segment);
        }
        let Some(last) = self.segments.back_mut() else { return };
        last.bytes.extend_from_slice(records);
        let end = last.bytes.len();
        match last.runs.last_mut() {
            Some(run) if run.source == source => run.end = end,
            _ => last.runs.push(Run { source, end }),
        }
        self.end += records.len() as u64;
        self.bytes += records.len();
    }

    /// An empty segment at the end: the oldest one again if the log is full.
    fn next_segment(&mut self) -> Segment {
        let mut oldest = None;
        while self.bytes + self.segment_bytes > self.bytes_max
            && let Some(dropped) = self.segments.pop_front()
        {
            self.bytes -= dropped.bytes.len();
            oldest = Some(dropped);
        }
        let mut segment = oldest.unwrap_or_else(|| Segment {
            start: 0,
            // Memory that is never written to is never taken from the system.
            bytes: Vec::with_capacity(self.segment_bytes + LINK_PIECE_BYTES),
            runs: Vec::new(),
        });
        segment.start = self.end;
        segment.bytes.clear();
        segment.runs.clear();
        segment
    }

    /// Appends to `out`, until it has about `bytes_max` bytes, what follows `from` and does not come from `except`, and
    /// says where to go on. Records are never cut, and an empty `out` is given one if there is one.
    pub(crate) fn read(
        &self,
        from: LogPosition,
        except: Source,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<LogPosition, Overtaken> {
        let overtaken = Err(Overtaken { end: self.end() });
        if from.0 > self.end || self.segments.front().is_some_and(|first| from.0 < first.start) {
            return overtaken;
        }
        let following = usize::try_from(self.end - from.0).unwrap_or(usize::MAX);
        out.reserve(following.min(bytes_max.saturating_sub(out.len())));
        let mut position = from.0;
        let first = self.segments.partition_point(|segment| segment.start <= from.0).saturating_sub(1);
        for segment in self.segments.range(first.min(self.segments.len())..) {
            let offset = usize::try_from(position - segment.start).unwrap_or(usize::MAX);
            let unread = segment.runs.partition_point(|run| run.end <= offset);
            for run in segment.runs.get(unread..).unwrap_or_default() {
                let start = usize::try_from(position - segment.start).unwrap_or(usize::MAX);
                let run_bytes = segment.bytes.get(start..run.end).unwrap_or_default();
                if run.source == except {
                    position += run_bytes.len() as u64;
                    continue;
                }
                let room = bytes_max.saturating_sub(out.len());
                let piece = record::whole_records(run_bytes, room, out.is_empty());
                if piece.is_empty() && out.is_empty() {
                    // No record starts here, so the reader speaks of another log: it would never get on.
                    return overtaken;
                }
                out.extend_from_slice(piece);
                position += piece.len() as u64;
                if piece.len() < run_bytes.len() {
                    return Ok(LogPosition(position));
                }
            }
        }
        Ok(LogPosition(position))
    }
}

#[cfg(test)]
mod tests;
