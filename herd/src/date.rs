//! Dates as other programs write them: ISO 8601, as X and tracks of phones have it.

use herd_core::time::Timestamp;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Days from 1 March of the year 0 to 1 January 1970.
const EPOCH_DAY: u64 = 719_468;

/// The point that `2023-05-01T12:34:56.789Z` is; an offset such as `+02:00` may stand for the `Z`, and without either it
/// is UTC. `None` for anything else, before 1970 too.
pub(crate) fn point(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let (time, offset_minutes) = zone(time)?;
    let (time, nanos) = match time.split_once('.') {
        Some((time, fraction)) => (time, nanos(fraction)?),
        None => (time, 0),
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_valid = (1969..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_valid {
        return None;
    }
    // Years begin in March, so that leap days come last.
    let years = if month < 3 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    let seconds =
        (days * 86_400 + hour * 3600 + minute * 60 + second).checked_add_signed(-60 * offset_minutes)?;
    let since_epoch = seconds.checked_sub(EPOCH_DAY * 86_400)?;
    Some(Timestamp::from_nanos(since_epoch.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos)?))
}

/// Days of a month, from 1.
fn days_of(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A time without its zone, and the minutes by which that is ahead of UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(sign) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (time, offset) = time.split_at_checked(sign)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = 60 * hours.parse::<i64>().ok().filter(|hours| (0..24).contains(hours))?
        + minutes.parse::<i64>().ok().filter(|minutes| (0..60).contains(minutes))?;
    Some((time, if offset.starts_with('-') { -minutes } else { minutes }))
}

/// The first nine digits of a fraction of a second.
fn nanos(fraction: &str) -> Option<u64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<9}").get(..9)?.parse().ok()
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let numbers: Option<Vec<u64>> = text.split(between).map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_others_write_them() {
        for (text, expected) in [
            ("2012-11-16T07:38:34.000Z", Some(1_353_051_514_000_000_000)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T00:00:00.999Z", Some(951_782_400_999_000_000)),
            ("2023-12-31T23:59:59.0123456789Z", Some(1_704_067_199_012_345_678)),
            ("2023-12-31T23:59:59", Some(1_704_067_199_000_000_000)),
            ("2024-01-01T01:29:59+01:30", Some(1_704_067_199_000_000_000)),
            ("1969-12-31T23:00:00-01:00", Some(0)),
            ("1970-01-01T00:59:59+01:00", None),
            ("1969-12-31T23:59:59Z", None),
            ("1901-12-13T20:45:52.2073437Z", None),
            ("0000-01-01T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-02-28T00:00:00Z", Some(1_677_542_400_000_000_000)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2023-02-31T00:00:00Z", None),
            ("2024-02-30T00:00:00Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2023-04-31T00:00:00Z", None),
            ("2023-12-32T00:00:00Z", None),
            ("2023-12-00T00:00:00Z", None),
            ("2023-01-01T00:00:00.Z", None),
            ("2023-01-01T00:00:00+1", None),
            ("18446744073709551615-01-01T00:00:00Z", None),
            ("2023-01-01", None),
            ("", None),
        ] {
            assert_eq!(point(text).map(Timestamp::as_nanos), expected, "{text}");
        }
    }
}
