//! How often each latency was seen: counts in classes whose width grows with the value, so that every percentile is
//! right to 1/128 of itself in 33 KiB.
//!
//! Not a general one: it counts nanoseconds up to 18 minutes; what takes longer counts as that.

/// Classes per power of two, as a power of two: what makes a class 1/128 of its value wide.
const FINENESS: u32 = 7;
const FINE: usize = 1 << FINENESS;
/// Values have at most this many bits: 2^40 ns are 18 minutes.
const BITS_MAX: u32 = 40;
const CLASSES: usize = FINE * (BITS_MAX - FINENESS + 1) as usize;

/// Counts of values in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; CLASSES], count: 0, max: 0 }
    }

    /// Counts `value` as seen `times` times.
    pub(crate) fn record(&mut self, value: u64, times: u64) {
        if let Some(count) = self.counts.get_mut(class(value)) {
            *count += times;
        }
        self.count += times;
        if times > 0 {
            self.max = self.max.max(value);
        }
    }

    /// Counts all that `other` has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// How many values.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The largest value; 0 if there is none.
    pub(crate) const fn max(&self) -> u64 {
        self.max
    }

    /// The smallest class's largest value such that at least `per_mille` of 1000 values are not larger; 0 of none.
    pub(crate) fn percentile(&self, per_mille: u64) -> u64 {
        let wanted = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1000).max(1);
        let mut seen = 0_u128;
        for (class, &count) in self.counts.iter().enumerate() {
            seen += u128::from(count);
            if seen >= wanted {
                return largest(class).min(self.max);
            }
        }
        self.max
    }
}

/// The class of a value: itself while it is small, then its power of two and its next seven bits.
#[expect(clippy::cast_possible_truncation, reason = "what is cast is below the number of classes")]
const fn class(value: u64) -> usize {
    let limit = (1 << BITS_MAX) - 1;
    let value = if value > limit { limit } else { value };
    if value < FINE as u64 {
        return value as usize;
    }
    let shift = value.ilog2() - FINENESS;
    // The leading one of the shifted value counts as one more power.
    ((shift as usize) << FINENESS) + (value >> shift) as usize
}

/// The largest value of a class.
const fn largest(class: usize) -> u64 {
    if class < FINE {
        return class as u64;
    }
    let shift = (class >> FINENESS) - 1;
    let first = ((class - (shift << FINENESS)) as u64) << shift;
    first + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_follow_each_other_without_a_gap() {
        for next in 1..CLASSES {
            assert_eq!(class(largest(next - 1) + 1), next);
            assert_eq!(class(largest(next)), next);
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn nothing_counted_has_no_latency() {
        let mut histogram = Histogram::new();
        histogram.record(7, 0);
        assert_eq!((histogram.percentile(500), histogram.max(), histogram.count), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn a_percentile_is_that_of_the_sorted_values_to_1_in_128(
            mut values in prop::collection::vec((0_u32..40, any::<u64>()).prop_map(|(bits, value)| value >> (63 - bits)), 1..200),
            per_mille in 1_u64..=1000,
        ) {
            let (mut whole, mut half) = (Histogram::new(), Histogram::new());
            for (nth, &value) in values.iter().enumerate() {
                let to = if nth % 2 == 0 { &mut whole } else { &mut half };
                to.record(value, 1);
            }
            whole.add(&half);
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(per_mille).unwrap()).div_ceil(1000);
            let exact = values[rank - 1];
            let told = whole.percentile(per_mille);
            prop_assert!((exact..=exact + exact / 128).contains(&told), "{told} for {exact}");
            prop_assert_eq!(whole.max(), values[values.len() - 1]);
            prop_assert_eq!(whole.percentile(1000), whole.max());
        }
    }
}
