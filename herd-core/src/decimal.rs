//! Plain decimal numbers as bytes: `digits[.digits]`, the one number grammar of the line protocol.
//!
//! No sign, exponent or float in here: ranges are decided on the digits, so that no rounding can let a value in.

/// A number as its digits: one or more before the point, and after it none (then there is no point) or more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal<'a> {
    integer: Digits<'a>,
    fraction: Digits<'a>,
}

impl<'a> Decimal<'a> {
    /// The number that is all of `text`.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let (decimal, rest) = Self::take(text)?;
        rest.is_empty().then_some(decimal)
    }

    /// The longest number at the start of `text`, and what follows it.
    pub(crate) fn take(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (integer, rest) = Digits::take(text)?;
        let Some((b'.', rest)) = rest.split_first() else {
            return Some((Self { integer, fraction: Digits { text: &[], value: 0 } }, rest));
        };
        let (fraction, rest) = Digits::take(rest)?;
        Some((Self { integer, fraction }, rest))
    }

    /// How many digits stand before the point.
    pub(crate) const fn integer_digits(&self) -> usize {
        self.integer.text.len()
    }

    /// How many digits stand after the point.
    pub(crate) const fn fraction_digits(&self) -> usize {
        self.fraction.text.len()
    }

    /// The number without its fraction, unless that is 2^64 or more.
    pub(crate) fn whole(&self) -> Option<u64> {
        if self.integer.text.len() <= SURE_DIGITS {
            return Some(self.integer.value);
        }
        self.integer.text.iter().try_fold(0_u64, |value, digit| {
            value.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
        })
    }

    /// The fraction in units of its `places`-th digit (at most 19); later digits take no part.
    pub(crate) fn fraction_units(&self, places: usize) -> u64 {
        match places.checked_sub(self.fraction.text.len()) {
            Some(missing) => self.fraction.value * power_of_ten(missing),
            None => Digits::take(&self.fraction.text[..places]).map_or(0, |(used, _)| used.value),
        }
    }

    /// Whether the number is above `max`, every digit counted.
    pub(crate) fn exceeds(&self, max: u64) -> bool {
        self.whole().is_none_or(|whole| {
            whole > max || (whole == max && self.fraction.text.iter().any(|&digit| digit != b'0'))
        })
    }
}

/// So many digits are below 2^64 whatever they are.
const SURE_DIGITS: usize = 19;

/// A run of digits, and their value if they are no more than [`SURE_DIGITS`].
#[derive(Clone, Copy, Debug)]
struct Digits<'a> {
    text: &'a [u8],
    value: u64,
}

impl<'a> Digits<'a> {
    /// The digits at the start of `text`, at least one, and what follows them.
    fn take(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut value = 0_u64;
        let mut end = 0;
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(digit.into());
            end += 1;
        }
        let (text, rest) = text.split_at_checked(end).filter(|(text, _)| !text.is_empty())?;
        Some((Self { text, value }, rest))
    }
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
