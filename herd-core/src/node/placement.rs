//! Where a client belongs: its shard and leaf, alike on all servers, and its slot, private to this one.

use siphasher::sip::SipHasher13;

use crate::{time::Timestamp, wire::record::Record};

/// The place of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: u8,
    pub(crate) leaf: u8,
    pub(crate) slot: u64,
}

/// See [`Placement::standing`].
pub(crate) type Standing = (Timestamp, u64);

/// The keys of the hash.
#[derive(Clone, Copy)]
pub(crate) struct Placement {
    shared: [u64; 2],
    private: u64,
}

impl Placement {
    pub(crate) const fn new(shared: [u64; 2], private: u64) -> Self {
        // The multiplier must be odd to be a bijection.
        Self { shared, private: private | 1 }
    }

    /// Who goes first when room is needed: the longest-silent client, and of those heard of at once one by chance, but the
    /// same one everywhere.
    pub(crate) fn standing(&self, record: &Record<'_>) -> Standing {
        (record.received_at(), self.hash(record.client()))
    }

    fn hash(&self, client: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.shared[0], self.shared[1]).hash(client)
    }

    /// A herd without a secret has a `shared` key that attackers know: they can crowd a shard, which costs parallelism,
    /// but not a slot, since that also hangs on a number that this process alone has.
    pub(crate) fn of(&self, client: &[u8]) -> Place {
        let hash = self.hash(client);
        let [shard, leaf, ..] = hash.to_be_bytes();
        let product = u128::from(hash ^ self.private) * u128::from(self.private);
        let [low, high] = [product, product >> 64].map(half);
        Place { shard, leaf, slot: low ^ high }
    }

    /// A seed for fingerprints of reports.
    pub(crate) const fn fingerprint_seed(&self) -> u64 {
        self.shared[0].rotate_left(32) ^ self.shared[1]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a half is what is asked for")]
const fn half(product: u128) -> u64 {
    product as u64
}

impl std::fmt::Debug for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Placement(***)")
    }
}
