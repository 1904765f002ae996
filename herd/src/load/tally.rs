//! What one worker has counted: replies, latencies, what was wrong.

use std::net::SocketAddr;

use super::{histogram::Histogram, source::Asked};

/// Bytes of a wrong reply that are shown.
const SHOWN_BYTES_MAX: usize = 200;

/// Counts of one worker, or of all.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// From when a request was due to when its reply was read, in nanoseconds.
    pub(crate) latency: Histogram,
    /// From when a request was due to when it was written: how late the generator itself was.
    pub(crate) lateness: Histogram,
    /// Replies, right or not.
    pub(crate) answered: u64,
    /// Replies that were compared with what they should be, word for word.
    pub(crate) compared: u64,
    /// Replies that are refusals or not what they should be.
    pub(crate) wrong: u64,
    /// Requests without a reply.
    pub(crate) missing: u64,
    /// Requests that were due in an open loop and could not be sent before its end.
    pub(crate) unsent: u64,
    /// Connections that ended before the run did.
    pub(crate) hung_up: u64,
    /// The first thing that went wrong, in words.
    pub(crate) first_fault: Option<String>,
    /// When the last reply came, in nanoseconds of the run.
    pub(crate) last_reply_at: u64,
    /// Every so many replies one is compared.
    sample_every: u32,
    until_sample: u32,
    /// Replies of one read to requests that were due together.
    run: (u64, u64),
    now: u64,
}

impl Tally {
    pub(super) fn new(sample_every: u32) -> Self {
        Self {
            latency: Histogram::new(),
            lateness: Histogram::new(),
            answered: 0,
            compared: 0,
            wrong: 0,
            missing: 0,
            unsent: 0,
            hung_up: 0,
            first_fault: None,
            last_reply_at: 0,
            sample_every,
            until_sample: 1,
            run: (0, 0),
            now: 0,
        }
    }

    /// Adds what another worker has counted.
    pub(super) fn add(&mut self, other: Self) {
        self.latency.add(&other.latency);
        self.lateness.add(&other.lateness);
        self.answered += other.answered;
        self.compared += other.compared;
        self.wrong += other.wrong;
        self.missing += other.missing;
        self.unsent += other.unsent;
        self.hung_up += other.hung_up;
        self.first_fault = self.first_fault.take().or(other.first_fault);
        self.last_reply_at = self.last_reply_at.max(other.last_reply_at);
    }

    /// What follows was read at `now`.
    pub(super) const fn at(&mut self, now: u64) {
        self.now = now;
    }

    /// What was read is counted.
    pub(super) fn settle(&mut self) {
        let (due, count) = std::mem::take(&mut self.run);
        if count > 0 {
            self.latency.record(self.now.saturating_sub(due), count);
            self.last_reply_at = self.now;
        }
    }

    /// Whether the next reply is one to compare.
    pub(super) const fn is_sample(&mut self) -> bool {
        self.until_sample -= 1;
        if self.until_sample > 0 {
            return false;
        }
        self.until_sample = self.sample_every;
        self.compared += 1;
        true
    }

    pub(super) fn answered(&mut self, asked: &Asked) {
        self.answered += 1;
        if self.run.0 != asked.due {
            self.settle();
            self.run.0 = asked.due;
        }
        self.run.1 += 1;
    }

    pub(super) fn wrong(&mut self, server: SocketAddr, line: &[u8]) {
        self.wrong += 1;
        self.fault(|| format!("wrong from {server}: {}", shown(line)));
    }

    /// A reply too many.
    pub(super) fn unasked(&mut self, server: SocketAddr, line: &[u8]) {
        self.wrong += 1;
        self.fault(|| format!("unasked from {server}: {}", shown(line)));
    }

    pub(super) fn missing(&mut self, requests: usize, server: SocketAddr, why: &dyn std::fmt::Display) {
        self.missing += u64::try_from(requests).unwrap_or(u64::MAX);
        self.fault(|| format!("missing from {server}: {why}"));
    }

    /// A connection ended with these requests unanswered and others unsent.
    pub(super) fn hung_up(&mut self, requests: usize, server: SocketAddr, why: &dyn std::fmt::Display) {
        self.missing(requests, server, why);
        self.hung_up += 1;
    }

    fn fault(&mut self, words: impl FnOnce() -> String) {
        self.first_fault.get_or_insert_with(words);
    }
}

fn shown(line: &[u8]) -> String {
    let head = line.get(..SHOWN_BYTES_MAX).unwrap_or(line);
    format!("{:?}", String::from_utf8_lossy(head))
}
