//! What a node is to hold and to say, decided slowly and without its code: one map, and every report in a list.
//!
//! Not a target. The one thing to know: it shares with the node what a record is and who knows the herd's key, nothing
//! else.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use herd_core::{
    command::{Command, Iamat},
    digest::LeafSet,
    log::{LogPosition, Source},
    node::{Answer, Node, NodeSettings},
    report::Sighting,
    secret::HerdKey,
    server::{Name, ServerIndex},
    time::Timestamp,
    wire::record::{self, Receipt, Record},
};
use siphasher::sip::SipHasher13;

const SERVERS: [&str; 3] = ["A", "B", "C"];
/// Their numbers, given out in that order.
const SERVER_INDICES: [ServerIndex; 3] =
    [ServerIndex::from_bits(0), ServerIndex::from_bits(1), ServerIndex::from_bits(2)];
const CLIENTS_MAX: usize = 12;
const LOG_BYTES_MAX: usize = 1024;
const TTL_NANOS: u64 = 500_000_000_000;
const FUTURE_TOLERANCE: Duration = Duration::from_secs(60);

/// A node and what it is to be.
pub(crate) struct Pair {
    node: Node,
    /// The record of each client.
    held: BTreeMap<Vec<u8>, Vec<u8>>,
    /// All that was news, in the order of the log, and where each came from.
    news: Vec<(Source, Vec<u8>)>,
    append_bytes_most: usize,
    /// Reports that stand before this had to go.
    evicted_before: (Timestamp, u64),
}

fn settings() -> NodeSettings {
    let name = |text| Name::new(text).unwrap();
    let mut settings = NodeSettings::new(name("A"), 1, 2, HerdKey::derive(&name("fuzz"), None));
    settings.clients_max = CLIENTS_MAX;
    settings.log_bytes_max = LOG_BYTES_MAX;
    settings.ttl = Duration::from_nanos(TTL_NANOS);
    settings.future_tolerance = FUTURE_TOLERANCE;
    settings
}

fn read(bytes: &[u8]) -> Record<'_> {
    Record::decode(bytes).unwrap()
}

