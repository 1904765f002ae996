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

/// Entries and their text.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    entries: Vec<Entry>,
    text: Vec<u8>,
}

impl Buffer {
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes in use.
    pub(super) const fn bytes(&self) -> usize {
        self.text.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Adds an entry with the text that `write` appends, unless that is nothing.
    pub(super) fn append(
        &mut self,
        event: Event,
        party: Party,
        at: Timestamp,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.text.len();
        write(&mut self.text);
        let text_bytes = self.text.len() - start;
        if text_bytes > 0 {
            self.entries.push(Entry { event, party, at, text_bytes });
        }
    }

    /// Takes the last entry back and says how many lines it would have made.
    pub(super) fn undo(&mut self) -> u64 {
        let Some(entry) = self.entries.pop() else { return 0 };
        let text = self.text.get(self.text.len() - entry.text_bytes..).unwrap_or_default();
        let lines = match entry.event {
            Event::Reports | Event::Copies => records(text).count(),
            Event::Received | Event::Sent | Event::Came | Event::Went | Event::OldCopies | Event::Lost => {
                memchr_iter(b'\n', text).count()
            }
        };
        self.text.truncate(self.text.len() - entry.text_bytes);
        lines as u64
    }

    /// The entries in order, with their text.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        let mut rest = self.text.as_slice();
        self.entries.iter().map(move |entry| {
            let (text, after) = rest.split_at_checked(entry.text_bytes).unwrap_or((rest, &[]));
            rest = after;
            (entry, text)
        })
    }

    /// Empties it and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
    }

    /// Gives the memory of an empty buffer back.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            drop(mem::take(self));
        }
    }
}
