//! The `durability` key and the `[limits]` and `[traffic]` sections, with their defaults and ranges; `[places]` and `[messages]` are `nearby`'s own.
//!
//! docs/configuration.md says what each knob trades; the ranges there and here are the same.

use std::{fmt, ops::RangeInclusive, time::Duration};

use herd_core::limits;
use serde::Deserialize;

use super::quantity::{self, Size, Span};

/// What of a server's reports survives what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Reports are written behind: all but the last 100 ms survive the end of the process, all but the last second a power
    /// cut.
    #[default]
    WriteBehind,
    /// The reply to a report waits until it is synced to the disk, together with others.
    Fsync,
    /// Reports are kept in memory only.
    None,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WriteBehind => "write-behind",
            Self::Fsync => "fsync",
            Self::None => "none",
        })
    }
}

/// Bounds on what clients may make a server hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest line in bytes, without its LF.
    #[serde(deserialize_with = "quantity::size")]
    pub line_bytes_max: u64,
    /// Most client connections at once.
    pub connections_max: u32,
    /// Most client connections from one address (of IPv6: one /64) at once, below `connections_max`.
    pub connections_per_address_max: u32,
    /// Silence after which a client's connection is closed.
    #[serde(deserialize_with = "quantity::duration")]
    pub idle_timeout: Duration,
    /// Reply bytes that one connection may leave unread before it is cut.
    #[serde(deserialize_with = "quantity::size")]
    pub reply_bytes_max: u64,
    /// Most clients in the table.
    pub clients_max: u32,
    /// How long a report lives after it was received.
    #[serde(deserialize_with = "quantity::duration")]
    pub ttl: Duration,
    /// How far beyond the herd's time a client's time may count.
    #[serde(deserialize_with = "quantity::duration")]
    pub future_tolerance: Duration,
    /// Bytes of recent reports kept for links.
    #[serde(deserialize_with = "quantity::size")]
    pub log_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: limits::LINE_BYTES_MAX as u64,
            connections_max: 16_384,
            connections_per_address_max: 12_288,
            idle_timeout: Duration::from_secs(600),
            reply_bytes_max: 1 << 20,
            clients_max: u32::try_from(limits::CLIENTS_MAX).unwrap_or(u32::MAX),
            ttl: limits::REPORT_TTL,
            future_tolerance: limits::FUTURE_TOLERANCE,
            log_bytes_max: limits::LOG_BYTES_MAX as u64,
        }
    }
}

impl Limits {
    /// The first key out of range, and what is wrong with it.
    pub(super) fn mistake(&self) -> Option<(&'static str, String)> {
        let frame = limits::FRAME_BYTES_MAX as u64;
        None.or_else(|| size("line_bytes_max", self.line_bytes_max, 256..=limits::LINE_BYTES_MAX as u64))
            .or_else(|| count("connections_max", self.connections_max, 1..=1_000_000))
            .or_else(|| count("connections_per_address_max", self.connections_per_address_max, 1..=1_000_000))
            .or_else(|| span("idle_timeout", self.idle_timeout, 10, 7 * DAY))
            // A reply to the longest line and one page of places must fit.
            .or_else(|| size("reply_bytes_max", self.reply_bytes_max, 128 << 10..=1 << 30))
            .or_else(|| count("clients_max", self.clients_max, 1..=100_000_000))
            .or_else(|| span("ttl", self.ttl, 1000, 3650 * DAY))
            .or_else(|| span("future_tolerance", self.future_tolerance, 0, DAY))
            // The ring holds at least two of the longest frames.
            .or_else(|| size("log_bytes_max", self.log_bytes_max, 2 * frame..=16 << 30))
    }
}

/// The input/output log of each server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traffic {
    /// Whether every line received and sent is logged.
    pub enabled: bool,
    /// Size at which a log file is put aside and a new one begun.
    #[serde(deserialize_with = "quantity::size")]
    pub file_bytes_max: u64,
    /// Files kept per server, the current one included.
    pub files_max: u32,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { enabled: true, file_bytes_max: 64 << 20, files_max: 8 }
    }
}

impl Traffic {
    /// The first key out of range, and what is wrong with it.
    pub(super) fn mistake(&self) -> Option<(&'static str, String)> {
        size("file_bytes_max", self.file_bytes_max, 4 << 10..=1 << 40)
            .or_else(|| count("files_max", self.files_max, 1..=10_000))
    }
}

/// A day in milliseconds.
pub(crate) const DAY: u64 = 86_400_000;

/// What is wrong with a number that has to lie within a range, if anything.
pub(crate) fn count(
    key: &'static str,
    value: u32,
    range: RangeInclusive<u32>,
) -> Option<(&'static str, String)> {
    let wrong = || (key, format!("expected {} to {}, found {value}", range.start(), range.end()));
    (!range.contains(&value)).then(wrong)
}

/// What is wrong with a share that has to lie within a range, if anything.
pub(crate) fn share(
    key: &'static str,
    value: f64,
    range: RangeInclusive<f64>,
) -> Option<(&'static str, String)> {
    let wrong = || (key, format!("expected {} to {}, found {value}", range.start(), range.end()));
    (!range.contains(&value)).then(wrong)
}

/// What is wrong with a size that has to lie within a range, if anything.
pub(crate) fn size(
    key: &'static str,
    value: u64,
    range: RangeInclusive<u64>,
) -> Option<(&'static str, String)> {
    let (least, most) = (Size(*range.start()), Size(*range.end()));
    let wrong = || (key, format!("expected {least} to {most}, found {}", Size(value)));
    (!range.contains(&value)).then(wrong)
}

/// What is wrong with a duration that has to lie within a range, if anything.
pub(crate) fn span(
    key: &'static str,
    value: Duration,
    least_ms: u64,
    most_ms: u64,
) -> Option<(&'static str, String)> {
    let range = Duration::from_millis(least_ms)..=Duration::from_millis(most_ms);
    let (least, most) = (Span(*range.start()), Span(*range.end()));
    let wrong = || (key, format!("expected {least} to {most}, found {}", Span(value)));
    (!range.contains(&value)).then(wrong)
}
