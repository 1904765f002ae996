//! Whose store a file is, as bytes with a checksum: damage must not look like a stranger, nor a stranger like damage.

use std::fmt;

use herd_core::server::Name;
use xxhash_rust::xxh3::xxh3_64;

const CHECKSUM_BYTES: usize = 8;

/// The server that a store belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) herd: Name,
    pub(super) server: Name,
}

/// Why bytes are no identity. The disk is at fault, or a newer version of this program wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IdentityError {
    /// Not what was written.
    #[error("it is damaged where it says whose it is")]
    Damaged,
    /// Written by a newer version of this program.
    #[error("it has the unknown version {0}")]
    Version(u8),
}

impl Identity {
    /// The version of the store's format. The checksum and the byte behind it stay where they are in all versions.
    pub(super) const VERSION: u8 = 1;

    /// XXH3-64 of the rest, version, then both names, each with a byte for its length before it.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut rest = vec![Self::VERSION];
        for name in [&self.herd, &self.server] {
            // A name has at most 64 bytes.
            rest.push(u8::try_from(name.as_str().len()).unwrap_or_default());
            rest.extend_from_slice(name.as_str().as_bytes());
        }
        [&xxh3_64(&rest).to_le_bytes()[..], &rest].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let damaged = IdentityError::Damaged;
        let (checksum, rest) = bytes.split_first_chunk::<CHECKSUM_BYTES>().ok_or(damaged)?;
        if u64::from_le_bytes(*checksum) != xxh3_64(rest) {
            return Err(damaged);
        }
        let (version, rest) = rest.split_first().ok_or(damaged)?;
        if *version != Self::VERSION {
            return Err(IdentityError::Version(*version));
        }
        let (herd, rest) = name(rest).ok_or(damaged)?;
        let (server, rest) = name(rest).ok_or(damaged)?;
        if rest.is_empty() { Ok(Self { herd, server }) } else { Err(damaged) }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {} of herd {}", self.server, self.herd)
    }
}

fn name(bytes: &[u8]) -> Option<(Name, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((Name::new(std::str::from_utf8(text).ok()?).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_makes_another_identity_or_version() {
        let identity = Identity { herd: Name::new("goloman").unwrap(), server: Name::new("Hands").unwrap() };
        let bytes = identity.encode();
        assert_eq!(Identity::decode(&bytes), Ok(identity));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Identity::decode(&flipped), Err(IdentityError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_told_whatever_else_it_says() {
        let rest = [9, 200, 1];
        let newer = [&xxh3_64(&rest).to_le_bytes()[..], &rest].concat();
        assert_eq!(Identity::decode(&newer), Err(IdentityError::Version(9)));
    }
}
