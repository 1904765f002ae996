//! Which questions are the same: positions snapped to a grid that is fine against the radius asked for.
//!
//! Pure arithmetic. The one thing to know: rows of cells run from pole to pole, each with as many columns as keep its
//! cells about square; the caps at the poles are one cell each, and longitude -180 is longitude 180. A cell has no middle
//! here: the provider is asked where the first asker is, so that who asks alone gets an exact answer.

use herd_core::position::{EARTH_RADIUS_M, Position};

/// Smallest side of a cell in metres: below that phones do not know where they are, and a radius of 0 needs some grid.
const STEP_M_MIN: f64 = 1.0;

/// What makes two questions one. The provider and its options are no part of it: each has a gate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    row: u32,
    column: u32,
    /// The bits of the radius in kilometres: different radii are different questions.
    radius: u64,
}

/// The grid for one radius.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    rows: u32,
    radius_km: f64,
}

impl Grid {
    /// The grid for questions of this radius: cells of `similarity` (0 to 1) times it, but at least a metre.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to 20 million: half the earth's circumference in steps of a metre or more"
    )]
    pub(super) fn new(radius_km: f64, similarity: f64) -> Self {
        let half_circumference = EARTH_RADIUS_M * std::f64::consts::PI;
        // A larger circle holds all the earth.
        let radius_m = (radius_km * 1000.0).clamp(0.0, half_circumference);
        let step = (radius_m * similarity).max(STEP_M_MIN);
        Self { rows: (half_circumference / step).ceil().max(1.0) as u32, radius_km }
    }

    /// The cell of a position.
    pub(super) fn cell(self, at: Position) -> Cell {
        let row = part((at.latitude() + 90.0) / 180.0, self.rows).min(self.rows - 1);
        let columns = self.columns(row);
        let column = part((at.longitude() + 180.0) / 360.0, columns) % columns;
        Cell { row, column, radius: self.radius_km.to_bits() }
    }

    /// The latitude in the middle of a row.
    fn latitude(self, row: u32) -> f64 {
        -90.0 + 180.0 * (f64::from(row) + 0.5) / f64::from(self.rows)
    }

    /// Cells of a row: a cap is one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to twice the number of rows, 40 million"
    )]
    fn columns(self, row: u32) -> u32 {
        if row == 0 || row + 1 == self.rows {
            return 1;
        }
        let around = 2.0 * f64::from(self.rows) * self.latitude(row).to_radians().cos();
        around.ceil().max(1.0) as u32
    }
}

/// Which of so many equal parts of 0 to 1 a share lies in.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to `parts`: shares are 0 to 1"
)]
fn part(share: f64, parts: u32) -> u32 {
    (share * f64::from(parts)).floor() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position(latitude: f64, longitude: f64) -> Position {
        Position::new(latitude, longitude).unwrap()
    }

    proptest! {
        #[test]
        fn positions_of_one_cell_are_near_each_other(
            latitude in -90.0..=90.0_f64,
            longitude in -180.0..=180.0_f64,
            radius_km in prop_oneof![Just(0.0), 0.0..0.1_f64, 0.1..50.0_f64, Just(1e300)],
            similarity in 0.0..=0.5_f64,
            // In steps, which are degrees of latitude and more than that of longitude near the poles.
            [north, east] in [-3.0..3.0_f64, -3.0..3.0_f64],
        ) {
            let grid = Grid::new(radius_km, similarity);
            let step = (radius_km.min(20_016.0) * 1000.0 * similarity).max(STEP_M_MIN);
            let degrees = (step / EARTH_RADIUS_M).to_degrees();
            let aside = degrees / latitude.to_radians().cos().max(0.01);
            let near = (longitude + east * aside + 540.0).rem_euclid(360.0) - 180.0;
            let (a, b) = (position(latitude, longitude), position((latitude + north * degrees).clamp(-90.0, 90.0), near));
            prop_assert_eq!(grid.cell(a), grid.cell(a));
            if grid.cell(a) == grid.cell(b) {
                // Across a cap there are two steps, across other cells less.
                prop_assert!(a.distance_m(b) <= 2.0 * step + 0.01, "{}", a.distance_m(b));
            }
            // Where a cell is a whole step high, three steps north are another.
            if (-60.0..60.0).contains(&latitude) && degrees < 1.0 {
                prop_assert_ne!(grid.cell(a), grid.cell(position(latitude + 3.0 * degrees, longitude)));
            }
        }

        #[test]
        fn the_poles_and_the_antimeridian_are_single_places(
            longitude in -180.0..=180.0_f64,
            latitude in -90.0..=90.0_f64,
            radius_km in 0.0..100.0_f64,
        ) {
            let grid = Grid::new(radius_km, 0.02);
            for pole in [-90.0, 90.0] {
                prop_assert_eq!(grid.cell(position(pole, longitude)), grid.cell(position(pole, 0.0)));
            }
            prop_assert_eq!(grid.cell(position(latitude, -180.0)), grid.cell(position(latitude, 180.0)));
            prop_assert_eq!(grid.cell(position(latitude, -0.0)), grid.cell(position(latitude, 0.0)));
        }
    }

    #[test]
    fn a_degree_of_longitude_counts_less_far_from_the_equator() {
        let grid = Grid::new(50.0, 0.02);
        let cells = |latitude: f64| {
            let cells = (0..=1000).map(|i| grid.cell(position(latitude, f64::from(i) / 1000.0)));
            cells.collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!((cells(0.0), cells(60.0)), (112, 56));
    }

    #[test]
    fn the_radius_is_part_of_the_key() {
        let at = position(34.0, -118.0);
        assert_ne!(Grid::new(10.0, 0.0).cell(at), Grid::new(10.5, 0.0).cell(at));
    }
}
