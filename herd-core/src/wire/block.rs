//! Some records as a block of a store: with its own checksum and the names of its servers, so that it means the same
//! to any later life and the loss of one harms no other.
//!
//! Little-endian:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 8 | XXH3-64 of all that follows |
//! | 8 | 1 | version of this format, 1 |
//! | 9 | 4 | number of records |
//! | 13 | 2 | number of names |
//! | 15 | | the names, each with a byte for its length before it |
//! | | | the records, whose server numbers count these names from 0 |
//!
//! Nothing here says when a block was written or in which order: merging blocks in any order is right.

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    limits::SERVERS_MAX,
    server::{Name, Names, ServerIndex},
};

use super::{
    fields::Fields,
    record::{self, Record},
};

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u8 = 1;

const CHECKSUM_BYTES: usize = 8;

/// A block that was taken apart. Its records are whole, but not checked one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The servers of the records, in the order of the numbers in them.
    pub names: Vec<Name>,
    /// How many records there are.
    pub count: usize,
    /// The records.
    pub records: &'a [u8],
}

/// Why bytes are no block. The disk is at fault, or a newer version of this program wrote them; nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not what was written.
    #[error("the checksum of a block does not match")]
    Checksum,
    /// Written by a newer version of this program.
    #[error("a block has the unknown version {0}")]
    Version(u8),
    /// The checksum matches, and yet no server writes this.
    #[error("a block has impossible {0}")]
    Field(&'static str),
}

/// The records of a node, whose numbers stand for `names`, as a block.
#[must_use]
pub fn encode(records: &[u8], names: &Names) -> Vec<u8> {
    let mut body = records.to_vec();
    let mut numbers = Numbers::default();
    let mut count: u32 = 0;
    let mut rest = body.as_mut_slice();
    while let Ok(record) = Record::locate(rest) {
        let bytes = record.bytes().len();
        let number = numbers.of(record.server());
        record::set_server(rest, number);
        rest = rest.get_mut(bytes..).unwrap_or_default();
        count += 1;
    }
    debug_assert!(rest.is_empty(), "only whole records are written down");
    let mut out = vec![0; CHECKSUM_BYTES];
    out.reserve(16 + body.len());
    out.push(VERSION);
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&ServerIndex::count(&numbers.given).to_le_bytes());
    for server in numbers.given {
        // A record never holds a number that was not given out.
        let name = names.name(server);
        let text = name.as_ref().map_or("", Name::as_str);
        out.push(u8::try_from(text.len()).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&body);
    let checksum = xxh3_64(out.get(CHECKSUM_BYTES..).unwrap_or_default());
    if let Some(field) = out.first_chunk_mut() {
        *field = checksum.to_le_bytes();
    }
    out
}

/// Takes a block apart.
///
/// # Errors
/// The bytes are not what [`encode`] made of something.
pub fn decode(bytes: &[u8]) -> Result<Block<'_>, BlockError> {
    let (checksum, content) = bytes.split_first_chunk().ok_or(BlockError::Checksum)?;
    if u64::from_le_bytes(*checksum) != xxh3_64(content) {
        return Err(BlockError::Checksum);
    }
    let mut fields = Fields::new(content);
    match fields.byte() {
        Some(VERSION) => {}
        other => return Err(BlockError::Version(other.unwrap_or_default())),
    }
    let impossible = |field| move || BlockError::Field(field);
    let count = fields.array().map(u32::from_le_bytes).ok_or_else(impossible("counts"))?;
    let names = fields.array().map(u16::from_le_bytes).ok_or_else(impossible("counts"))?;
    let names = (0..names).map(|_| fields.name()).collect::<Option<Vec<_>>>();
    let names = names.ok_or_else(impossible("names"))?;
    let records = fields.rest();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if are_whole(records, count, names.len()) {
        Ok(Block { names, count, records })
    } else {
        Err(BlockError::Field("records"))
    }
}

/// Whether `records` are `count` whole ones of the first `servers` servers.
fn are_whole(mut records: &[u8], count: usize, servers: usize) -> bool {
    let mut found = 0;
    while let Ok(record) = Record::locate(records) {
        if usize::from(record.server().to_bits()) >= servers {
            return false;
        }
        records = records.get(record.bytes().len()..).unwrap_or_default();
        found += 1;
    }
    records.is_empty() && found == count
}

/// Numbers without gaps for those of a node, in the order in which they are met.
#[derive(Default)]
struct Numbers {
    /// One more than the number in the block, by the number in the node; 0 if it was not met.
    numbers: Vec<u16>,
    given: Vec<ServerIndex>,
}

impl Numbers {
    fn of(&mut self, server: ServerIndex) -> ServerIndex {
        let at = usize::from(server.to_bits()).min(SERVERS_MAX);
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, 0);
        }
        let Some(slot) = self.numbers.get_mut(at) else { return server };
        if *slot == 0 {
            self.given.push(server);
            *slot = ServerIndex::count(&self.given);
        }
        ServerIndex::from_bits(*slot - 1)
    }
}

impl ServerIndex {
    /// How many there are: at most [`SERVERS_MAX`] are ever given out.
    fn count(given: &[Self]) -> u16 {
        u16::try_from(given.len()).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::Command,
        node::{Node, NodeSettings},
        secret::HerdKey,
        time::Timestamp,
        wire::line,
    };

    fn node(server: &str) -> Node {
        let name = Name::new(server).unwrap();
        Node::new(NodeSettings::new(name.clone(), 1, 2, HerdKey::derive(&name, None)))
    }

    fn block() -> Vec<u8> {
        let node = node("Goloman");
        let limits = crate::command::QuestionLimits { radius_km_max: None, bound_max: 20 };
        let lines = ["IAMAT a +34-118 1", "IAMAT b +34.0-118.25 1.5"];
        let commands: Vec<Command<'_>> = lines.iter().map(|l| line::parse(l.as_bytes(), &limits)).collect();
        let effects = node.apply(&commands, Timestamp::from_nanos(7), &mut Vec::new());
        encode(&effects.fresh, node.names())
    }

    #[test]
    fn a_block_holds_the_names_of_its_own_servers_only() {
        let taker = node("Goloman");
        let names: Vec<_> = ["A", "B", "C"].map(|n| taker.names().intern(&Name::new(n).unwrap())).into();
        let block = block();
        let mut records = decode(&block).unwrap().records.to_vec();
        record::set_server(&mut records, names[1].unwrap());
        let again = encode(&records, taker.names());
        let found = decode(&again).unwrap();
        assert_eq!(found.count, 2);
        assert_eq!(found.names.iter().map(Name::as_str).collect::<Vec<_>>(), ["B", "Goloman"]);
    }

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unnoticed() {
        let block = block();
        for bit in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for end in 0..block.len() {
            assert!(decode(&block[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut newer = block();
        newer[CHECKSUM_BYTES] = 9;
        let checksum = xxh3_64(&newer[CHECKSUM_BYTES..]).to_le_bytes();
        newer[..CHECKSUM_BYTES].copy_from_slice(&checksum);
        assert_eq!(decode(&newer), Err(BlockError::Version(9)));
    }
}
