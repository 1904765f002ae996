//! A circle on the globe: which points are in it, which boxes may touch it. Poles and the antimeridian included.
//!
//! The box test may say yes once too often, never no once too often; the point test is exact.

use herd_core::position::EARTH_RADIUS_M;

use super::place::{Coordinates, distance_m};

/// Slack in degrees (0.2 m) for the rounding of the haversine near antipodes and of box corners.
const SLACK: f64 = 2e-6;

/// All points at most a radius away from a centre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circle {
    centre: (f64, f64),
    radius_m: f64,
    /// Degrees of latitude that the circle reaches north and south.
    reach_latitude: f64,
    /// Degrees of longitude that it reaches east and west: 180 where it holds a pole.
    reach_longitude: f64,
}

impl Circle {
    /// The circle around latitude and longitude in degrees.
    pub(crate) fn new(centre: (f64, f64), radius_m: f64) -> Self {
        let angle = radius_m / EARTH_RADIUS_M;
        let reach_latitude = angle.to_degrees() + SLACK;
        let holds_pole = reach_latitude + centre.0.abs() >= 90.0;
        // The meridian that touches the circle: sin(longitude) = sin(angle) / cos(latitude).
        let touching = (angle.sin() / centre.0.to_radians().cos()).min(1.0).asin().to_degrees();
        let reach_longitude = if holds_pole { 180.0 } else { touching + SLACK };
        Self { centre, radius_m, reach_latitude, reach_longitude }
    }

    /// Whether the point is in the circle.
    pub(crate) fn contains(&self, point: Coordinates) -> bool {
        distance_m(self.centre, point.degrees()) <= self.radius_m
    }

    /// Whether a box around `middle` (degrees), `half` degrees to each side, may hold a point of the circle.
    pub(crate) fn touches(&self, middle: (f64, f64), half: f64) -> bool {
        let apart = (middle.1 - self.centre.1).abs();
        let apart = apart.min(360.0 - apart);
        (middle.0 - self.centre.0).abs() <= self.reach_latitude + half && apart <= self.reach_longitude + half
    }

    /// The southernmost and northernmost latitude in degrees.
    pub(crate) fn latitudes(&self) -> (f64, f64) {
        (self.centre.0 - self.reach_latitude, self.centre.0 + self.reach_latitude)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_box_around_a_point_of_the_circle_touches_it(
            lat in -90.0..=90.0f64, lng in -180.0..=180.0f64, point_lat in -90.0..=90.0f64,
            point_lng in -180.0..=180.0f64, half in 0.0..1.0f64,
        ) {
            let point = Coordinates::from_degrees(point_lat, point_lng).unwrap();
            let circle = Circle::new((lat, lng), distance_m((lat, lng), point.degrees()));
            prop_assert!(circle.contains(point));
            prop_assert!(circle.touches(point.degrees(), half));
        }
    }
}
