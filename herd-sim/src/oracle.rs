//! What must hold, decided without the code under test: what each server knows, and what all must agree on.
//!
//! The one thing to know: precedence and expiry are written down here a second time, from the specification.

use std::{collections::BTreeMap, time::Duration};

use herd_core::{
    command::{Command, QuestionLimits},
    limits::FUTURE_TOLERANCE,
    node::{Answer, Node},
    server::Name,
    time::Timestamp,
    wire::{line, record::Record},
};

/// One report; of two the greater one wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    order_time: Timestamp,
    received_at: Timestamp,
    server: Name,
    client_time: Timestamp,
    location: Vec<u8>,
    time: Vec<u8>,
}

/// The reports that one life of one server knows.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeMap<Vec<u8>, Known>);

/// How strictly a scenario can be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) ttl: Duration,
    /// How far two servers may be apart in what time it is.
    pub(crate) slack: Duration,
    /// The table is bounded, if it is in this scenario.
    pub(crate) clients_max: Option<usize>,
}

impl Rules {
    fn is_surely_expired(&self, received_at: Timestamp, clock: Timestamp) -> bool {
        received_at.later(self.ttl + self.slack) < clock
    }

    fn may_be_expired(&self, received_at: Timestamp, clock: Timestamp) -> bool {
        received_at.later(self.ttl.saturating_sub(self.slack)) < clock
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

    fn print(&self, client: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let skew = self.received_at.nanos_since(self.client_time);
        line::print_at(&mut out, self.server.as_str(), skew, client, &self.location, &self.time);
        out
    }
}

impl Held {
    /// Takes in records that the node took for news; says why they cannot be.
    pub(crate) fn learn(
        &mut self,
        node: &Node,
        mut records: &[u8],
        clock: Timestamp,
        rules: &Rules,
    ) -> Result<(), String> {
        while !records.is_empty() {
            let record =
                Record::decode(records).map_err(|error| format!("news that is no record: {error}"))?;
            records = records.get(record.bytes().len()..).unwrap_or_default();
            let known = Known::of(&record, node)?;
            let client = record.client().to_vec();
            let name = client.escape_ascii().to_string();
            if rules.is_surely_expired(known.received_at, clock) {
                return Err(format!("an expired report of {name} came back"));
            }
            if known.order_time > clock.later(FUTURE_TOLERANCE + rules.slack) {
                return Err(format!("a report of {name} counts as of {:?}, at {clock:?}", known.order_time));
            }
            let is_free = rules.clients_max.is_some();
            if let Some(held) = self.0.get(&client)
                && !is_free
                && !rules.may_be_expired(held.received_at, clock)
                && *held >= known
            {
                return Err(format!(
                    "a report of {name} gave way to one that does not win: {held:?} {known:?}"
                ));
            }
            self.0.insert(client, known);
        }
        Ok(())
    }

    /// The time that the report of `client` counts as.
    pub(crate) fn order_time(&self, client: &[u8]) -> Option<Timestamp> {
        self.0.get(client).map(|known| known.order_time)
    }
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

/// Whether servers that are all connected hold the same, and the best of what any of them knew; says what is amiss.
pub(crate) fn agreement(servers: &[(&Name, &Node, &Held, Timestamp)], rules: &Rules) -> Result<(), String> {
    let mut best: BTreeMap<&[u8], &Known> = BTreeMap::new();
    for (_, _, held, _) in servers {
        for (client, known) in &held.0 {
            let winner = best.entry(client).or_insert(known);
            *winner = (*winner).max(known);
        }
    }
    let digests: Vec<_> =
        servers.iter().map(|(name, node, ..)| (name, node.digest(), node.clients())).collect();
    if digests.windows(2).any(|pair| matches!(pair, [(_, a, _), (_, b, _)] if a != b)) {
        return Err(format!("servers differ: {digests:?}"));
    }
    for &(server, node, _, clock) in servers {
        if let Some(max) = rules.clients_max {
            bounded(server, node, &best, max, clock)?;
            continue;
        }
        for (client, known) in &best {
            let answer = at_line(node, client, clock);
            let expected = known.print(client);
            let is_right = match &answer {
                Some(line) => *line == expected && !rules.is_surely_expired(known.received_at, clock),
                None => rules.may_be_expired(known.received_at, clock),
            };
            if !is_right {
                let answer = answer.unwrap_or_default();
                return Err(format!(
                    "{server} answers '{}', not '{}'",
                    answer.trim_ascii().escape_ascii(),
                    expected.trim_ascii().escape_ascii()
                ));
            }
        }
    }
    Ok(())
}

/// A full table holds no more than it may, and of those heard of last nearly all.
fn bounded(
    server: &Name,
    node: &Node,
    best: &BTreeMap<&[u8], &Known>,
    max: usize,
    clock: Timestamp,
) -> Result<(), String> {
    if node.clients() > max {
        return Err(format!("{server} holds {} clients of at most {max}", node.clients()));
    }
    let mut latest: Vec<_> = best.iter().collect();
    latest.sort_by_key(|(_, known)| std::cmp::Reverse(known.received_at));
    // Making room drops 1/256 more than needed, and each of two neighbours may have done so.
    let kept = max.saturating_sub(max / 128 + 2);
    for (client, known) in latest.into_iter().take(kept) {
        if at_line(node, client, clock) != Some(known.print(client)) {
            return Err(format!("{server} forgot a client that was not silent: {}", client.escape_ascii()));
        }
    }
    Ok(())
}
