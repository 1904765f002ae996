//! An IAMAT as nearly every client sends it, read in one go: one space between fields, ASCII, and numbers of usual length.
//!
//! The one thing to know: nothing is refused here. Whatever is unusual, be it right or wrong, is left for the grammar
//! ([`line`](super::line)) to judge, so only what is read has to be right: a property test holds the two together.

use crate::{
    command::{ClientId, Iamat},
    decimal::{EACH, leading_digits, power_of_ten},
    position::{Coordinate, LATITUDE, LONGITUDE, Location, Range},
    time::{ClientTime, NANOS_PER_SECOND},
};

const COMMAND: &[u8; 6] = b"IAMAT ";

/// The IAMAT at the start of `text`, and what follows its time. If that is a digit the time goes on, and this is no IAMAT.
#[inline]
pub(super) fn iamat(text: &[u8]) -> Option<(Iamat<'_>, &[u8])> {
    let from_client = text.strip_prefix(COMMAND)?;
    let (client, from_location) = client(from_client)?;
    let (latitude, rest) = side(from_location, LATITUDE)?;
    let (longitude, rest) = side(rest, LONGITUDE)?;
    let location = Location::of_usual(before(from_location, rest)?, latitude, longitude);
    let (time, rest) = time(rest.strip_prefix(b" ")?)?;
    let words = Some(before(from_client, rest)?);
    Some((Iamat { client, location, time, words }, rest))
}

/// A client's ID, and what follows the space behind it.
#[inline(always)]
fn client(text: &[u8]) -> Option<(ClientId<'_>, &[u8])> {
    let (mut rest, mut all) = (text, 0);
    let in_last = loop {
        let word = eight(rest);
        all |= word;
        // The top bit of each byte below 0x21; a borrow spoils later bytes only, and the first is what counts.
        let low = word.wrapping_sub(EACH * 0x21) & !word & (EACH << 7);
        if low != 0 {
            break (low.trailing_zeros() / 8) as usize;
        }
        rest = rest.get(8..)?;
    };
    let rest = rest.get(in_last..)?;
    let client = before(text, rest).filter(|client| !client.is_empty())?;
    // A few bytes behind the client are looked at with it: no harm, if they are usual.
    let is_ascii = all & (EACH << 7) == 0;
    Some((is_ascii.then(|| ClientId::of_ascii_field(client))?, rest.strip_prefix(b" ")?))
}

/// One side of a location, and what follows it.
#[inline(always)]
fn side(text: &[u8], range: Range) -> Option<(Coordinate, &[u8])> {
    let word = eight(text);
    // A plus is two below a minus. Half of all signs are either: a branch would be taken for the other one as often.
    let sign = word.to_le_bytes()[0].wrapping_sub(b'+');
    if sign & !2 != 0 {
        return None;
    }
    let (degrees, integer_digits) = leading_digits(word >> 8);
    if integer_digits == 0 || integer_digits > range.integer_digits_max {
        return None;
    }
    let rest = text.get(1 + usize::from(integer_digits)..)?;
    let (magnitude, fraction_digits, rest) = match rest.strip_prefix(b".") {
        None => (degrees, 0, rest),
        Some(rest) => {
            let (fraction, digits) = leading_digits(eight(rest));
            if digits == 0 || digits == 8 {
                return None;
            }
            let magnitude = degrees * power_of_ten(digits.into()) + fraction;
            (magnitude, digits, rest.get(usize::from(digits)..)?)
        }
    };
    let side = Coordinate { is_negative: sign != 0, integer_digits, fraction_digits, magnitude };
    (magnitude <= range.degrees_max * power_of_ten(fraction_digits.into())).then_some((side, rest))
}

