//! Who servers are: checked names, and the small numbers that stand for them inside one node.
//!
//! A server's identity is its name. Numbers ([`ServerIndex`]) are private to one node; on a link each side
//! announces which name its numbers stand for.

use std::{cmp::Ordering, fmt, sync::Arc};

use parking_lot::{RwLock, RwLockReadGuard};
use xxhash_rust::xxh3::xxh3_64;

use crate::limits::{NAME_BYTES_MAX, SERVERS_MAX};

/// The name of a server or of a herd: 1 to 64 bytes of letters, digits, `-`, `_` and `.`, shown in AT lines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text is no [`Name`]. The configuration or the peer is at fault; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty or too long.
    #[error("a name has 1 to {NAME_BYTES_MAX} bytes, this one has {0}")]
    Length(usize),
    /// A character that is not allowed.
    #[error("a name is made of letters, digits, '-', '_' and '.', not {0:?}")]
    Character(char),
    /// `.` or `..`: folders are named after servers.
    #[error("a name is not {0:?}")]
    Folder(&'static str),
}

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// The text is empty, too long, `.` or `..`, or holds a character other than ASCII letters, digits, `-`, `_`, `.`.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(NameError::Length(text.len()));
        }
        if let Some(folder) = [".", ".."].into_iter().find(|folder| *folder == text) {
            return Err(NameError::Folder(folder));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        match text.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(NameError::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number that stands for a server name inside one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerIndex(u16);

impl ServerIndex {
    /// The number itself, as records hold it.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// The index that a record holds.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

/// The names that a node has heard of, in the order of their numbers; it only grows.
#[derive(Debug, Default)]
pub struct Names(RwLock<Vec<Known>>);

#[derive(Debug)]
struct Known {
    name: Name,
    fingerprint: u64,
}

/// All names known at one time, held for a batch.
#[derive(Debug)]
pub struct KnownServers<'a>(RwLockReadGuard<'a, Vec<Known>>);

impl Names {
    /// The number of `name`, given out by this call if it has none; `None` if there are [`SERVERS_MAX`] already.
    pub fn intern(&self, name: &Name) -> Option<ServerIndex> {
        if let Some(index) = position(&self.0.read(), name) {
            return Some(index);
        }
        let mut names = self.0.write();
        // Somebody may have added it between the two locks.
        if let Some(index) = position(&names, name) {
            return Some(index);
        }
        if names.len() >= SERVERS_MAX {
            return None;
        }
        names.push(Known { name: name.clone(), fingerprint: xxh3_64(name.as_str().as_bytes()) });
        position(&names, name)
    }

    /// The name behind a number, if it was given out.
    #[must_use]
    pub fn name(&self, index: ServerIndex) -> Option<Name> {
        self.0.read().get(usize::from(index.0)).map(|known| known.name.clone())
    }

    /// The names from number `from` on, for announcing them on a link.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<Name> {
        self.0.read().iter().skip(from).map(|known| known.name.clone()).collect()
    }

    /// Holds the names for a batch of comparisons.
    #[must_use]
    pub fn read(&self) -> KnownServers<'_> {
        KnownServers(self.0.read())
    }
}

impl KnownServers<'_> {
    /// How the names behind two numbers compare; numbers never given out come first.
    #[must_use]
    pub fn compare(&self, a: ServerIndex, b: ServerIndex) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        self.name(a).cmp(&self.name(b))
    }

    /// The name behind a number, if it was given out.
    #[must_use]
    pub fn name(&self, index: ServerIndex) -> Option<&Name> {
        self.0.get(usize::from(index.0)).map(|known| &known.name)
    }

    /// A hash of the name, the same on every server.
    #[must_use]
    pub fn fingerprint(&self, index: ServerIndex) -> u64 {
        self.0.get(usize::from(index.0)).map_or(0, |known| known.fingerprint)
    }
}

fn position(names: &[Known], name: &Name) -> Option<ServerIndex> {
    // A herd has a handful of servers: a scan beats a map.
    names.iter().position(|known| known.name == *name).and_then(|i| u16::try_from(i).ok()).map(ServerIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_no_folder_of_another() {
        for good in ["Goloman", "a", "x_1.y-2", "...", &"n".repeat(NAME_BYTES_MAX)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a\n", &"n".repeat(NAME_BYTES_MAX + 1)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }
}
