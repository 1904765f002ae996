//! What was measured how often, and what is said of it: the median, and how far the rest lies from it.

use std::fmt;

/// Results of one measurement, repeated.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    pub(super) fn add(&mut self, value: f64) {
        let at = self.0.partition_point(|other| *other < value);
        self.0.insert(at, value);
    }

    /// Zero if nothing was measured.
    pub(super) fn median(&self) -> f64 {
        let at = |index: usize| self.0.get(index).copied().unwrap_or_default();
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        }
    }

    /// The largest distance of a result from the median, as a share of it.
    pub(super) fn spread(&self) -> f64 {
        let (median, first, last) = (self.median(), self.0.first(), self.0.last());
        let (Some(first), Some(last)) = (first, last) else { return 0.0 };
        if median > 0.0 { (last - median).max(median - first) / median } else { 0.0 }
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut sample = Self::default();
        values.into_iter().for_each(|value| sample.add(value));
        sample
    }
}

/// A number with three digits that count, and thousands set apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure(pub(super) f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        let size = value.abs();
        if size < 1000.0 {
            let decimals = [100.0, 10.0, 1.0, 0.1].iter().filter(|bound| size < **bound).count();
            return write!(f, "{value:.decimals$}");
        }
        let unit = 10_f64.powf(size.log10().floor() - 2.0);
        let digits = format!("{:.0}", (value / unit).round() * unit);
        let apart: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().filter_map(|part| std::str::from_utf8(part).ok()).collect();
        f.write_str(&apart.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let sample = |values: &[f64]| values.iter().copied().collect::<Sample>();
        assert_eq!(sample(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(sample(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(sample(&[]).median(), 0.0);
        assert_eq!(sample(&[9.0, 10.0, 12.0]).spread(), 0.2);
    }

    #[test]
    fn a_figure_says_no_more_than_was_measured() {
        let cases = [(0.0312, "0.0312"), (0.431, "0.431"), (4.987, "4.99"), (43.25, "43.2"), (765.4, "765")];
        let large = [(1234.5, "1,230"), (195_432.0, "195,000"), (8_712_345.0, "8,710,000")];
        for (value, text) in cases.iter().chain(&large) {
            assert_eq!(Figure(*value).to_string(), *text);
        }
    }
}
