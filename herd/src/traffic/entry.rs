//! What waits for the writer: entries in order, their text in one block.

use std::{mem, net::SocketAddr};

use herd_core::{time::Timestamp, wire::record::records};
use memchr::memchr_iter;

/// Which connection an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A client's connection, numbered from 1 since the server started.
    Client(u64),
    /// A datagram.
    Datagram,
    /// A link, numbered from 1 since the server started.
    Link(u64),
    /// The log itself.
    Log,
}

/// Who an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// The connection.
    pub channel: Channel,
    /// The other end of it; the log itself has none.
    pub peer: Option<SocketAddr>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Received,
    Sent,
    Came,
    Went,
    Reports,
    Copies,
    /// Copies that are only counted.
    OldCopies,
    Lost,
}

impl Event {
    /// The sign in the log.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Received => "<",
            Self::Sent => ">",
            Self::Came => "+",
            Self::Went => "-",
            Self::Reports => "=",
            Self::Copies | Self::OldCopies => "~",
            Self::Lost => "!",
        }
    }
}

/// One event, or several of one kind at one time. Its text is lines that each end with LF, or records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) event: Event,
    pub(super) party: Party,
    pub(super) at: Timestamp,
    text_bytes: usize,
}

/// Bytes of a block, about. A buffer that had to move as it grows would keep a request waiting for milliseconds.
const BLOCK_BYTES: usize = 256 * 1024;

/// Room for what is appended last, the replies to a batch.
const LAST_BYTES: usize = 32 * 1024;

/// Entries and their text.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    blocks: Vec<Block>,
    /// Empty ones.
    spare: Vec<Block>,
    bytes: usize,
}

/// Some entries in a row, and their text.
#[derive(Debug, Default)]
struct Block {
    entries: Vec<Entry>,
    text: Vec<u8>,
}

impl Buffer {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Bytes in use.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an entry with the text that `write` appends, unless that is nothing.
    pub(super) fn append(
        &mut self,
        event: Event,
        party: Party,
        at: Timestamp,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.blocks.last().is_none_or(|block| block.bytes() >= BLOCK_BYTES) {
            let block = self.spare.pop().unwrap_or_else(|| Block::new(!self.blocks.is_empty()));
            self.blocks.push(block);
        }
        let Some(Block { entries, text }) = self.blocks.last_mut() else { return };
        let start = text.len();
        write(text);
        let text_bytes = text.len() - start;
        if text_bytes > 0 {
            entries.push(Entry { event, party, at, text_bytes });
            self.bytes += text_bytes + size_of::<Entry>();
        }
    }

    /// Takes the last entry back and says how many lines it would have made.
    pub(super) fn undo(&mut self) -> u64 {
        let Some(Block { entries, text }) = self.blocks.last_mut() else { return 0 };
        let Some(entry) = entries.pop() else { return 0 };
        let start = text.len() - entry.text_bytes;
        let last = text.get(start..).unwrap_or_default();
        let lines = match entry.event {
            Event::Reports | Event::Copies => records(last).count(),
            Event::Received | Event::Sent | Event::Came | Event::Went | Event::OldCopies | Event::Lost => {
                memchr_iter(b'\n', last).count()
            }
        };
        text.truncate(start);
        self.bytes -= entry.text_bytes + size_of::<Entry>();
        lines as u64
    }

    /// The entries in order, with their text.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        self.blocks.iter().flat_map(Block::entries)
    }

    /// Empties it and keeps its memory, but that of blocks that grew beyond their size.
    pub(super) fn clear(&mut self) {
        self.bytes = 0;
        for mut block in self.blocks.drain(..) {
            block.entries.clear();
            block.text.clear();
            if block.text.capacity() <= BLOCK_BYTES + LAST_BYTES {
                self.spare.push(block);
            }
        }
    }

    /// Gives the memory of an empty buffer back.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            drop(mem::take(self));
        }
    }
}

impl Block {
    /// An empty one; one that `follows` another will be filled, so it has its memory at once.
    fn new(follows: bool) -> Self {
        let text = Vec::with_capacity(if follows { BLOCK_BYTES + LAST_BYTES } else { 0 });
        Self { entries: Vec::new(), text }
    }

    const fn bytes(&self) -> usize {
        self.text.len() + self.entries.len() * size_of::<Entry>()
    }

    fn entries(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        let mut rest = self.text.as_slice();
        self.entries.iter().map(move |entry| {
            let (text, after) = rest.split_at_checked(entry.text_bytes).unwrap_or((rest, &[]));
            rest = after;
            (entry, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTY: Party = Party { channel: Channel::Log, peer: None };

    #[test]
    fn what_waits_is_told_in_order_and_is_never_moved() {
        let mut buffer = Buffer::default();
        let line = |number: usize| format!("{number:2999}\n").into_bytes();
        // The second time over in blocks that were used before.
        for _ in 0..2 {
            let mut first = None;
            for number in 0..1000 {
                buffer.append(Event::Sent, PARTY, Timestamp::default(), |text| text.extend(line(number)));
                buffer.append(Event::Sent, PARTY, Timestamp::default(), |_| ());
                if number == 100 {
                    first = buffer.entries().next().map(|(_, text)| text.as_ptr());
                }
            }
            assert_eq!(buffer.entries().next().map(|(_, text)| text.as_ptr()), first);
            assert!(
                buffer.blocks.len() > 10
                    && buffer.blocks.iter().all(|block| block.text.capacity() < 2 * BLOCK_BYTES)
            );
            assert_eq!(buffer.bytes(), 1000 * (3000 + size_of::<Entry>()));
            assert_eq!(buffer.undo(), 1);
            assert!(buffer.entries().map(|(_, text)| text).eq((0..999).map(line)));
            buffer.clear();
            assert!(buffer.is_empty() && buffer.entries().next().is_none());
        }
        buffer.release();
        assert!(buffer.blocks.is_empty() && buffer.spare.is_empty());
    }

    #[test]
    fn entries_without_text_fill_blocks_too_and_a_block_that_grew_is_not_kept() {
        let mut buffer = Buffer::default();
        for _ in 0..10_000 {
            buffer.append(Event::Received, PARTY, Timestamp::default(), |text| text.push(b'\n'));
        }
        assert!(buffer.blocks.len() > 1);
        buffer.clear();
        let kept = buffer.spare.len();
        buffer.append(Event::Copies, PARTY, Timestamp::default(), |text| text.resize(4 * BLOCK_BYTES, b'\n'));
        buffer.clear();
        assert_eq!(buffer.spare.len(), kept - 1);
    }
}