fn server(record: &Record<'_>) -> &'static str {
    SERVERS[usize::from(record.server().to_bits())]
}

/// What specification and docs/replication.md say of two reports of one client.
fn precedence(a: &Record<'_>, b: &Record<'_>) -> Ordering {
    let rank = |record: &Record<'_>| (record.order_time(), record.received_at(), server(record));
    // All but the number of the server, which is private to a node.
    let rest = |record: &Record<'_>| (record.bytes()[..2].to_vec(), record.bytes()[4..].to_vec());
    rank(a).cmp(&rank(b)).then_with(|| rest(a).cmp(&rest(b)))
}

/// Who goes first for want of room: the longest-silent client, of those heard of at once the one of the smaller hash.
fn standing(record: &Record<'_>) -> (Timestamp, u64) {
    let [first, second] = settings().herd_key.placement();
    (record.received_at(), SipHasher13::new_with_keys(first, second).hash(record.client()))
}

fn expired(clock: Timestamp) -> Timestamp {
    Timestamp::from_nanos(clock.as_nanos().saturating_sub(TTL_NANOS))
}

impl Pair {
    pub(crate) fn new() -> Self {
        let node = Node::new(settings());
        SERVERS.iter().for_each(|server| {
            let _ = node.names().intern(&Name::new(server).unwrap());
        });
        let held = BTreeMap::new();
        Self { node, held, news: Vec::new(), append_bytes_most: 0, evicted_before: (Timestamp::default(), 0) }
    }

    pub(crate) fn record(&self, iamat: &Iamat<'_>, server: usize, received_at: Timestamp) -> Vec<u8> {
        let order_time = iamat.time.at().min(received_at.later(FUTURE_TOLERANCE));
        let server = SERVER_INDICES[server];
        let mut bytes = Vec::new();
        record::encode(&mut bytes, iamat, Receipt { server, received_at, order_time });
        bytes
    }

    pub(crate) fn apply(&mut self, batch: &[Command<'_>], clock: Timestamp) {
        let mut answers = Vec::new();
        let effects = self.node.apply(batch, clock, &mut answers);
        let mut fresh = Vec::new();
        for (command, answer) in batch.iter().zip(answers) {
            let expected = match command {
                Command::Iamat(iamat) => {
                    let record = self.record(iamat, 0, clock);
                    fresh.extend(self.offer(record, clock));
                    Answer::Taken { skew_nanos: clock.nanos_since(iamat.time.at()) }
                }
                Command::Whatsat(whatsat) => {
                    let held = self.held.get(whatsat.client.as_bytes()).map(|bytes| read(bytes));
                    let held = held.filter(|record| record.received_at() >= expired(clock));
                    held.map_or(Answer::Unknown, |record| {
                        Answer::Found(Box::new(Sighting::of(&record, Name::new(server(&record)).unwrap())))
                    })
                }
                Command::Invalid => Answer::Invalid,
            };
            assert_eq!(answer, expected);
        }
        if !fresh.is_empty() {
            self.hold_late(clock);
        }
        self.conclude(Source::CLIENTS, fresh, &effects.fresh, effects.evicted);
    }

    /// Merges records that all are pointed at one server.
    pub(crate) fn merge(&mut self, mut records: Vec<u8>, server: usize, clock: Timestamp) {
        let (mut fresh, mut late, mut start) = (Vec::new(), Vec::new(), 0);
        let has_room = self.held.len() < CLIENTS_MAX;
        let evicted_before = self.evicted_before;
        while let Ok(record) = records.get(start..).map_or(Err(()), |rest| Record::decode(rest).map_err(drop))
        {
            let end = start + record.bytes().len();
            record::set_server(&mut records[start..], SERVER_INDICES[server]);
            let bytes = records[start..end].to_vec();
            start = end;
            let record = read(&bytes);
            let is_late = standing(&record) < evicted_before;
            if record.received_at() < expired(clock)
                || is_late && !has_room && !self.held.contains_key(record.client())
            {
                continue;
            }
            let received_at = record.received_at();
            match self.offer(bytes, clock) {
                Some(_) if is_late => late.push(received_at),
                won => fresh.extend(won),
            }
        }
        late.into_iter().for_each(|received_at| self.hold_late(received_at));
        let source = self.node.source_of(&Name::new(SERVERS[server]).unwrap(), 1);
        let effects = self.node.merge(source, &records[..start], clock).unwrap();
        self.conclude(source, fresh, &effects.fresh, effects.evicted);
        // Once more, with what is no record behind it: that is told, and nothing is news.
        let end = self.node.log_end();
        assert_eq!(self.node.merge(source, &records, clock).is_err(), start < records.len());
        assert_eq!(self.node.log_end(), end);
    }

    /// Drops what has expired, everywhere.
    pub(crate) fn sweep(&mut self, clock: Timestamp) {
        for _ in 0..16 {
            let _ = self.node.sweep(clock);
        }
        self.held.retain(|_, bytes| read(bytes).received_at() >= expired(clock));
    }

    /// Reads the log from a record on, as a link would that must not hear of some source.
    pub(crate) fn read_log(&self, number: u64) {
        let first = usize::try_from(number).unwrap() % (self.news.len() + 1);
        let position = |count: usize| self.news[..count].iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let (from, end): (u64, u64) = (position(first), position(self.news.len()));
        let except = self.news.last().map_or(Source::CLIENTS, |(source, _)| *source);
        let bytes_max = usize::try_from(number).unwrap();
        let mut out = Vec::new();
        match self.node.read_log(LogPosition::from_bytes(from), except, bytes_max, &mut out) {
            Ok(next) => {
                let until = (first..=self.news.len()).find(|&count| position(count) == next.as_bytes());
                let read = &self.news[first..until.unwrap()];
                let read: Vec<&[u8]> = read.iter().filter(|(s, _)| *s != except).map(|(_, b)| &**b).collect();
                assert_eq!(out, read.concat());
                assert!(out.len() <= bytes_max || read.len() == 1, "more than asked for");
                assert!(!out.is_empty() || next.as_bytes() == end, "the reader does not get on");
            }
            Err(_) => {
                let behind = usize::try_from(end - from).unwrap();
                assert!(
                    behind + self.append_bytes_most + LOG_BYTES_MAX / 16 > LOG_BYTES_MAX,
                    "it is forgetful"
                );
            }
        }
    }

    /// The node holds what the model holds, and its digest is that of a new node that never held anything else.
    pub(crate) fn compare(&self) {
        let exported = self.export();
        let anew = Node::new(settings());
        SERVERS.iter().for_each(|server| {
            let _ = anew.names().intern(&Name::new(server).unwrap());
        });
        let records: Vec<u8> = exported.values().flatten().copied().collect();
        let _ = anew.merge(Source::CLIENTS, &records, Timestamp::default()).unwrap();
        assert_eq!(exported, self.held);
        assert_eq!((self.node.clients(), self.node.digest()), (self.held.len(), anew.digest()));
    }

    /// A report is held that was received then: those that stand behind it are welcome again.
    fn hold_late(&mut self, received_at: Timestamp) {
        self.evicted_before = self.evicted_before.min((received_at, 0));
    }

    /// The report wins or not; if so, it is news.
    fn offer(&mut self, bytes: Vec<u8>, clock: Timestamp) -> Option<Vec<u8>> {
        let record = read(&bytes);
        if let Some(held) = self.held.get(record.client()).map(|held| read(held))
            && held.received_at() >= expired(clock)
            && precedence(&record, &held) != Ordering::Greater
        {
            return None;
        }
        self.held.insert(record.client().to_vec(), bytes.clone());
        Some(bytes)
    }

    /// What was news is what was to be, in any order; the log has it; and the longest-silent clients went.
    fn conclude(&mut self, source: Source, mut expected: Vec<Vec<u8>>, mut fresh: &[u8], evicted: usize) {
        self.append_bytes_most = self.append_bytes_most.max(fresh.len());
        let mut told = Vec::new();
        while !fresh.is_empty() {
            let (record, rest) = fresh.split_at(read(fresh).bytes().len());
            told.push(record.to_vec());
            fresh = rest;
        }
        self.news.extend(told.iter().map(|record| (source, record.clone())));
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
        let surplus = self.held.len().saturating_sub(CLIENTS_MAX);
        let going = if surplus > 0 { surplus + self.held.len() / 256 } else { 0 };
        assert_eq!(evicted, going);
        if going > 0 {
            let mut standings: Vec<_> = self.held.values().map(|bytes| standing(&read(bytes))).collect();
            standings.sort_unstable();
            let limit = standings[going];
            self.held.retain(|_, bytes| standing(&read(bytes)) >= limit);
            self.evicted_before = self.evicted_before.max(limit);
            self.compare();
        }
    }

    /// All that the node holds, by client.
    fn export(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut leaves = LeafSet::default();
        (0..256).for_each(|leaf| leaves.insert(leaf));
        let mut records = Vec::new();
        for shard in 0..=u8::MAX {
            self.node.export(shard, leaves, &(..), &mut records);
        }
        let mut rest = records.as_slice();
        let mut exported = BTreeMap::new();
        while !rest.is_empty() {
            let record = read(rest);
            rest = &rest[record.bytes().len()..];
            let twice = exported.insert(record.client().to_vec(), record.bytes().to_vec());
            assert_eq!(twice, None, "a client that is held twice");
        }
        exported
    }
}
