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

/// One in each byte.
pub(crate) const EACH: u64 = 0x0101_0101_0101_0101;

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
        let (mut value, mut end) = (0_u64, 0);
        while let Some(byte) = text.get(end) {
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

/// The value of the digits that eight bytes (the first one lowest) begin with, and how many these are: all at once, as pairs,
/// as fours, as a whole (D. Lemire, "Quickly parsing eight digits", 2018). The value of no digits means nothing.
#[inline(always)]
pub(crate) const fn leading_digits(text: u64) -> (u64, u8) {
    let digits = text ^ (EACH * 0x30);
    // The top bit of a byte that is above nine, and perhaps of those after it: the first is what counts.
    let others = (digits | digits.wrapping_add(EACH * 0x76)) & (EACH << 7);
    let bits = others.trailing_zeros() & !7;
    // What is no digit makes room for zeros in front of the digits.
    let digits = digits.wrapping_shl(64 - bits);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let all = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    (all, (bits / 8).to_le_bytes()[0])
}

/// Ten to the `exponent`, for exponents up to 19.
#[must_use]
pub const fn power_of_ten(exponent: usize) -> u64 {
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
    let (digits, start) = digits_of(value);
    out.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}

/// Appends `nanos` as seconds, with all nine digits of the fraction.
#[inline]
pub(crate) fn print_seconds(out: &mut Vec<u8>, nanos: u64) {
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if seconds < 10 {
        // So right is nearly every clock.
        out.push(b'0' + seconds.to_le_bytes()[0]);
    } else {
        print_whole(out, seconds, 1);
    }
    let [a, b, c, d, e, f, g, h] = (spread(fraction / 10) | (EACH * 0x30)).to_le_bytes();
    out.extend_from_slice(&[b'.', a, b, c, d, e, f, g, h, b'0' + (fraction % 10).to_le_bytes()[0]]);
}

/// The sixteen digits of `value`, which is below 10^16, and how many zeros they end with.
#[must_use]
#[inline]
pub fn sixteen_digits(value: u64) -> ([u8; 16], usize) {
    let (high, low) = (spread(value / EIGHT_DIGITS), spread(value % EIGHT_DIGITS));
    let zeros = if low == 0 { 8 + high.leading_zeros() / 8 } else { low.leading_zeros() / 8 };
    let mut digits = [0; 16];
    for (place, eight) in digits.chunks_exact_mut(8).zip([high, low]) {
        place.copy_from_slice(&(eight | (EACH * 0x30)).to_le_bytes());
    }
    (digits, zeros as usize)
}

const EIGHT_DIGITS: u64 = 100_000_000;

/// The digits of `value` behind zeros, and where the first one stands that is none of these.
#[inline]
fn digits_of(value: u64) -> ([u8; 24], usize) {
    let mut digits = [0; 24];
    let (mut start, mut is_zero) = (0, true);
    for (place, group) in digits.chunks_exact_mut(8).zip([
        value / EIGHT_DIGITS / EIGHT_DIGITS,
        value / EIGHT_DIGITS % EIGHT_DIGITS,
        value % EIGHT_DIGITS,
    ]) {
        let eight = spread(group);
        if is_zero {
            start += (eight.trailing_zeros() / 8) as usize;
            is_zero = eight == 0;
        }
        place.copy_from_slice(&(eight | (EACH * 0x30)).to_le_bytes());
    }
    (digits, start)
}

/// The eight digits of `value`, the first one in the lowest byte: [`leading_digits`] the other way. The factors are
/// reciprocals, exact for all that a field can hold.
#[inline]
const fn spread(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_of_four_digits_is_spread_as_the_library_prints_it() {
        for four in 0..10_000 {
            for value in [four, four * 10_000, four * 10_000 + 9_999 - four] {
                let digits = (spread(value) | (EACH * 0x30)).to_le_bytes();
                assert_eq!(str::from_utf8(&digits), Ok(format!("{value:08}").as_str()));
            }
        }
    }

    #[test]
    fn sixteen_digits_are_those_that_the_library_prints() {
        for value in (0..16).map(power_of_ten).flat_map(|power| [power - 1, power, 37 * power % 10_000]) {
            let (digits, zeros) = sixteen_digits(value);
            let expected = format!("{value:016}");
            assert_eq!(str::from_utf8(&digits), Ok(expected.as_str()));
            assert_eq!(zeros, 16 - expected.trim_end_matches('0').len());
        }
    }

    #[test]
    fn wholes_and_seconds_are_printed_as_the_library_prints_them() {
        let powers = (0..20).map(power_of_ten).flat_map(|power| [power - 1, power, power + 1]);
        for value in powers.chain([u64::MAX, 1 << 63, 1_520_023_934_918_963_997]) {
            let printed = |print: &dyn Fn(&mut Vec<u8>)| {
                let mut out = Vec::new();
                print(&mut out);
                String::from_utf8(out).unwrap()
            };
            for width in [1, 2, 9, 20] {
                let (got, expected) =
                    (printed(&|out| print_whole(out, value, width)), format!("{value:0width$}"));
                assert_eq!(got, expected);
            }
            let (seconds, nanos) = (value / 1_000_000_000, value % 1_000_000_000);
            assert_eq!(printed(&|out| print_seconds(out, value)), format!("{seconds}.{nanos:09}"));
        }
    }
}
