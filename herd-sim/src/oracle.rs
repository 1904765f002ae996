//! What must hold, decided without the code under test: what each server knows, and what all must agree on.
//!
//! The one thing to know: precedence and expiry are written down here a second time, from the specification.

use std::{collections::BTreeMap, fmt, time::Duration};

use herd_core::{
    command::{Command, QuestionLimits},
    limits::FUTURE_TOLERANCE,
    node::{Answer, Node},
    server::Name,
    time::Timestamp,
    wire::{line, record::Record},
};

use crate::client::Said;

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

/// The reports that one life of one server knows.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeMap<Vec<u8>, Entry>);

#[derive(Debug)]
struct Entry {
    known: Known,
    /// The neighbour it was learned from, and which life of it.
    from: Option<(Name, u64)>,
    /// When it was learned, and what was known before, in nanoseconds since the start.
    past: Vec<(u64, Known)>,
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

impl Held {
    /// Takes in records that the node took for news, from a neighbour if not from clients; says why they cannot be.
    pub(crate) fn learn(
        &mut self,
        node: &Node,
        mut records: &[u8],
        (clock, now): (Timestamp, u64),
        from: Option<(&Name, u64)>,
        rules: &Rules,
    ) -> Result<(), String> {
        while !records.is_empty() {
            let record =
                Record::decode(records).map_err(|error| format!("news that is no record: {error}"))?;
            records = records.get(record.bytes().len()..).unwrap_or_default();
            let known = Known::of(&record, node)?;
            let name = || shown(record.client());
            if record.client() == POISON {
                return Err("learned from a server that does not belong to the herd".to_owned());
            }
            if rules.is_surely_expired(known.received_at, clock) {
                return Err(format!("an expired report of {} came back", name()));
            }
            if known.order_time > clock.later(FUTURE_TOLERANCE + rules.slack) {
                return Err(format!(
                    "a report of {} counts as of {:?}, at {clock:?}",
                    name(),
                    known.order_time
                ));
            }
            let from = from.map(|(neighbour, life)| (neighbour.clone(), life));
            match self.0.get_mut(record.client()) {
                Some(held) => {
                    let held_known = &held.known;
                    let is_free =
                        rules.clients_max.is_some() || rules.may_be_expired(held_known.received_at, clock);
                    if !is_free && *held_known >= known {
                        return Err(format!(
                            "a report of {} gave way to one that does not win: {held_known:?} {known:?}",
                            name()
                        ));
                    }
                    held.past.push((now, known.clone()));
                    (held.known, held.from) = (known, from);
                }
                None => {
                    let entry = Entry { past: vec![(now, known.clone())], known, from };
                    self.0.insert(record.client().to_vec(), entry);
                }
            }
        }
        Ok(())
    }

    /// Clients that it knows.
    pub(crate) fn clients(&self) -> usize {
        self.0.len()
    }

    /// All that was ever learned of each client, and when.
    pub(crate) fn past(&self) -> impl Iterator<Item = (&[u8], &[(u64, Known)])> {
        self.0.iter().map(|(client, entry)| (client.as_slice(), entry.past.as_slice()))
    }

    /// What this life was told last.
    pub(crate) fn known(&self, client: &[u8]) -> Option<&Known> {
        self.0.get(client).map(|entry| &entry.known)
    }

    /// Whether a life that begins holds what one before promised to have written down; says what is lost.
    pub(crate) fn check_promise(
        &self,
        client: &[u8],
        promised: &Known,
        clock: Timestamp,
        rules: &Rules,
    ) -> Result<(), String> {
        let is_kept = self.known(client).is_some_and(|known| known >= promised);
        if is_kept || rules.clients_max.is_some() || rules.may_be_expired(promised.received_at, clock) {
            return Ok(());
        }
        Err(format!("lost {promised:?} of {}, holds {:?}", shown(client), self.known(client)))
    }

