//! How times and foreign bytes look in the log: always one line, always reversible.

use std::io::Write as _;

use herd_core::time::Timestamp;

pub(super) const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Appends `text`: printable ASCII and letters and digits of any script as they are, a backslash as `\\`, every other
/// byte as `\xNN`.
pub(super) fn escape(out: &mut Vec<u8>, text: &[u8]) {
    // Nearly every line is plain, and looking at all of its bytes is faster than stopping at the first that is not.
    if text.iter().fold(true, |is_plain, &byte| is_plain & is_plain_ascii(byte)) {
        out.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).as_bytes();
            match bytes {
                b"\\" => out.extend_from_slice(b"\\\\"),
                &[byte] if is_plain_ascii(byte) => out.push(byte),
                // Letters only: line separators, marks that turn the direction of text and the like are none.
                [_, _, ..] if c.is_alphanumeric() => out.extend_from_slice(bytes),
                _ => escape_bytes(out, bytes),
            }
        }
        escape_bytes(out, chunk.invalid());
    }
}

fn is_plain_ascii(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) & (byte != b'\\')
}

fn escape_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        // Writing to memory cannot fail.
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// Appends `at` as `2026-11-21T00:44:05.123456789Z`.
pub(super) fn print_time(out: &mut Vec<u8>, at: Timestamp) {
    let (second, nanos) = (at.as_nanos() / NANOS_PER_SECOND, at.as_nanos() % NANOS_PER_SECOND);
    let (year, month, day) = date(second / 86_400);
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z");
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years are 146,097 days.
const fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    let days = days + DAYS_TO_1970;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March to January alternate so that five months have 153 days.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, carry) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn unescaped(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            let (byte, after) = match (first, after) {
                (b'\\', [b'\\', after @ ..]) => (b'\\', after),
                (b'\\', [b'x', high, low, after @ ..]) => {
                    let hex = [*high, *low];
                    (u8::from_str_radix(str::from_utf8(&hex).unwrap(), 16).unwrap(), after)
                }
                _ => (first, after),
            };
            out.push(byte);
            rest = after;
        }
        out
    }

    #[test]
    fn only_letters_digits_and_printable_ascii_stay_as_they_are() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text.as_bytes()), expected);
        check("IAMAT kiwi +34-118 1 ~", "IAMAT kiwi +34-118 1 ~");
        check("猕猴桃 é ß 7 ٣", "猕猴桃 é ß 7 ٣");
        check("a\\b\r\n\t\0\x7f", "a\\\\b\\x0d\\x0a\\x09\\x00\\x7f");
        check("\u{85}\u{a0}", "\\xc2\\x85\\xc2\\xa0");
        check("\u{2028}\u{202e}", "\\xe2\\x80\\xa8\\xe2\\x80\\xae");
        check("🥝", "\\xf0\\x9f\\xa5\\x9d");
        assert_eq!(escaped(b"a\xff\xe7\x8cb"), "a\\xff\\xe7\\x8cb");
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_line_that_can_be_turned_back(
            bytes in prop_oneof![any::<Vec<u8>>(), "\\PC*|.*".prop_map(String::into_bytes)],
        ) {
            let line = escaped(&bytes);
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            prop_assert_eq!(line.lines().count(), usize::from(!bytes.is_empty()));
            prop_assert_eq!(unescaped(&line), bytes);
        }
    }

    #[test]
    fn times_are_dates_of_the_gregorian_calendar() {
        let check = |nanos: u64, expected: &str| {
            let mut out = Vec::new();
            print_time(&mut out, Timestamp::from_nanos(nanos));
            assert_eq!(str::from_utf8(&out), Ok(expected));
        };
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(951_782_399_999_999_999, "2000-02-28T23:59:59.999999999Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z");
        check(1_520_023_934_918_963_997, "2018-03-02T20:52:14.918963997Z");
        check(4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z");
        check(u64::MAX, "2262-04-11T23:47:16.854775807Z");
    }
}