/// A client's time with up to ten digits before the point and nine after it, and what follows that.
#[inline(always)]
fn time(text: &[u8]) -> Option<(ClientTime<'_>, &[u8])> {
    let (seconds, integer_digits, rest) = digits(text, 10)?;
    let (fraction, fraction_digits, rest) = match rest.strip_prefix(b".") {
        None => (0, 0, rest),
        Some(rest) => digits(rest, 9)?,
    };
    let nanos = seconds * NANOS_PER_SECOND + fraction * power_of_ten(usize::from(9 - fraction_digits));
    let text = before(text, rest)?;
    Some((ClientTime::read(text, nanos, integer_digits.into(), fraction_digits.into())?, rest))
}

/// One digit or more, but no more than `most`, which is eight or more: their value, how many they are, and what follows them.
#[inline(always)]
fn digits(text: &[u8], most: u8) -> Option<(u64, u8, &[u8])> {
    let (mut value, mut digits) = leading_digits(eight(text));
    let mut rest = text.get(usize::from(digits)..)?;
    if digits == 8 {
        while digits < most
            && let Some((digit @ b'0'..=b'9', after)) = rest.split_first()
        {
            value = value * 10 + u64::from(digit - b'0');
            digits += 1;
            rest = after;
        }
    }
    (digits > 0).then_some((value, digits, rest))
}

/// What of `text` stands before `rest`, its end.
#[inline(always)]
fn before<'a>(text: &'a [u8], rest: &[u8]) -> Option<&'a [u8]> {
    text.get(..text.len().wrapping_sub(rest.len()))
}

/// The first eight bytes, zeros behind the last.
#[inline(always)]
fn eight(text: &[u8]) -> u64 {
    text.first_chunk().map_or_else(|| padded(text), |eight| u64::from_le_bytes(*eight))
}

#[cold]
#[inline(never)]
fn padded(text: &[u8]) -> u64 {
    text.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        command::{Command, QuestionLimits},
        wire::line::by_the_grammar,
    };

    fn numbers() -> impl Strategy<Value = String> {
        prop_oneof![4 => "[0-9]{1,11}(\\.[0-9]{1,10})?", 1 => "[0-9.+/-]{0,9}"]
    }

    fn sides() -> impl Strategy<Value = String> {
        prop_oneof![8 => "[+-][01]?[0-9]{1,2}(\\.[0-9]{1,9})?", 1 => "[+-](90|180|090)(\\.0{0,7}1?)?", 1 => numbers()]
    }

    proptest! {
        #[test]
        fn what_is_read_in_one_go_is_what_the_grammar_reads(
            client in "[a-zA-Z0-9.@:é\u{1}-]{0,30}",
            location in (sides(), sides(), "/?").prop_map(|(a, b, end)| a + &b + &end),
            time in numbers(),
            between in prop::array::uniform3(prop_oneof![9 => " ", 1 => "[ \t\r]{0,2}"]),
            after in "(\n|\r\n|\r| |)[a-z]{0,9}",
        ) {
            let [a, b, c] = between;
            let line = format!("IAMAT{a}{client}{b}{location}{c}{time}");
            let text = format!("{line}{after}");
            if let Some((iamat, rest)) = iamat(text.as_bytes()) {
                let read = &text.as_bytes()[..text.len() - rest.len()];
                let Some(Command::Iamat(judged)) = by_the_grammar(read, &QuestionLimits { radius_km_max: None, bound_max: 0 }) else {
                    panic!("{text:?}");
                };
                prop_assert_eq!(iamat, judged);
                prop_assert_eq!(iamat.words, Some(&read[COMMAND.len()..]));
            }
        }
    }

    #[test]
    fn usual_lines_are_read_here() {
        for line in [
            "IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1520023934.918963997",
            "IAMAT x -0.0000001+180 1",
            "IAMAT 0123456789abcdef +90.0-5.5 0.5",
        ] {
            for after in ["", "\n", "\r\n", "\nIAMAT next"] {
                let text = format!("{line}{after}");
                let (_, rest) = iamat(text.as_bytes()).unwrap_or_else(|| panic!("{text:?}"));
                assert_eq!(rest, after.as_bytes());
            }
        }
    }
}
