//! Numbers as C's `%.16g` prints them, to the digit.
//!
//! The one thing to know: an answer has 120 of them, so those of everyday size are printed with one multiplication of
//! 128 bits, which is exact; the standard library prints the others.

use std::io::Write;

use herd_core::decimal::{power_of_ten, sixteen_digits};

/// Digits that are printed.
const DIGITS: usize = 16;

/// Appends a number; one that JSON cannot tell is 0.
pub(crate) fn print(number: f64, out: &mut Vec<u8>) {
    let size = number.abs();
    // Counted, not searched for: which of a few bounds a number is below cannot be foreseen.
    let below = |bounds: &[f64]| bounds.iter().map(|&bound| usize::from(size < bound)).sum::<usize>();
    let decimals = match size {
        1.0..1000.0 => 13 + below(&[100.0, 10.0]),
        0.0001..1.0 => 16 + below(&[0.1, 0.01, 0.001]),
        _ => return print_any(number, out),
    };
    if number < 0.0 {
        out.push(b'-');
    }
    print_exactly(size, decimals, out);
}

/// A number of everyday size, rounded half to even to so many decimals, which makes sixteen digits of it.
fn print_exactly(size: f64, decimals: usize, out: &mut Vec<u8>) {
    let bits = size.to_bits();
    let scale = power_of_ten(decimals);
    // The number is `fraction` / 2^`shift`: of 0.0001 to 1000 the shift is 43 to 66.
    let shift = (1075 - (bits >> 52)) & 127;
    let fraction = bits & ((1 << 52) - 1) | 1 << 52;
    // 53 bits times 64 bits.
    let product = u128::from(fraction) * u128::from(scale);
    let (whole, rest, half) = (product >> shift, product & ((1 << shift) - 1), 1 << (shift - 1));
    let rounds_up = rest > half || rest == half && whole & 1 == 1;
    match u64::try_from(whole).map(|whole| whole + u64::from(rounds_up)) {
        Ok(rounded) if rounded < power_of_ten(DIGITS) => print_digits(rounded, decimals, out),
        // Rounded up to the next power of ten.
        _ => print_any(size, out),
    }
}

/// Sixteen digits, the last so many of them behind the point, without the zeros that say nothing.
fn print_digits(digits: u64, decimals: usize, out: &mut Vec<u8>) {
    let (text, zeros) = sixteen_digits(digits);
    if decimals >= DIGITS {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + decimals - DIGITS, b'0');
        return out.extend_from_slice(text.get(..DIGITS - zeros).unwrap_or_default());
    }
    // All in one piece, the first digit lowest: those behind the point make room for it, so that the last one falls off and is
    // appended. What says nothing is taken back, and the point with it if nothing is left behind it.
    let all = u128::from_le_bytes(text);
    let before = 8 * (DIGITS - decimals);
    let head = (1 << before) - 1;
    let with_point = all & head | u128::from(b'.') << before | (all & !head) << 8;
    out.extend_from_slice(&with_point.to_le_bytes());
    out.push(text[DIGITS - 1]);
    out.truncate(out.len() - if zeros < decimals { zeros } else { decimals + 1 });
}

fn print_any(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.push(b'0');
        return;
    }
    let scientific = format!("{number:.15e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let decimals = usize::try_from(15 - exponent).unwrap_or(0);
        let fixed = format!("{number:.decimals$}");
        out.extend_from_slice(without_zeros(&fixed).as_bytes());
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to memory cannot fail.
        let _ = write!(out, "{}e{sign}{:02}", without_zeros(mantissa), exponent.unsigned_abs());
    }
}

/// A decimal number without the zeros that say nothing.
fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(number: f64) -> String {
        let mut out = Vec::new();
        print(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_printed_as_c_prints_them() {
        let cases = [
            (34.053_526_700_000_01, "34.05352670000001"),
            (-33.887_606, "-33.887606"),
            (4.0, "4"),
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (-118.445_127, "-118.445127"),
            (100.0, "100"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e16, "1e+16"),
            (123_456_789_012_345.6, "123456789012345.6"),
            (9.999_999_999_999_999_9, "10"),
            (999.999_999_999_999_9, "999.9999999999999"),
            (999.999_999_999_999_99, "1000"),
            // Halfway between two: 1 + 2^-16 and the next such with an odd digit.
            (1.000_015_258_789_062_5, "1.000015258789062"),
            (1.000_045_776_367_187_5, "1.000045776367188"),
            (f64::NAN, "0"),
        ];
        for (number, expected) in cases {
            assert_eq!(printed(number), expected);
        }
    }

    proptest! {
        #[test]
        fn printed_numbers_keep_sixteen_digits(number in -1e9..1e9f64) {
            let back: f64 = printed(number).parse().unwrap();
            prop_assert!((back - number).abs() <= number.abs() * 1e-15);
        }

        #[test]
        fn everyday_numbers_are_printed_as_all_others(
            number in prop_oneof![
                -1100.0..1100.0f64, -1.0..1.0f64, -0.001..0.001f64, any::<f64>(),
                (-1_800_000_000..1_800_000_000i32).prop_map(|units| f64::from(units) / 1e7),
                // With few bits, among which are those halfway between two.
                (0..1 << 27u64, 1..70i32).prop_map(|(bits, shift)| bits as f64 * 2f64.powi(-shift)),
                (-4..4i32, -3..=3i64).prop_map(|(power, ulps)| {
                    f64::from_bits(10f64.powi(power).to_bits().wrapping_add_signed(ulps))
                }),
            ],
        ) {
            let mut expected = Vec::new();
            print_any(number, &mut expected);
            prop_assert_eq!(printed(number), String::from_utf8(expected).unwrap());
        }
    }
}
