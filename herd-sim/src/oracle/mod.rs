//! What must hold, decided without the code under test: what each server knows, and what all must agree on.
//!
//! The one thing to know: precedence and expiry are written down here a second time, from the specification.

mod told;
mod held;
mod agreement;
mod memory;

use std::{fmt, time::Duration};

use herd_core::{
    command::{Command, QuestionLimits},
    limits::FUTURE_TOLERANCE,
    node::{Answer, Node},
    server::Name,
    time::Timestamp,
    wire::{line, record::Record},
};

use crate::client::Said;

pub(crate) use agreement::agreement;
pub(crate) use held::Held;
pub(crate) use memory::Memory;
pub(crate) use told::Told;

/// One report; of two the greater one wins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    order_time: Timestamp,
    received_at: Timestamp,
    server: Name,
    client_time: Timestamp,
    location: Vec<u8>,
    time: Vec<u8>,
}

/// How far apart what servers take for the time is even if their clocks are right.
pub(crate) const SLACK_MIN: Duration = Duration::from_secs(3);

/// Bytes shown of each end of something long.
const SHOWN_BYTES: usize = 60;

/// The client of a report that only servers that do not belong to the herd are told.
pub(crate) const POISON: &[u8] = b"poison";

/// How strictly a scenario can be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) ttl: Duration,
    /// How far two servers may be apart in what time it is.
    pub(crate) slack: Duration,
    /// The table is bounded, if it is in this scenario.
    pub(crate) clients_max: Option<usize>,
    /// Clients are answered when their reports are safe on disk.
    pub(crate) is_durable: bool,
    /// Logs hold a few reports only.
    pub(crate) has_small_logs: bool,
    /// Servers may meet others of their names.
    pub(crate) has_impostors: bool,
}

impl Rules {
    /// Whether nothing is sent back to where it came from: true but where tables drop what they know, or where two
    /// lives of one neighbour come and go in turns, of which a node knows the latest.
    pub(crate) const fn forbids_echo(&self) -> bool {
        self.clients_max.is_none() && !self.has_impostors
    }

    fn is_surely_expired(&self, received_at: Timestamp, clock: Timestamp) -> bool {
        received_at.later(self.ttl + self.slack) < clock
    }

    /// The latest time that no server's idea of the herd's time can cap.
    fn capped_at_least(&self, clock: Timestamp) -> Timestamp {
        let slack = i64::try_from(self.slack.as_nanos()).unwrap_or(i64::MAX);
        clock.later(FUTURE_TOLERANCE).offset(-slack)
    }

    fn may_be_expired(&self, received_at: Timestamp, clock: Timestamp) -> bool {
        received_at.later(self.ttl) < clock.later(self.slack)
    }
}

impl Known {
    fn of(record: &Record<'_>, node: &Node) -> Result<Self, String> {
        let server = node.names().name(record.server()).ok_or("a record of a server without a name")?;
        let (mut location, mut time) = (Vec::new(), Vec::new());
        record.print_location(&mut location);
        record.print_time(&mut time);
        Ok(Self {
            order_time: record.order_time(),
            received_at: record.received_at(),
            server,
            client_time: record.client_time(),
            location,
            time,
        })
    }

    /// What a server takes at `clock`, if the client's time counts as it is.
    pub(crate) fn taken(said: &Said, server: &Name, clock: Timestamp) -> Self {
        Self {
            order_time: said.at,
            received_at: clock,
            server: server.clone(),
            client_time: said.at,
            location: said.location.clone(),
            time: said.time.clone(),
        }
    }

    /// The AT line that tells it.
    fn print(&self, client: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let skew = self.received_at.nanos_since(self.client_time);
        line::print_at(&mut out, self.server.as_str(), skew, client, &self.location, &self.time);
        out
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order_time, received_at, server, location, time, .. } = self;
        let (location, time) = (location.escape_ascii(), time.escape_ascii());
        let (order, received) = (order_time.as_nanos(), received_at.as_nanos());
        write!(f, "({location} {time}, taken by {server} at {received}, counts as of {order})")
    }
}

/// The reports in records of a node; says what is wrong with them.
fn reports<'a>(
    node: &Node,
    mut records: &'a [u8],
) -> impl Iterator<Item = Result<(Record<'a>, Known), String>> {
    std::iter::from_fn(move || {
        if records.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut records);
        let record = match Record::decode(rest) {
            Ok(record) => record,
            Err(error) => return Some(Err(format!("news that is no record: {error}"))),
        };
        records = rest.get(record.bytes().len()..).unwrap_or_default();
        Some(Known::of(&record, node).map(|known| (record, known)))
    })
}

/// The AT line that a node answers for a client, if it knows it.
pub(crate) fn at_line(node: &Node, client: &[u8], clock: Timestamp) -> Option<Vec<u8>> {
    let limits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
    let line = [b"WHATSAT ", client, b" 10 5"].concat();
    let command: Command<'_> = line::parse(&line, &limits);
    let mut answers = Vec::new();
    let _ = node.apply(&[command], clock, &mut answers);
    match answers.pop() {
        Some(Answer::Found(sighting)) => {
            let mut out = Vec::new();
            sighting.print(&mut out);
            Some(out)
        }
        _ => None,
    }
}

/// Bytes for a person: both ends of what is long.
fn shown(bytes: &[u8]) -> String {
    let bytes = bytes.trim_ascii();
    match (bytes.get(..SHOWN_BYTES), bytes.len().checked_sub(SHOWN_BYTES).and_then(|tail| bytes.get(tail..)))
    {
        (Some(head), Some(tail)) if bytes.len() > 2 * SHOWN_BYTES => {
            format!("{}...{}", head.escape_ascii(), tail.escape_ascii())
        }
        _ => bytes.escape_ascii().to_string(),
    }
}
