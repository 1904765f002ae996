//! Time as an argument: wall-clock [`Timestamp`], monotonic [`Moment`] and the client's own [`ClientTime`].
//!
//! All are whole nanoseconds: a double cannot hold `1520023934.918963997`. Nothing in this crate reads a clock.

use std::time::Duration;

use crate::decimal::{Decimal, power_of_ten, print_whole};

pub(crate) const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A point in wall-clock time: nanoseconds since 1970-01-01T00:00:00Z, below 2^63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last point that can be told: 2262-04-11.
    pub const MAX: Self = Self((1 << 63) - 1);

    /// The point `nanos` after the epoch, [`Timestamp::MAX`] if it lies beyond that.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        if nanos > Self::MAX.0 { Self::MAX } else { Self(nanos) }
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Signed nanoseconds from `earlier` to `self`.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> i64 {
        self.0.cast_signed() - earlier.0.cast_signed()
    }

    /// This point moved by `nanos`, kept within the range.
    #[must_use]
    pub fn offset(self, nanos: i64) -> Self {
        Self(self.0.saturating_add_signed(nanos).min(Self::MAX.0))
    }

    /// This point `duration` later, kept within the range.
    #[must_use]
    pub fn later(self, duration: Duration) -> Self {
        Self::from_nanos(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A point of a monotonic clock: nanoseconds since some start that only its driver knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `nanos` after the driver's start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the driver's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn later(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Time from `earlier` to `self`, zero if that is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks of one server, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: for time-outs.
    pub moment: Moment,
    /// Wall clock: for reports.
    pub clock: Timestamp,
}

/// A client's time as it was sent, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTime<'a> {
    text: &'a [u8],
    at: Timestamp,
    /// Digits after the point, if the text follows from the numbers.
    packed_digits: Option<u8>,
}

impl<'a> ClientTime<'a> {
    /// Checks POSIX seconds as clients write them: `digits[.digits]`, below 2^63 nanoseconds. Digits past the
    /// ninth of the fraction stay in the text and take no part in the meaning.
    ///
    /// ```
    /// use herd_core::time::ClientTime;
    ///
    /// let time = ClientTime::parse(b"1520023934.918963997").unwrap();
    /// assert_eq!(time.at().as_nanos(), 1_520_023_934_918_963_997);
    /// assert!(ClientTime::parse(b"9223372036.854775807").is_some());
    /// assert!(ClientTime::parse(b"9223372036.854775808").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let decimal = Decimal::parse(text)?;
        let seconds = decimal.whole()?;
        let nanos = seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(decimal.fraction_units(9))?;
        Self::read(text, nanos, decimal.integer_digits(), decimal.fraction_digits())
    }

    /// A text that means so many nanoseconds and has so many digits before and behind its point.
    #[inline(always)]
    pub(crate) fn read(
        text: &'a [u8],
        nanos: u64,
        integer_digits: usize,
        fraction_digits: usize,
    ) -> Option<Self> {
        let at = Timestamp(nanos);
        let is_packed = fraction_digits <= 9 && (integer_digits == 1 || text.first() != Some(&b'0'));
        let packed_digits = u8::try_from(fraction_digits).ok().filter(|_| is_packed);
        (at <= Timestamp::MAX).then_some(Self { text, at, packed_digits })
    }

    /// The text, byte for byte.
    #[must_use]
    pub const fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The time meant.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The time without its text, if the text follows from the numbers.
    #[must_use]
    pub fn packed(&self) -> Option<PackedTime> {
        self.packed_digits.map(|fraction_digits| PackedTime { at: self.at, fraction_digits })
    }
}

/// A client's time whose text follows from its numbers: no superfluous leading zero, at most nine fraction digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedTime {
    /// The time itself.
    pub at: Timestamp,
    /// Digits after the point, 0 (and no point) to 9.
    pub fraction_digits: u8,
}

impl PackedTime {
    /// The time told with so many fraction digits, unless they are more than nine or too few to tell it.
    #[must_use]
    pub fn new(at: Timestamp, fraction_digits: u8) -> Option<Self> {
        let untold = 9_usize.checked_sub(fraction_digits.into())?;
        // Of nano-, micro- and milliseconds, as clients tell them, without a division: one by a constant is none.
        let tells_all = match untold {
            0 => true,
            3 => at.0.is_multiple_of(1_000),
            6 => at.0.is_multiple_of(1_000_000),
            _ => at.0.is_multiple_of(power_of_ten(untold)),
        };
        tells_all.then_some(Self { at, fraction_digits })
    }

    /// Appends the text.
    pub fn print(self, out: &mut Vec<u8>) {
        print_whole(out, self.at.0 / NANOS_PER_SECOND, 1);
        // The fields are public: a count that `new` refuses is read as nine.
        let told = usize::from(self.fraction_digits).min(9);
        if told > 0 {
            out.push(b'.');
            print_whole(out, self.at.0 % NANOS_PER_SECOND / power_of_ten(9 - told), told);
        }
    }
}
