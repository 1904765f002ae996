//! Where chance comes from: one seed, and a stream of its own for each purpose, so that a run with fewer faults or
//! clients draws the rest as before.

/// A seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The random numbers for one purpose.
    pub(crate) fn stream(self, purpose: &str) -> fastrand::Rng {
        // FNV-1a: only different purposes have to differ.
        let hash = purpose.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
        fastrand::Rng::with_seed(self.0 ^ hash)
    }
}