    /// Whether a server that was right in refusing what a client said would have refused it; says why not.
    pub(crate) fn check_refusal(&self, said: &Said, new: &Known, rules: &Rules) -> Result<(), String> {
        let clock = new.received_at;
        let name = || shown(&said.client);
        let Some(Entry { known: held, .. }) = self.0.get(&said.client) else {
            return Err(format!("refused the first report of {}", name()));
        };
        // What its time counts as is known for sure as long as no clock decides it.
        let surely = rules.capped_at_least(clock);
        let is_right = if said.at <= surely { held >= new } else { held.order_time >= surely };
        if is_right { Ok(()) } else { Err(format!("refused news of {}: {new:?}, holds {held:?}", name())) }
    }

    /// Whether a server may answer so about a client; says why not.
    pub(crate) fn check_answer(
        &self,
        client: &[u8],
        answer: Option<&[u8]>,
        clock: Timestamp,
        rules: &Rules,
    ) -> Result<(), String> {
        let known = self.0.get(client).map(|entry| &entry.known);
        let is_right = match (answer, known) {
            // A full table forgets, and takes reports without saying so for which there is room again.
            _ if rules.clients_max.is_some() => true,
            (None, None) => true,
            (Some(_), None) => false,
            (None, Some(known)) => rules.may_be_expired(known.received_at, clock),
            (Some(answer), Some(known)) => {
                known.print(client) == answer && !rules.is_surely_expired(known.received_at, clock)
            }
        };
        if is_right {
            return Ok(());
        }
        Err(format!(
            "answers '{}' about {}, of whom it knows {known:?}",
            shown(answer.unwrap_or_default()),
            shown(client)
        ))
    }

    /// Whether a record that is about to be sent to a neighbour was learned from that same life of it.
    pub(crate) fn is_echo(&self, record: &Record<'_>, neighbour: &Name, life: u64) -> bool {
        self.0.get(record.client()).is_some_and(|entry| {
            entry.from.as_ref().is_some_and(|(name, from)| name == neighbour && *from == life)
                && entry.known.received_at == record.received_at()
                && entry.known.order_time == record.order_time()
        })
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
    let digests: Vec<_> =
        servers.iter().map(|(name, node, ..)| (name, node.digest(), node.clients())).collect();
    if digests.windows(2).any(|pair| matches!(pair, [(_, a, _), (_, b, _)] if a != b)) {
        return Err(format!("servers differ: {digests:?}"));
    }
    let mut best: BTreeMap<&[u8], &Known> = BTreeMap::new();
    for (_, _, held, _) in servers {
        for (client, Entry { known, .. }) in &held.0 {
            let winner = best.entry(client).or_insert(known);
            *winner = (*winner).max(known);
        }
    }
    for &(server, node, _, clock) in servers {
        if let Some(max) = rules.clients_max {
            // Clocks that are apart do not agree on who has been silent for longest.
            let best = if rules.slack > SLACK_MIN { BTreeMap::new() } else { best.clone() };
            let is_right = |client: &[u8], known: &Known| {
                let Some(answer) = at_line(node, client, clock) else { return false };
                // One that had to go, and wins against what came since, may be back from a server that kept it.
                let entries = servers.iter().filter_map(|(_, _, held, _)| held.0.get(client));
                let mut past = entries.flat_map(|entry| &entry.past).map(|(_, past)| past);
                answer == known.print(client) || past.any(|past| past > known && answer == past.print(client))
            };
            bounded(server, node, &best, max, is_right)?;
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
                return Err(format!("{server} answers '{}', not '{}'", shown(&answer), shown(&expected)));
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
    is_right: impl Fn(&[u8], &Known) -> bool,
) -> Result<(), String> {
    if node.clients() > max {
        return Err(format!("{server} holds {} clients of at most {max}", node.clients()));
    }
    let mut latest: Vec<_> = best.iter().collect();
    latest.sort_by_key(|(_, known)| std::cmp::Reverse(known.received_at));
    // Making room drops 1/256 more than needed, and each of two neighbours may have done so.
    let kept = max.saturating_sub(max / 128 + 2);
    for (client, known) in latest.into_iter().take(kept) {
        if !is_right(client, known) {
            return Err(format!("{server} forgot a client that was not silent: {}", shown(client)));
        }
    }
    Ok(())
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
