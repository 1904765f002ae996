//! Where a client is: the ISO 6709 text it sent, and the numbers in it.
//!
//! Ranges are checked on the digits. The one thing to know: a location prints as the client wrote it, so its
//! packed form keeps leading zeros, trailing zeros, the sign of zero and the closing `/`.

use crate::decimal::{Decimal, power_of_ten, print_whole};

/// Fraction digits that a [`PackedLocation`] can hold: 180.0000000 as one integer fits 32 bits.
const PACKED_FRACTION_DIGITS_MAX: u8 = 7;

/// Fraction digits that take part in a [`Position`]: 180 and 13 digits are an integer below 2^53, so that one
/// division gives the nearest double. The thirteenth is a hundredth of a micrometre.
const FRACTION_DIGITS_USED: usize = 13;

/// A checked location text, for example `+34.068930-118.445127`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    text: &'a [u8],
    packed: Option<PackedLocation>,
}

impl<'a> Location<'a> {
    /// Checks ISO 6709 decimal degrees: latitude (1-2 integer digits, at most 90) and longitude (1-3, at most
    /// 180), each with its sign and optionally a fraction, and an optional closing `/`.
    ///
    /// ```
    /// use herd_core::position::Location;
    ///
    /// let location = Location::parse(b"+34.068930-118.445127").unwrap();
    /// assert_eq!(location.position().latitude(), 34.068930);
    /// assert!(Location::parse(b"+34-118/").is_some());
    /// assert!(Location::parse(b"34-118").is_none());
    /// assert!(Location::parse(b"+90.0000000000000000001-118").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (latitude, longitude) = sides(text)?;
        Some(Self { text, packed: PackedLocation::of(latitude, longitude, text.ends_with(b"/")) })
    }

    /// What was read of a text with up to seven fraction digits on either side, and no closing `/`.
    #[inline(always)]
    pub(crate) fn of_usual(text: &'a [u8], latitude: Coordinate, longitude: Coordinate) -> Self {
        Self { text, packed: PackedLocation::of(latitude, longitude, false) }
    }

    /// The text, byte for byte.
    #[must_use]
    pub const fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The point meant.
    #[must_use]
    pub fn position(&self) -> Position {
        self.packed.map_or_else(|| self.position_of_text(), PackedLocation::position)
    }

    fn position_of_text(&self) -> Position {
        // It was checked; the fallback can never be reached.
        let sides = sides(self.text).map(|(latitude, longitude)| (latitude.degrees(), longitude.degrees()));
        let (latitude, longitude) = sides.unwrap_or_default();
        Position { latitude, longitude }
    }

    /// The location without its text, if the text follows from the numbers.
    #[must_use]
    pub const fn packed(&self) -> Option<PackedLocation> {
        self.packed
    }
}

/// Latitude and longitude of a location's whole text.
fn sides(text: &[u8]) -> Option<(Coordinate, Coordinate)> {
    let (latitude, rest) = Coordinate::take(text, LATITUDE)?;
    let (longitude, rest) = Coordinate::take(rest, LONGITUDE)?;
    matches!(rest, b"" | b"/").then_some((latitude, longitude))
}

/// A location whose text follows from its numbers: at most seven fraction digits on either side. Ten bytes.
///
/// `layout`, from the lowest bit: latitude is negative, longitude is negative, `/` closes (1 bit each), integer
/// digits of latitude and of longitude with leading zeros (2 bits each), fraction digits of both (3 bits each),
/// three zero bits. `latitude` and `longitude` are all digits of a side read as one integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLocation {
    layout: u16,
    latitude: u32,
    longitude: u32,
}

impl PackedLocation {
    #[inline(always)]
    fn of(latitude: Coordinate, longitude: Coordinate, is_closed: bool) -> Option<Self> {
        if latitude.fraction_digits.max(longitude.fraction_digits) > PACKED_FRACTION_DIGITS_MAX {
            return None;
        }
        let layout = u16::from(latitude.is_negative)
            | u16::from(longitude.is_negative) << 1
            | u16::from(is_closed) << 2
            | u16::from(latitude.integer_digits) << 3
            | u16::from(longitude.integer_digits) << 5
            | u16::from(latitude.fraction_digits) << 7
            | u16::from(longitude.fraction_digits) << 10;
        Some(Self {
            layout,
            latitude: u32::try_from(latitude.magnitude).ok()?,
            longitude: u32::try_from(longitude.magnitude).ok()?,
        })
    }

