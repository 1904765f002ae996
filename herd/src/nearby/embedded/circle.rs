//! A circle on the globe: which points are in it, which boxes may touch it. Poles and the antimeridian included.
//!
//! The box test may say yes once too often, never no once too often; the point test is exact.

use std::{f64::consts::PI, ops::Range};

use herd_core::position::EARTH_RADIUS_M;

use super::{
    grid::Cell,
    place::{Coordinates, UNITS_PER_DEGREE, distance_m},
};

/// Slack in degrees (0.2 m) for the rounding of the haversine near antipodes and of box corners.
const SLACK: f64 = 2e-6;

/// Share of a haversine within which rounding may decide, a million times over.
const DOUBT: f64 = 1e-9;

/// Units around the globe.
const AROUND: i64 = 360 * UNITS_PER_DEGREE as i64;

/// All points at most a radius away from a centre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circle {
    centre: (f64, f64),
    radius_m: f64,
    /// Degrees of latitude that the circle reaches north and south.
    reach_latitude: f64,
    /// Degrees of longitude that it reaches east and west: 180 where it holds a pole.
    reach_longitude: f64,
    /// The same as units: the southernmost and northernmost, the westernmost and how far east it goes from there.
    latitudes: (i64, i64),
    west: i64,
    width: i64,
    /// Haversine of the radius.
    haversine: f64,
    cos_latitude: f64,
}

impl Circle {
    /// The circle around latitude and longitude in degrees.
    pub(crate) fn new(centre: (f64, f64), radius_m: f64) -> Self {
        let angle = radius_m / EARTH_RADIUS_M;
        let reach_latitude = angle.to_degrees() + SLACK;
        let holds_pole = reach_latitude + centre.0.abs() >= 90.0;
        // The meridian that touches the circle: sin(longitude) = sin(angle) / cos(latitude).
        let cos_latitude = centre.0.to_radians().cos();
        let touching = (angle.sin() / cos_latitude).min(1.0).asin().to_degrees();
        let reach_longitude = if holds_pole { 180.0 } else { touching + SLACK };
        Self {
            centre,
            radius_m,
            reach_latitude,
            reach_longitude,
            latitudes: (units(centre.0 - reach_latitude), units(centre.0 + reach_latitude)),
            west: (units(centre.1 - reach_longitude) + AROUND / 2).rem_euclid(AROUND) - AROUND / 2,
            width: units(2.0 * reach_longitude) + 1,
            haversine: half_chord(angle.min(PI)),
            cos_latitude,
        }
    }

    /// Whether the point is in the circle.
    pub(crate) fn contains(&self, point: Coordinates) -> bool {
        self.frames(point) && self.holds(point)
    }

    /// Whether the point is in the box around the circle, which costs next to nothing to tell.
    fn frames(&self, point: Coordinates) -> bool {
        let (latitude, east) = (i64::from(point.latitude()), i64::from(point.longitude()) - self.west);
        let east = if east < 0 { east + AROUND } else { east };
        self.latitudes.0 <= latitude && latitude <= self.latitudes.1 && east <= self.width
    }

    /// Whether the point is in the circle, by its haversine if that leaves no doubt.
    fn holds(&self, point: Coordinates) -> bool {
        let (latitude, longitude) = point.degrees();
        let haversine = half_chord((latitude - self.centre.0).to_radians())
            + self.cos_latitude
                * latitude.to_radians().cos()
                * half_chord((longitude - self.centre.1).to_radians());
        if (haversine - self.haversine).abs() > self.haversine * DOUBT {
            return haversine < self.haversine;
        }
        distance_m(self.centre, point.degrees()) <= self.radius_m
    }

    /// Whether a box around `middle` (degrees), `half` degrees to each side, may hold a point of the circle.
    pub(crate) fn touches(&self, middle: (f64, f64), half: f64) -> bool {
        let apart = (middle.1 - self.centre.1).abs();
        let apart = apart.min(360.0 - apart);
        (middle.0 - self.centre.0).abs() <= self.reach_latitude + half && apart <= self.reach_longitude + half
    }

    /// The 1-degree cells that the circle may touch, row by row; where it goes across the antimeridian a row is two.
    pub(crate) fn degrees(&self) -> impl Iterator<Item = Range<Cell>> {
        let row = |latitude: i64| degree(latitude + 90 * i64::from(UNITS_PER_DEGREE)).min(179);
        let rows = row(self.latitudes.0)..=row(self.latitudes.1);
        let first = self.west + AROUND / 2;
        let (first, last) = (degree(first), degree(first + self.width));
        let columns = match last {
            _ if last >= first + 359 => [0..360, 0..0],
            360.. => [first..360, 0..last - 359],
            _ => [first..last + 1, 0..0],
        };
        rows.flat_map(move |row| columns.clone().map(|columns| Cell::degrees(row, columns)))
    }
}

/// The square of the sine of half an angle.
fn half_chord(angle: f64) -> f64 {
    let half = (angle / 2.0).sin();
    half * half
}

/// Units for degrees, within which any circle and its box are.
#[expect(clippy::cast_possible_truncation, reason = "a float that is too large becomes the largest number")]
fn units(degrees: f64) -> i64 {
    (degrees.clamp(-720.0, 720.0) * f64::from(UNITS_PER_DEGREE)).floor() as i64
}

/// The whole degree of units from the south or the west.
fn degree(units: i64) -> u32 {
    u32::try_from(units.max(0) / i64::from(UNITS_PER_DEGREE)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn points_are_told_apart_as_by_their_distance(
            lat in -90.0..=90.0f64, lng in -180.0..=180.0f64, north in -2.0..=2.0f64, east in -2.0..=2.0f64,
            degrees in prop_oneof![0.0..2.0f64, 0.0..190.0f64], scale in prop::sample::select(vec![1.0, 30.0, 90.0]),
        ) {
            let point_lng = (lng + east * scale + 540.0).rem_euclid(360.0) - 180.0;
            let point = Coordinates::from_degrees((lat + north * scale).clamp(-90.0, 90.0), point_lng).unwrap();
            let radius_m = (degrees * scale).to_radians() * EARTH_RADIUS_M;
            let is_near = distance_m((lat, lng), point.degrees()) <= radius_m;
            prop_assert_eq!(Circle::new((lat, lng), radius_m).contains(point), is_near);
        }

        #[test]
        fn a_box_around_a_point_of_the_circle_touches_it(
            lat in -90.0..=90.0f64, lng in -180.0..=180.0f64, point_lat in -90.0..=90.0f64,
            point_lng in -180.0..=180.0f64, half in 0.0..1.0f64,
        ) {
            let point = Coordinates::from_degrees(point_lat, point_lng).unwrap();
            let circle = Circle::new((lat, lng), distance_m((lat, lng), point.degrees()));
            prop_assert!(circle.contains(point));
            prop_assert!(circle.touches(point.degrees(), half));
            let degree = Cell::of(point).parent().parent();
            prop_assert!(circle.degrees().any(|cells| cells.contains(&degree)));
        }
    }
}
