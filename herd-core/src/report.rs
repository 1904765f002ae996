//! What a report is, and which of two reports of one client wins.
//!
//! The rule reads nothing but the two reports, so every server decides alike, in any order, however often:
//! merging is commutative, associative and idempotent.

use std::cmp::Ordering;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    server::{KnownServers, Name},
    time::Timestamp,
    wire::{line, record::Record},
};

/// A client's most recent report, as a front-end needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The server that took the report.
    pub server: Name,
    /// When it took it, by its own clock.
    pub received_at: Timestamp,
    /// When the client says it was there.
    pub client_time: Timestamp,
    /// Who.
    pub client: Vec<u8>,
    /// Where, as the client sent it.
    pub location: Vec<u8>,
    /// When, as the client sent it.
    pub time: Vec<u8>,
}

impl Sighting {
    /// The report in `record`, which `server` took.
    #[must_use]
    pub fn of(record: &Record<'_>, server: Name) -> Self {
        let mut sighting = Self {
            server,
            received_at: record.received_at(),
            client_time: record.client_time(),
            client: record.client().to_vec(),
            location: Vec::new(),
            time: Vec::new(),
        };
        record.print_location(&mut sighting.location);
        record.print_time(&mut sighting.time);
        sighting
    }

    /// Appends the AT line with its LF.
    pub fn print(&self, out: &mut Vec<u8>) {
        let skew = self.received_at.nanos_since(self.client_time);
        line::print_at(out, self.server.as_str(), skew, &self.client, &self.location, &self.time);
    }
}

/// Prints many reports as AT lines, with room of its own for their texts.
#[derive(Debug, Default)]
pub struct Printer {
    location: Vec<u8>,
    time: Vec<u8>,
}

impl Printer {
    /// Appends the AT line, without an LF, of the report in `record`, which `server` took.
    pub fn print(&mut self, record: &Record<'_>, server: &Name, out: &mut Vec<u8>) {
        self.location.clear();
        self.time.clear();
        record.print_location(&mut self.location);
        record.print_time(&mut self.time);
        let skew = record.received_at().nanos_since(record.client_time());
        line::print_at(out, server.as_str(), skew, record.client(), &self.location, &self.time);
        out.pop();
    }
}

/// How `a` ranks against `b`, two reports of one client: order time, then receipt, then server name, then the
/// remaining bytes, so that only equal reports are `Equal`.
pub(crate) fn precedence(a: &Record<'_>, b: &Record<'_>, servers: &KnownServers<'_>) -> Ordering {
    a.order_time()
        .cmp(&b.order_time())
        .then_with(|| a.received_at().cmp(&b.received_at()))
        .then_with(|| servers.compare(a.server(), b.server()))
        .then_with(|| a.identity().cmp(&b.identity()))
}

/// The report's share in a digest: the same on every server that holds it.
pub(crate) fn fingerprint(record: &Record<'_>, servers: &KnownServers<'_>, seed: u64) -> u64 {
    let (head, tail) = record.identity();
    let seed = seed ^ servers.fingerprint(record.server()) ^ u64::from(u16::from_le_bytes(head));
    xxh3_64_with_seed(tail, seed)
}
