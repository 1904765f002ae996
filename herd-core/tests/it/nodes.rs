//! Nodes for tests, and words for what is done to them.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helper fails by panicking; the lints know only #[test] functions"
)]

use herd_core::{
    command::{Command, QuestionLimits},
    node::{Answer, Effects, Node, NodeSettings},
    secret::HerdKey,
    server::{Name, ServerIndex},
    time::Timestamp,
    wire::{
        line,
        record::{self, Record},
    },
};

/// A time in whole seconds.
pub(crate) const fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Settings of a server of the herd `test`.
pub(crate) fn settings(server: &str, private_seed: u64) -> NodeSettings {
    NodeSettings::new(name(server), private_seed + 1, private_seed, HerdKey::derive(&name("test"), None))
}

pub(crate) fn node(server: &str) -> Node {
    Node::new(settings(server, 7))
}

/// Applies lines as one batch.
pub(crate) fn apply(node: &Node, lines: &[String], clock: Timestamp) -> (Vec<Answer>, Effects) {
    let limits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
    let commands: Vec<Command<'_>> = lines.iter().map(|l| line::parse(l.as_bytes(), &limits)).collect();
    let mut answers = Vec::new();
    let effects = node.apply(&commands, clock, &mut answers);
    (answers, effects)
}

/// Reports of one client, all at the same place; says what was news.
pub(crate) fn report(node: &Node, client: &str, time: u64, clock: Timestamp) -> Vec<u8> {
    apply(node, &[format!("IAMAT {client} +34.068930-118.445127 {time}")], clock).1.fresh
}

/// The AT line for a client, if it is known.
pub(crate) fn at_line(node: &Node, client: &str, clock: Timestamp) -> Option<String> {
    let (answers, _) = apply(node, &[format!("WHATSAT {client} 10 5")], clock);
    let Some(Answer::Found(sighting)) = answers.first() else { return None };
    let mut out = Vec::new();
    sighting.print(&mut out);
    Some(String::from_utf8(out).unwrap())
}

/// Splits records, pointed at `to`'s numbers for `from`'s servers, as a link does.
pub(crate) fn carried(from: &Node, to: &Node, mut records: &[u8]) -> Vec<Vec<u8>> {
    let mut carried = Vec::new();
    while !records.is_empty() {
        let length = Record::decode(records).unwrap().bytes().len();
        let (record, rest) = records.split_at(length);
        let mut bytes = record.to_vec();
        let server: ServerIndex = Record::decode(record).unwrap().server();
        let index = to.names().intern(&from.names().name(server).unwrap()).unwrap();
        record::set_server(&mut bytes, index);
        carried.push(bytes);
        records = rest;
    }
    carried
}
