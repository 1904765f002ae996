//! Plain decimal numbers as bytes: `digits[.digits]`, the one number grammar of the line protocol.
//!
//! No sign, exponent or float in here: ranges are decided on the digits, so that no rounding can let a value in.

/// A number as its digits: one or more before the point, and after it none (then there is no point) or more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal<'a> {
    integer: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    /// The number that is all of `text`.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let (decimal, rest) = Self::take(text)?;
        rest.is_empty().then_some(decimal)
    }

    /// The longest number at the start of `text`, and what follows it.
    pub(crate) fn take(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (integer, rest) = take_digits(text)?;
        let Some((b'.', rest)) = rest.split_first() else {
            return Some((Self { integer, fraction: &[] }, rest));
        };
        let (fraction, rest) = take_digits(rest)?;
        Some((Self { integer, fraction }, rest))
    }

    /// The digits before the point.
    pub(crate) const fn integer(&self) -> &'a [u8] {
        self.integer
    }

    /// The digits after the point.
    pub(crate) const fn fraction(&self) -> &'a [u8] {
        self.fraction
    }

    /// The number without its fraction, unless that is 2^64 or more.
    pub(crate) fn whole(&self) -> Option<u64> {
        self.integer.iter().try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
        })
    }

    /// The fraction in units of its `places`-th digit (at most 19); later digits take no part.
    pub(crate) fn fraction_units(&self, places: usize) -> u64 {
        let used = self.fraction.get(..places).unwrap_or(self.fraction);
        let value = used.iter().fold(0, |value, digit| value * 10 + u64::from(digit.wrapping_sub(b'0')));
        value * power_of_ten(places - used.len())
    }

    /// Whether the number is above `max`, every digit counted.
    pub(crate) fn exceeds(&self, max: u64) -> bool {
        self.whole().is_none_or(|whole| {
            whole > max || (whole == max && self.fraction.iter().any(|&digit| digit != b'0'))
        })
    }
}

/// The digits at the start of `text`, at least one, and what follows them.
fn take_digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 { None } else { text.split_at_checked(end) }
}

/// Ten to the `exponent`, for exponents up to 19.
pub(crate) const fn power_of_ten(exponent: usize) -> u64 {
    const POWERS: [u64; 20] = {
        let mut powers = [1; 20];
        let mut i = 1;
        while i < powers.len() {
            powers[i] = powers[i - 1] * 10;
            i += 1;
        }
        powers
    };
    POWERS[exponent]
}

/// Appends `value` with at least `width` digits (up to 20), filled with zeros from the left.
pub(crate) fn print_whole(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        // The remainder is below ten, so nothing is lost.
        digits[start] += (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}
