//! How a link stands, for whoever watches it: what the peer lacks, and what comparing tables has brought.
//!
//! Nothing of it decides anything. The lag is as of the peer's last heartbeat: what it had not merged then, and how
//! long the oldest of that had been in our log.

use std::{collections::VecDeque, time::Duration};

use crate::{
    limits::NEIGHBOUR_SILENCE_MAX,
    log::LogPosition,
    time::{Moment, Timestamp},
    wire::record::Record,
};

/// Least time between two marks, and so the precision of [`Standing::lag`].
const MARK_EVERY: Duration = Duration::from_millis(1);

/// Most marks: more than a neighbour can be silent for, at [`MARK_EVERY`]; 64 KiB.
const MARKS_MAX: usize = 4096;

/// How a link stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Each side holds what the other held when the link came up.
    pub is_synced: bool,
    /// Bytes of our log that the peer had not merged.
    pub lag_bytes: u64,
    /// How old the oldest of them was.
    pub lag: Duration,
    /// Reports that were news to us and came by comparing tables.
    pub copied: u64,
    /// Those of them that should have come before: the link was synced, and they had been received for too long to be
    /// under way still. Anything but 0 is a fault of ours, or of somebody's clock.
    pub healed: u64,
}

/// Keeps the figures of one link.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    standing: Standing,
    /// What was handed out and is not merged, as far as the peer has said.
    marks: VecDeque<Mark>,
}

/// Reports that were handed out about at once.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Where the log went on behind them.
    end: LogPosition,
    bytes: u64,
    at: Moment,
}

impl Gauge {
    /// The figures, of a link that is or is not synced.
    pub(super) const fn standing(&self, is_synced: bool) -> Standing {
        Standing { is_synced, ..self.standing }
    }

    /// Records of `bytes` bytes were handed out; the log goes on at `end`.
    pub(super) fn sent(&mut self, bytes: usize, end: LogPosition, now: Moment) {
        let (bytes, is_full) = (bytes as u64, self.marks.len() >= MARKS_MAX);
        match self.marks.back_mut() {
            Some(last) if is_full || now.since(last.at) < MARK_EVERY => {
                (last.end, last.bytes) = (end, last.bytes + bytes);
            }
            _ => self.marks.push_back(Mark { end, bytes, at: now }),
        }
    }

    /// The peer says that it has merged our log up to `merged`; `unread_bytes` of it were not handed out yet.
    pub(super) fn merged(&mut self, merged: LogPosition, unread_bytes: u64, now: Moment) {
        while self.marks.front().is_some_and(|mark| mark.end <= merged) {
            self.marks.pop_front();
        }
        let bytes = self.marks.iter().map(|mark| mark.bytes);
        self.standing.lag_bytes = unread_bytes + bytes.sum::<u64>();
        self.standing.lag = self.marks.front().map_or(Duration::ZERO, |mark| now.since(mark.at));
    }

    /// Records came by comparing tables and were news.
    pub(super) fn copied(&mut self, mut records: &[u8], is_synced: bool, clock: Timestamp) {
        let under_way = i64::try_from(NEIGHBOUR_SILENCE_MAX.as_nanos()).unwrap_or(i64::MAX);
        while let Some(Ok(record)) = (!records.is_empty()).then(|| Record::locate(records)) {
            self.standing.copied += 1;
            if is_synced && clock.nanos_since(record.received_at()) > under_way {
                self.standing.healed += 1;
            }
            records = records.get(record.bytes().len()..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_the_oldest_report_that_the_peer_lacks() {
        let at = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let position = LogPosition::from_bytes;
        let mut gauge = Gauge::default();
        for ms in 0..10_000 {
            gauge.sent(50, position((ms + 1) * 100), at(ms));
        }
        assert!(gauge.marks.len() <= MARKS_MAX, "{}", gauge.marks.len());
        gauge.merged(position(0), 0, at(10_000));
        assert_eq!(gauge.standing(false).lag, Duration::from_secs(10));
        gauge.merged(position(100_000), 30, at(10_000));
        let standing = gauge.standing(true);
        assert_eq!((standing.lag_bytes, standing.lag), (450_030, Duration::from_secs(9)));
        gauge.merged(position(1_000_000), 0, at(10_000));
        assert_eq!(gauge.standing(true), Standing { is_synced: true, ..Standing::default() });
    }
}
