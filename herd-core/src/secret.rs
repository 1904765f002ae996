//! The herd's shared secret, and the keys that follow from it.
//!
//! Servers that share a herd name and a secret (or its absence) derive the same keys; nothing here is ever printed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::server::Name;

/// Bytes of a proof: one SHA-256.
pub const PROOF_BYTES: usize = 32;

/// A secret that all servers of a herd know. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What all servers of one herd derive alike from its name and secret.
#[derive(Clone)]
pub struct HerdKey {
    key: Vec<u8>,
    is_secret: bool,
}

impl HerdKey {
    /// The key of the herd `name`; without a secret anybody can derive it, which is for loopback only.
    #[must_use]
    pub fn derive(name: &Name, secret: Option<&Secret>) -> Self {
        let is_secret = secret.is_some();
        let secret = secret.map_or(&[][..], |s| &s.0);
        let key = mac(secret, &[b"herd 1 key", name.as_str().as_bytes()]).finalize().into_bytes().to_vec();
        Self { key, is_secret }
    }

    /// Whether a secret went into it, so that a proof proves anything.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// The proof that its maker knows the key, for this transcript of a handshake and this side of it.
    #[must_use]
    pub fn prove(&self, transcript: &[&[u8]]) -> [u8; PROOF_BYTES] {
        mac(&self.key, transcript).finalize().into_bytes().into()
    }

    /// Whether `proof` is what [`HerdKey::prove`] gives, in constant time.
    #[must_use]
    pub fn verify(&self, transcript: &[&[u8]], proof: &[u8]) -> bool {
        mac(&self.key, transcript).verify_slice(proof).is_ok()
    }

    /// Two numbers that place clients in shards and leaves, alike on all servers.
    #[must_use]
    pub fn placement(&self) -> [u64; 2] {
        let bytes = self.prove(&[b"placement"]);
        let half = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        [half(0).unwrap_or_default(), half(8).unwrap_or_default()]
    }
}

impl fmt::Debug for HerdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Each part goes in behind its length, so that no two lists of parts look alike.
fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC takes keys of any length; the fallback can never be reached and would match no peer.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, secret: &str) -> HerdKey {
        HerdKey::derive(&Name::new(name).unwrap(), Some(&Secret::new(secret)))
    }

    #[test]
    fn a_proof_holds_for_its_key_and_transcript_only() {
        let proof = key("a", "s").prove(&[b"x", b"yz"]);
        assert!(key("a", "s").verify(&[b"x", b"yz"], &proof));
        for other in [key("b", "s"), key("a", "t"), HerdKey::derive(&Name::new("a").unwrap(), None)] {
            assert!(!other.verify(&[b"x", b"yz"], &proof));
        }
        assert!(!key("a", "s").verify(&[b"xy", b"z"], &proof), "parts do not run into each other");
        assert!(!key("a", "s").verify(&[b"x", b"yz"], &proof[..31]));
    }

    #[test]
    fn nothing_secret_is_printed() {
        assert_eq!(format!("{:?}{:?}", Secret::new("hunter22"), key("a", "hunter22")), "******");
    }
}
