//! What time the herd thinks it is: this server's clock, moved by the median offset of its neighbours' clocks.

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::{server::Name, time::Timestamp};

/// The neighbours' clocks against ours.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    offsets: Mutex<Vec<(Name, i64)>>,
    median: AtomicI64,
}

impl Clocks {
    /// Takes note that `neighbour`'s clock is `offset` nanoseconds ahead of ours.
    pub(crate) fn observe(&self, neighbour: &Name, offset: i64) {
        let mut offsets = self.offsets.lock();
        match offsets.iter_mut().find(|(name, _)| name == neighbour) {
            Some(known) => known.1 = offset,
            None => offsets.push((neighbour.clone(), offset)),
        }
        self.median.store(median(&offsets), Ordering::Relaxed);
    }

    /// Forgets a neighbour that is gone.
    pub(crate) fn forget(&self, neighbour: &Name) {
        let mut offsets = self.offsets.lock();
        offsets.retain(|(name, _)| name != neighbour);
        self.median.store(median(&offsets), Ordering::Relaxed);
    }

    /// The herd's time when ours is `clock`.
    pub(crate) fn herd_time(&self, clock: Timestamp) -> Timestamp {
        clock.offset(self.median.load(Ordering::Relaxed))
    }
}

/// The middle offset; of two middle ones the one nearer to our own clock; 0 for a server alone.
fn median(offsets: &[(Name, i64)]) -> i64 {
    let mut sorted: Vec<i64> = offsets.iter().map(|(_, offset)| *offset).collect();
    sorted.sort_unstable();
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let lower =
        sorted.len().checked_sub(1).and_then(|last| sorted.get(last / 2)).copied().unwrap_or_default();
    if lower.unsigned_abs() < upper.unsigned_abs() { lower } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn herd_time_is_moved_by_the_median_neighbour() {
        let check = |offsets: &[i64], expected: i64| {
            let clocks = Clocks::default();
            for (i, offset) in offsets.iter().enumerate() {
                clocks.observe(&Name::new(&format!("n{i}")).unwrap(), *offset);
            }
            let at = Timestamp::from_nanos(1_000_000);
            assert_eq!(clocks.herd_time(at).nanos_since(at), expected, "{offsets:?}");
        };
        check(&[], 0);
        check(&[-7], -7);
        check(&[900, 3], 3);
        check(&[-900, -3, 12], -3);
        check(&[5, 999_999, 6, -999_999], 5);
    }

    #[test]
    fn a_neighbour_that_is_gone_has_no_say() {
        let clocks = Clocks::default();
        let gone = Name::new("gone").unwrap();
        clocks.observe(&gone, 500);
        clocks.forget(&gone);
        assert_eq!(clocks.herd_time(Timestamp::from_nanos(9)), Timestamp::from_nanos(9));
    }
}
