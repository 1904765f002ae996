//! The frames with which two neighbours compare their tables. What they mean in order is `link::catch_up`'s matter.

use std::ops::RangeInclusive;

use crate::{
    digest::LeafSet,
    limits::{LEAVES, SHARDS},
};

use super::fields::{Fields, push_u64};

/// One step of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The hash of the speaker's table: a comparison begins.
    Digest(u64),
    /// The tables are the same: it ends.
    Same,
    /// They differ: the hashes of the speaker's shards.
    Shards(Vec<u64>),
    /// The hashes of the leaves of a shard that differs.
    Leaves {
        /// Which shard.
        shard: u8,
        /// A hash for each leaf.
        hashes: Vec<u64>,
    },
    /// No more leaves follow.
    LeavesEnd,
    /// The leaves that differ: the speaker sends what it has in them and wants what the listener has.
    Differ {
        /// Which shard.
        shard: u8,
        /// Which leaves of it.
        leaves: LeafSet,
    },
    /// The speaker has sent all that differs.
    Copied,
    /// The speaker's log overtook the listener: a comparison is needed.
    Ask,
    /// The speaker has merged one more frame of copied reports.
    Taken,
}

impl Comparison {
    /// The kinds of frames that are steps of a comparison.
    pub(super) const KINDS: RangeInclusive<u8> = 16..=24;

    /// Says something of all that the speaker holds or has sent, so what it copied before counts.
    pub(crate) const fn is_about_all(&self) -> bool {
        matches!(self, Self::Digest(_) | Self::Same | Self::Shards(_) | Self::Copied)
    }

    /// Appends the payload; says which kind of frame it is for.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::Digest(digest) => {
                push_u64(out, *digest);
                16
            }
            Self::Same => 17,
            Self::Shards(hashes) => {
                hashes.iter().for_each(|hash| push_u64(out, *hash));
                18
            }
            Self::Leaves { shard, hashes } => {
                out.push(*shard);
                hashes.iter().for_each(|hash| push_u64(out, *hash));
                19
            }
            Self::LeavesEnd => 20,
            Self::Differ { shard, leaves } => {
                out.push(*shard);
                leaves.to_words().iter().for_each(|word| push_u64(out, *word));
                21
            }
            Self::Copied => 22,
            Self::Ask => 23,
            Self::Taken => 24,
        }
    }

    /// Reads the payload of a frame of this kind.
    pub(super) fn decode(kind: u8, fields: &mut Fields<'_>) -> Option<Self> {
        Some(match kind {
            16 => Self::Digest(fields.u64()?),
            17 => Self::Same,
            18 => Self::Shards(fields.numbers(SHARDS)?),
            19 => Self::Leaves { shard: fields.byte()?, hashes: fields.numbers(LEAVES)? },
            20 => Self::LeavesEnd,
            21 => {
                let shard = fields.byte()?;
                let words = [fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?];
                Self::Differ { shard, leaves: LeafSet::from_words(words) }
            }
            22 => Self::Copied,
            23 => Self::Ask,
            24 => Self::Taken,
            _ => return None,
        })
    }
}
