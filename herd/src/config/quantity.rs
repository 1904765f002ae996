//! Sizes and durations as people write them: `"64KiB"`, `"1MiB"`, `"250ms"`, `"10m"`, `"7d"`.
//!
//! A size may also be a plain number of bytes. Fractions are not accepted: `"90s"` says what `"1.5m"` would.

use std::{fmt, time::Duration};

use serde::{Deserializer, de};

const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const NANOS: [(&str, u64); 6] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// A number of bytes, shown with the largest unit that divides it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size(pub(crate) u64);

/// A duration, shown with the largest unit that divides it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0, &SIZES)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0.as_nanos()) {
            Ok(0) => f.write_str("0s"),
            Ok(nanos) => show(f, nanos, &NANOS),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

fn show(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    match units.iter().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor)) {
        Some((unit, factor)) => write!(f, "{}{unit}", value / factor),
        None => write!(f, "{value}"),
    }
}

/// Reads a size in a configuration.
pub(crate) fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    from.deserialize_any(SizeVisitor)
}

/// Reads a duration in a configuration.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_str(DurationVisitor)
}

struct SizeVisitor;
struct DurationVisitor;

impl de::Visitor<'_> for SizeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64KiB\", \"1MiB\" or a number of bytes")
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        scale(text, &SIZES).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl de::Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"250ms\", \"5s\", \"10m\" or \"7d\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse_span(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Reads a duration on the command line.
///
/// # Errors
/// It is not one; the message says what one looks like.
pub(crate) fn parse_span(text: &str) -> Result<Duration, &'static str> {
    scale(text, &NANOS).map(Duration::from_nanos).ok_or("expected a duration such as 250ms, 5s or 10m")
}

/// `digits unit` in the smallest unit, unless it is malformed or too large.
fn scale(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(known, _)| *known == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for bytes in [1, 512, 1024, 1536, 64 << 20, 3 << 40] {
            assert_eq!(scale(&Size(bytes).to_string(), &SIZES), Some(bytes));
        }
        for millis in [0, 1, 250, 1000, 90_000, 3_600_000, 7 * 86_400_000] {
            let shown = Span(Duration::from_millis(millis)).to_string();
            assert_eq!(scale(&shown, &NANOS), Some(millis * 1_000_000), "{shown}");
        }
    }

    #[test]
    fn a_malformed_quantity_is_refused() {
        for text in ["", "5", "s", "-5s", "1.5m", "5 parsecs", "5S", "99999999999d", "１s"] {
            assert_eq!(scale(text, &NANOS), None, "{text}");
        }
        for text in ["64", "64kb", "64 KB", "KiB", "99999999TiB"] {
            assert_eq!(scale(text, &SIZES), None, "{text}");
        }
    }
}