    /// Layout, latitude, longitude, each little-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 10] {
        let [a, b] = self.layout.to_le_bytes();
        let [c, d, e, f] = self.latitude.to_le_bytes();
        let [g, h, i, j] = self.longitude.to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j]
    }

    /// What [`to_bytes`](Self::to_bytes) gave; `None` for bytes that stand for no valid location.
    #[must_use]
    pub fn from_bytes([a, b, c, d, e, f, g, h, i, j]: [u8; 10]) -> Option<Self> {
        let packed = Self {
            layout: u16::from_le_bytes([a, b]),
            latitude: u32::from_le_bytes([c, d, e, f]),
            longitude: u32::from_le_bytes([g, h, i, j]),
        };
        let is_valid = packed.layout >> 13 == 0
            && packed.latitude().is_within(LATITUDE)
            && packed.longitude().is_within(LONGITUDE);
        is_valid.then_some(packed)
    }

    /// The point meant.
    #[must_use]
    pub fn position(self) -> Position {
        Position { latitude: self.latitude().degrees(), longitude: self.longitude().degrees() }
    }

    /// Appends the text.
    pub fn print(self, out: &mut Vec<u8>) {
        self.latitude().print(out);
        self.longitude().print(out);
        if self.bits(2, 1) == 1 {
            out.push(b'/');
        }
    }

    const fn latitude(self) -> Coordinate {
        Coordinate {
            is_negative: self.bits(0, 1) == 1,
            integer_digits: self.bits(3, 2),
            fraction_digits: self.bits(7, 3),
            magnitude: self.latitude as u64,
        }
    }

    const fn longitude(self) -> Coordinate {
        Coordinate {
            is_negative: self.bits(1, 1) == 1,
            integer_digits: self.bits(5, 2),
            fraction_digits: self.bits(10, 3),
            magnitude: self.longitude as u64,
        }
    }

    /// `count` (up to 8) bits of the layout from bit `first` on.
    const fn bits(self, first: u32, count: u32) -> u8 {
        (self.layout >> first).to_le_bytes()[0] & (u8::MAX >> (8 - count))
    }
}

/// What may be on one side of a location.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) integer_digits_max: u8,
    pub(crate) degrees_max: u64,
}

pub(crate) const LATITUDE: Range = Range { integer_digits_max: 2, degrees_max: 90 };
pub(crate) const LONGITUDE: Range = Range { integer_digits_max: 3, degrees_max: 180 };

/// One side of a location: `magnitude` is its digits as one integer, of which the last `fraction_digits` (cut at
/// [`FRACTION_DIGITS_USED`]) stand behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coordinate {
    pub(crate) is_negative: bool,
    pub(crate) integer_digits: u8,
    pub(crate) fraction_digits: u8,
    pub(crate) magnitude: u64,
}

impl Coordinate {
    /// The coordinate at the start of `text`, and what follows it.
    fn take(text: &[u8], range: Range) -> Option<(Self, &[u8])> {
        let (is_negative, unsigned) = match text.split_first()? {
            (b'+', rest) => (false, rest),
            (b'-', rest) => (true, rest),
            _ => return None,
        };
        let (decimal, rest) = Decimal::take(unsigned)?;
        let integer_digits = u8::try_from(decimal.integer_digits()).ok()?;
        if integer_digits > range.integer_digits_max || decimal.exceeds(range.degrees_max) {
            return None;
        }
        let used = decimal.fraction_digits().min(FRACTION_DIGITS_USED);
        let magnitude = decimal.whole()? * power_of_ten(used) + decimal.fraction_units(used);
        Some((
            Self { is_negative, integer_digits, fraction_digits: u8::try_from(used).ok()?, magnitude },
            rest,
        ))
    }

    fn is_within(self, range: Range) -> bool {
        let scale = power_of_ten(self.fraction_digits.into());
        (1..=range.integer_digits_max).contains(&self.integer_digits)
            && self.magnitude <= range.degrees_max * scale
            && self.magnitude < power_of_ten(self.integer_digits.into()) * scale
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "both are below 2^53, so the quotient is the nearest double"
    )]
    fn degrees(self) -> f64 {
        let degrees = self.magnitude as f64 / power_of_ten(self.fraction_digits.into()) as f64;
        if self.is_negative { -degrees } else { degrees }
    }

    fn print(self, out: &mut Vec<u8>) {
        let scale = power_of_ten(self.fraction_digits.into());
        out.push(if self.is_negative { b'-' } else { b'+' });
        print_whole(out, self.magnitude / scale, self.integer_digits.into());
        if self.fraction_digits > 0 {
            out.push(b'.');
            print_whole(out, self.magnitude % scale, self.fraction_digits.into());
        }
    }
}

/// Mean radius of the earth in metres: R1 = (2a + b) / 3 of the IUGG (H. Moritz, Geodetic Reference System 1980),
/// 6,371,008.77 for the WGS84 ellipsoid too.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A point on the earth in degrees (WGS84): latitude -90 to 90, longitude -180 to 180.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    latitude: f64,
    longitude: f64,
}

impl Position {
    /// The point at these degrees, unless one is out of range or not a number.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude))
            .then_some(Self { latitude, longitude })
    }

    /// Degrees north of the equator.
    #[must_use]
    pub const fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east of Greenwich.
    #[must_use]
    pub const fn longitude(self) -> f64 {
        self.longitude
    }

    /// Metres to `other` along the surface of a sphere (haversine; up to 0.5 % off the ellipsoid).
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        let half_chord = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let scale = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let a =
            half_chord(self.latitude, other.latitude) + scale * half_chord(self.longitude, other.longitude);
        // Rounding must not carry antipodes past 1, where the arc sine is not a number.
        2.0 * EARTH_RADIUS_M * a.min(1.0).sqrt().asin()
    }
}
