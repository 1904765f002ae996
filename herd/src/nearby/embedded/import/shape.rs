//! The middle and the extent of lines and areas, in units of 1e-7 degrees.
//!
//! Longitudes count from a shape's own first point, so that the antimeridian may run through it. A closed line has the centroid of
//! its area, an open one that of its length; a relation that of the lengths of its outer ways, which may be any pieces in
//! any direction.

use herd_core::position::EARTH_RADIUS_M;

use crate::nearby::embedded::place::{Coordinates, UNITS_PER_DEGREE};

/// Units of 1e-7 degrees around the globe.
const AROUND: f64 = 360.0 * UNITS_PER_DEGREE as f64;

/// What is kept of a line: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Its first point.
    origin: Coordinates,
    /// Its middle, north and east of the origin.
    middle: (f32, f32),
    /// Its length in units, at least a little.
    length: f32,
    /// South, west, north, east of the origin.
    bounds: [f32; 4],
}

impl Shape {
    /// The shape of a line through these points; `None` without points.
    pub(super) fn of_line(points: &[Coordinates]) -> Option<Self> {
        let origin = *points.first()?;
        let points: Vec<(f64, f64)> = points.iter().map(|point| from(origin, *point)).collect();
        let mut bounds = [0.0_f64; 4];
        let (mut length, mut line, mut area, mut fill) = (0.0, (0.0, 0.0), 0.0, (0.0, 0.0));
        for pair in points.windows(2) {
            let &[(y0, x0), (y1, x1)] = pair else { continue };
            bounds = [bounds[0].min(y1), bounds[1].min(x1), bounds[2].max(y1), bounds[3].max(x1)];
            let step = (y1 - y0).hypot(x1 - x0);
            length += step;
            line = (line.0 + step * (y0 + y1) / 2.0, line.1 + step * (x0 + x1) / 2.0);
            let cross = x0 * y1 - x1 * y0;
            area += cross;
            fill = (fill.0 + cross * (y0 + y1) / 3.0, fill.1 + cross * (x0 + x1) / 3.0);
        }
        let closed = points.len() > 3 && points.first() == points.last() && area.abs() > 1.0;
        let middle = if closed {
            (fill.0 / area, fill.1 / area)
        } else if length > 0.0 {
            (line.0 / length, line.1 / length)
        } else {
            (0.0, 0.0)
        };
        // The centroid of a line that crosses itself may lie anywhere.
        let middle = (middle.0.clamp(bounds[0], bounds[2]), middle.1.clamp(bounds[1], bounds[3]));
        let [y, x, length] = [middle.0, middle.1, length.max(1.0)].map(narrow);
        Some(Self { origin, middle: (y, x), length, bounds: bounds.map(narrow) })
    }

    /// The shape that several make up; `None` without any.
    pub(super) fn of_parts(parts: &[Self]) -> Option<Self> {
        let origin = parts.first()?.origin;
        let mut whole = Self { origin, middle: (0.0, 0.0), length: 0.0, bounds: [0.0; 4] };
        let (mut length, mut middle) = (0.0, (0.0, 0.0));
        for part in parts {
            let (y, x) = from(origin, part.origin);
            let weight = f64::from(part.length);
            length += weight;
            middle.0 += weight * (y + f64::from(part.middle.0));
            middle.1 += weight * (x + f64::from(part.middle.1));
            let [south, west, north, east] = part.bounds.map(f64::from);
            let [south, west, north, east] = [y + south, x + west, y + north, x + east].map(narrow);
            let bounds = whole.bounds;
            whole.bounds =
                [bounds[0].min(south), bounds[1].min(west), bounds[2].max(north), bounds[3].max(east)];
        }
        whole.middle = (narrow(middle.0 / length), narrow(middle.1 / length));
        whole.length = narrow(length);
        Some(whole)
    }

    /// Where a place of this shape is.
    #[expect(clippy::cast_possible_truncation, reason = "within a globe of 3.6e9 units; wrapped and clamped")]
    pub(super) fn middle(&self) -> Coordinates {
        let lat = f64::from(self.origin.latitude()) + f64::from(self.middle.0).round();
        let lng = f64::from(self.origin.longitude()) + f64::from(self.middle.1).round();
        let lng = if lng.abs() > AROUND / 2.0 { lng - AROUND.copysign(lng) } else { lng };
        Coordinates::new(lat as i32, lng as i32).unwrap_or(self.origin)
    }

