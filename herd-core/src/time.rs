//! Time as an argument: wall-clock [`Timestamp`], monotonic [`Moment`] and the client's own [`ClientTime`].
//!
//! All are whole nanoseconds: a double cannot hold `1520023934.918963997`. Nothing in this crate reads a clock.

use std::time::Duration;

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
}

/// A client's time whose text follows from its numbers: no superfluous leading zero, at most nine fraction digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedTime {
    /// The time itself.
    pub at: Timestamp,
    /// Digits after the point, 0 (and no point) to 9.
    pub fraction_digits: u8,
}
