//! A node's way back from a store: blocks are merged in any order, by any number of threads.

use crate::{
    limits::SERVERS_MAX,
    server::ServerIndex,
    time::Timestamp,
    wire::{
        block::{self, Block, BlockError},
        record::{self, Record, RecordError},
    },
};

use super::Node;

/// Why a block of a store was not taken, not in part either. The disk is at fault, unless a variant says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// No block.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A block whose checksum matches, but not its records.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// More servers than a node can tell apart: the store is of another herd, or of very many lives.
    #[error("a block names more servers than the {SERVERS_MAX} that a node can tell apart")]
    Servers,
}

impl Node {
    /// Merges a block of a store: says how many of its reports are held. They are no news: neighbours, if they lack
    /// them, find that out by comparing tables.
    ///
    /// # Errors
    /// Nothing of it was merged, for the reason given.
    pub fn restore(&self, bytes: &[u8], clock: Timestamp) -> Result<usize, RestoreError> {
        let translated = self.translate(&block::decode(bytes)?)?;
        let mut rest = translated.as_slice();
        while !rest.is_empty() {
            let record = Record::decode(rest)?;
            rest = rest.get(record.bytes().len()..).unwrap_or_default();
        }
        let taken = self.take_in(&translated, clock, |_| Ok(()));
        self.make_room();
        Ok(taken.held)
    }

    /// The records of a block with our server numbers for those in it.
    fn translate(&self, block: &Block<'_>) -> Result<Vec<u8>, RestoreError> {
        let ours: Option<Vec<ServerIndex>> = block.names.iter().map(|name| self.names.intern(name)).collect();
        let ours = ours.ok_or(RestoreError::Servers)?;
        let mut translated = block.records.to_vec();
        let mut rest = translated.as_mut_slice();
        while let Ok(found) = Record::locate(rest) {
            let bytes = found.bytes().len();
            let server = ours.get(usize::from(found.server().to_bits())).ok_or(RestoreError::Servers)?;
            record::set_server(rest, *server);
            rest = rest.get_mut(bytes..).unwrap_or_default();
        }
        Ok(translated)
    }
}