    /// Half height and half width of the box around the middle that holds the shape.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, below 3.6e9")]
    pub(super) fn half(&self) -> [u32; 2] {
        let [south, west, north, east] = self.bounds;
        let (y, x) = self.middle;
        [(north - y).max(y - south).ceil() as u32, (east - x).max(x - west).ceil() as u32]
    }

    /// Area of the box around the shape in square metres.
    pub(super) fn box_m2(&self) -> f64 {
        let [south, west, north, east] = self.bounds.map(f64::from);
        let metres = |units: f64| (units / f64::from(UNITS_PER_DEGREE)).to_radians() * EARTH_RADIUS_M;
        metres(north - south) * metres(east - west) * self.origin.degrees().0.to_radians().cos()
    }
}

/// Units north and east from one point to another, the short way around.
fn from(origin: Coordinates, point: Coordinates) -> (f64, f64) {
    let east = f64::from(point.longitude()) - f64::from(origin.longitude());
    let east = if east.abs() > AROUND / 2.0 { east - AROUND.copysign(east) } else { east };
    (f64::from(point.latitude()) - f64::from(origin.latitude()), east)
}

/// Offsets within a shape: 24 bits of a town's extent are centimetres.
#[expect(clippy::cast_possible_truncation, reason = "offsets of 3.6e9 at most; rounding is wanted")]
const fn narrow(offset: f64) -> f32 {
    offset as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lng: f64) -> Coordinates {
        Coordinates::from_degrees(lat, lng).unwrap()
    }

    fn near(shape: &Shape, lat: f64, lng: f64) {
        assert!(shape.middle().distance_m(at(lat, lng)) < 1.0, "{:?}", shape.middle());
    }

    #[test]
    fn an_area_has_its_centroid_however_its_nodes_are_spread() {
        let ring = [
            at(1.0, 1.0),
            at(1.0, 1.2),
            at(1.0, 1.5),
            at(1.0, 2.0),
            at(2.0, 2.0),
            at(2.0, 1.0),
            at(1.0, 1.0),
        ];
        let shape = Shape::of_line(&ring).unwrap();
        near(&shape, 1.5, 1.5);
        assert!(shape.half().iter().all(|half| half.abs_diff(5_000_000) < 50), "{:?}", shape.half());
        assert!((shape.box_m2() / 1.236e10 - 1.0).abs() < 0.01, "{}", shape.box_m2());
    }

    #[test]
    fn a_line_has_the_middle_of_its_length() {
        near(&Shape::of_line(&[at(0.0, 0.0), at(0.0, 0.1), at(0.0, 1.0)]).unwrap(), 0.0, 0.5);
        near(&Shape::of_line(&[at(5.0, 5.0)]).unwrap(), 5.0, 5.0);
        assert!(Shape::of_line(&[]).is_none());
    }

    #[test]
    fn the_antimeridian_may_run_through_a_shape() {
        let shape = Shape::of_line(&[at(10.0, 179.9), at(10.0, -179.7)]).unwrap();
        near(&shape, 10.0, -179.9);
        let halves = [
            Shape::of_line(&[at(0.0, 179.0), at(0.0, 180.0)]).unwrap(),
            Shape::of_line(&[at(0.0, -179.0), at(0.0, -180.0)]).unwrap(),
        ];
        assert!(Shape::of_parts(&halves).unwrap().middle().distance_m(at(0.0, 180.0)) < 50.0);
    }

    #[test]
    fn a_ring_in_pieces_of_any_direction_has_its_middle() {
        let pieces = [
            Shape::of_line(&[at(1.0, 1.0), at(1.0, 2.0), at(2.0, 2.0)]).unwrap(),
            Shape::of_line(&[at(1.0, 1.0), at(2.0, 1.0), at(2.0, 2.0)]).unwrap(),
        ];
        let whole = Shape::of_parts(&pieces).unwrap();
        near(&whole, 1.5, 1.5);
        assert!(whole.half().iter().all(|half| half.abs_diff(5_000_000) < 50), "{:?}", whole.half());
    }
}
