//! The vocabulary of the place index: where a place is, and which thing of which source it is.
//!
//! Coordinates are whole 1e-7 degrees, OSM's own resolution, so that what is printed is what was read.

use herd_core::position::Position;

/// Degrees in one unit of [`Coordinates`].
pub(crate) const UNITS_PER_DEGREE: i32 = 10_000_000;

/// A point in whole 1e-7 degrees (about 1 cm): latitude within ±90°, longitude within ±180°.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coordinates {
    latitude: i32,
    longitude: i32,
}

impl Coordinates {
    /// The point at these units, unless one is out of range.
    pub(crate) fn new(latitude: i32, longitude: i32) -> Option<Self> {
        ((-90 * UNITS_PER_DEGREE..=90 * UNITS_PER_DEGREE).contains(&latitude)
            && (-180 * UNITS_PER_DEGREE..=180 * UNITS_PER_DEGREE).contains(&longitude))
        .then_some(Self { latitude, longitude })
    }

    /// The nearest point to these degrees, unless one is out of range or not a number.
    pub(crate) fn from_degrees(latitude: f64, longitude: f64) -> Option<Self> {
        Position::new(latitude, longitude)?;
        Self::new(units(latitude), units(longitude))
    }

    /// Units north of the equator.
    pub(crate) const fn latitude(self) -> i32 {
        self.latitude
    }

    /// Units east of Greenwich.
    pub(crate) const fn longitude(self) -> i32 {
        self.longitude
    }

    /// Latitude and longitude in degrees: the doubles nearest to the decimal numbers.
    pub(crate) fn degrees(self) -> (f64, f64) {
        let scale = f64::from(UNITS_PER_DEGREE);
        (f64::from(self.latitude) / scale, f64::from(self.longitude) / scale)
    }

    /// Distance to another point in metres.
    pub(crate) fn distance_m(self, other: Self) -> f64 {
        distance_m(self.degrees(), other.degrees())
    }
}

/// Units for degrees within ±180.
#[expect(clippy::cast_possible_truncation, reason = "180 degrees are 1.8e9 units, which fit")]
fn units(degrees: f64) -> i32 {
    (degrees * f64::from(UNITS_PER_DEGREE)).round() as i32
}

/// Distance in metres between two points given as latitude and longitude in degrees; infinite off the globe.
pub(crate) fn distance_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    let points = Position::new(a.0, a.1).zip(Position::new(b.0, b.1));
    points.map_or(f64::INFINITY, |(a, b)| a.distance_m(b))
}

/// Where a place was read from; decides whom an answer credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An OpenStreetMap node.
    OsmNode,
    /// An OpenStreetMap way.
    OsmWay,
    /// An OpenStreetMap relation.
    OsmRelation,
    /// A row of GeoNames.
    GeoNames,
    /// A row of the built-in table.
    BuiltIn,
}

const SOURCES: [Source; 5] =
    [Source::OsmNode, Source::OsmWay, Source::OsmRelation, Source::GeoNames, Source::BuiltIn];

/// Bits of a key that hold the source's own ID; OSM's node IDs need 34.
const ID_BITS: u32 = 60;

/// A place's identity: its source and the ID there, in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlaceKey(u64);

impl PlaceKey {
    /// The key of number `id` of `source`. Of negative IDs (never uploaded to OSM) the low 60 bits count.
    pub(crate) fn new(source: Source, id: i64) -> Self {
        let tag = SOURCES.iter().zip(1u64..).find(|(known, _)| **known == source).map_or(0, |(_, tag)| tag);
        Self(tag << ID_BITS | id.cast_unsigned() & ((1 << ID_BITS) - 1))
    }

    /// The source, unless the number came from a damaged index.
    pub(crate) fn source(self) -> Option<Source> {
        let tag = usize::try_from(self.0 >> ID_BITS).ok()?;
        SOURCES.get(tag.checked_sub(1)?).copied()
    }

    /// The key as the index holds it.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    /// The key that an index holds.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_its_source() {
        for source in SOURCES {
            assert_eq!(PlaceKey::new(source, -7).source(), Some(source));
        }
        assert_eq!(PlaceKey::from_bits(9).source(), None);
        assert_eq!(PlaceKey::from_bits(u64::MAX).source(), None);
    }

    #[test]
    fn coordinates_outside_the_globe_do_not_exist() {
        assert_eq!(Coordinates::from_degrees(90.1, 0.0), None);
        assert_eq!(Coordinates::from_degrees(f64::NAN, 0.0), None);
        assert_eq!(Coordinates::new(0, 1_800_000_001), None);
    }
}
