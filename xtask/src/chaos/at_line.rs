//! An AT line, taken apart without the code under test.

/// `AT <server> <skew> <client> <location> <time>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AtLine<'a> {
    pub(super) server: &'a str,
    /// Nanoseconds.
    pub(super) skew: i64,
    pub(super) client: &'a str,
    /// Location and time.
    pub(super) text: &'a str,
}

impl<'a> AtLine<'a> {
    /// Reads a line without its LF; none if it is no AT line.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.strip_prefix("AT ")?.splitn(4, ' ');
        let (server, skew) = (fields.next()?, fields.next()?);
        Some(Self { server, skew: nanos(skew)?, client: fields.next()?, text: fields.next()? })
    }
}

/// `+1.000000002`: a sign, seconds and exactly nine digits.
fn nanos(skew: &str) -> Option<i64> {
    let (seconds, fraction) = skew.split_once('.').filter(|(_, fraction)| fraction.len() == 9)?;
    let digits = seconds.strip_prefix(['+', '-'])?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let nanos = format!("{digits}{fraction}");
    let magnitude: i64 = is_number(&nanos).then(|| nanos.parse().ok())??;
    Some(if seconds.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_has_a_sign_and_nine_digits() {
        let skew = |text: &str| AtLine::parse(&format!("AT Hands {text} kiwi +1-2 3")).map(|line| line.skew);
        assert_eq!(skew("+1.000000002"), Some(1_000_000_002));
        assert_eq!(skew("-0.000000001"), Some(-1));
        for wrong in ["1.000000002", "+1.00000002", "+1", "+1.00000000x", "+-1.000000000"] {
            assert_eq!(skew(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_text_is_location_and_time() {
        let line = AtLine::parse("AT Hands +0.000000000 kiwi +1-2 3.5").unwrap();
        assert_eq!((line.server, line.client, line.text), ("Hands", "kiwi", "+1-2 3.5"));
        assert_eq!(AtLine::parse("? IAMAT kiwi"), None);
    }
}
