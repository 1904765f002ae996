//! What the pieces work on: reports as phones send them, made from constants alone.
//!
//! Every round has the same clients in another order, each a second later and somewhere else.

use std::fmt::Write as _;

use anyhow::Context;
use herd_core::{
    command::{Command, Iamat, QuestionLimits},
    node::{Node, NodeSettings},
    secret::HerdKey,
    server::{Name, ServerIndex},
    time::Timestamp,
    wire::{
        line,
        record::{self, Receipt, Record},
    },
};

/// Clients, and so reports, of a round: eight to a shard.
pub(crate) const CLIENTS: usize = 2048;
/// Commands of a batch, and records of a frame, where nothing else is said.
pub(crate) const BATCH: usize = 16;
/// Most rounds that a piece is prepared for.
pub(crate) const ROUNDS_MAX: usize = 4;
/// What a provider allows by default.
pub(crate) const LIMITS: QuestionLimits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
/// Whose node it is, where nothing else is said.
pub(crate) const SERVER: &str = "Goloman";
/// The server that records of others come from: the second that a node knows, itself being the first.
pub(crate) const OTHER: ServerIndex = ServerIndex::from_bits(1);
/// When the first round is told, in seconds.
const BEGAN: u64 = 1_520_023_934;

/// The rounds that are prepared for.
pub(crate) fn rounds() -> std::ops::Range<usize> {
    0..ROUNDS_MAX
}

/// The lines of one round, each with its LF: 20 bytes of ID, six decimals, nine digits of a second. They live as long
/// as the process, so that work may hold what borrows from them.
pub(crate) fn lines(round: usize) -> &'static [u8] {
    lines_of(round, 0)
}

/// The same of other clients, who are the `nth` that many.
pub(crate) fn lines_of(round: usize, nth: usize) -> &'static [u8] {
    let mut random = Random(round as u64 + 1);
    let mut clients: Vec<usize> = (0..CLIENTS).map(|client| nth * CLIENTS + client).collect();
    for i in (1..CLIENTS).rev() {
        clients.swap(i, random.below(i as u64 + 1));
    }
    let mut text = String::new();
    for client in clients {
        let (latitude, longitude) = (random.below(180_000_000), random.below(360_000_000));
        let printed = writeln!(
            text,
            "IAMAT client-{client:013} {}{:02}.{:06}{}{:03}.{:06} {}.{:09}",
            if latitude < 90_000_000 { '-' } else { '+' },
            latitude % 90_000_000 / 1_000_000,
            latitude % 1_000_000,
            if longitude < 180_000_000 { '-' } else { '+' },
            longitude % 180_000_000 / 1_000_000,
            longitude % 1_000_000,
            BEGAN + round as u64,
            random.below(1_000_000_000),
        );
        debug_assert!(printed.is_ok(), "memory takes everything");
    }
    text.into_bytes().leak()
}

/// The lines without their LF.
pub(crate) fn each(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// The commands that lines hold.
pub(crate) fn commands(lines: &[u8]) -> Vec<Command<'_>> {
    each(lines).map(|line| line::parse(line, &LIMITS)).collect()
}

/// Our clock when a round is told.
pub(crate) const fn clock(round: usize) -> Timestamp {
    Timestamp::from_nanos((BEGAN + round as u64 + 1) * 1_000_000_000)
}

/// An empty node of that name.
pub(crate) fn node(name: &str) -> anyhow::Result<Node> {
    let key = HerdKey::derive(&Name::new("herd")?, None);
    Ok(Node::new(NodeSettings::new(Name::new(name)?, 1, 7, key)))
}

/// A node that has taken one round.
pub(crate) fn node_with(round: usize) -> anyhow::Result<Node> {
    let node = node(SERVER)?;
    node.apply(&commands(lines(round)), clock(round), &mut Vec::new());
    Ok(node)
}

/// The claims in lines.
pub(crate) fn iamats(lines: &[u8]) -> anyhow::Result<Vec<Iamat<'_>>> {
    let iamat = |command| match command {
        Command::Iamat(iamat) => Ok(iamat),
        Command::Whatsat(_) | Command::Invalid => Err(anyhow::anyhow!("not an IAMAT: {command:?}")),
    };
    commands(lines).into_iter().map(iamat).collect()
}

/// The records that another server makes of a round.
pub(crate) fn records(round: usize) -> anyhow::Result<Vec<u8>> {
    let mut records = Vec::new();
    for iamat in iamats(lines(round))? {
        encode(&mut records, &iamat, OTHER, clock(round));
    }
    Ok(records)
}

/// Appends the record of a claim that counts as what it says.
pub(crate) fn encode(out: &mut Vec<u8>, iamat: &Iamat<'_>, server: ServerIndex, received_at: Timestamp) {
    record::encode(out, iamat, Receipt { server, received_at, order_time: iamat.time.at() });
}

/// Cuts records into pieces of so many.
pub(crate) fn pieces(mut records: &[u8], each: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut pieces = Vec::new();
    while !records.is_empty() {
        let mut piece = Vec::new();
        for _ in 0..each {
            let record = Record::decode(records)?.bytes();
            piece.extend_from_slice(record);
            records = records.get(record.len()..).context("a record is longer than its bytes")?;
        }
        pieces.push(piece);
    }
    Ok(pieces)
}

/// Numbers that look random: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or(usize::MAX)
    }
}
