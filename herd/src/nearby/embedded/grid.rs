//! The cells of the index: 1, 0.1 and 0.01 degree, numbered so that a cell's number begins with its parent's.

use std::ops::Range;

use super::place::{Coordinates, UNITS_PER_DEGREE};

/// Levels of cells, from 1 degree to 0.01 degree.
pub(crate) const LEVELS: usize = 3;

/// Units of 1e-7 degrees in a cell of the finest level.
const FINEST_UNITS: i32 = UNITS_PER_DEGREE / 100;

/// One cell of a level. At the finest level there are 648 million of them: the number fits in 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell(u32);

impl Cell {
    /// Number of 1-degree cells.
    pub(crate) const DEGREES: usize = 180 * 360;

    /// The cell of the finest level that holds a point; the north pole and longitude 180 belong to the last ones.
    pub(crate) fn of(point: Coordinates) -> Self {
        let row =
            ((point.latitude() + 90 * UNITS_PER_DEGREE) / FINEST_UNITS).clamp(0, 17_999).cast_unsigned();
        let column = ((i64::from(point.longitude()) + 180 * i64::from(UNITS_PER_DEGREE))
            / i64::from(FINEST_UNITS))
        .clamp(0, 35_999);
        let column = u32::try_from(column).unwrap_or(0);
        let degree = row / 100 * 360 + column / 100;
        let tenth = row / 10 % 10 * 10 + column / 10 % 10;
        let hundredth = row % 10 * 10 + column % 10;
        Self(degree * 10_000 + tenth * 100 + hundredth)
    }

    /// The cell of the next coarser level around this one.
    pub(crate) const fn parent(self) -> Self {
        Self(self.0 / 100)
    }

    /// The cell's number as the index holds it.
    pub(crate) const fn to_bits(self) -> u32 {
        self.0
    }

    /// The cell with the number that an index holds.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The 1-degree cells of a row (0 to 179, from the south) between two columns (0 to 360, from 180 degrees west).
    pub(crate) const fn degrees(row: u32, columns: Range<u32>) -> Range<Self> {
        Self(row * 360 + columns.start)..Self(row * 360 + columns.end)
    }

    /// Middle (latitude, longitude) and half side in degrees of a cell of a level.
    pub(crate) fn extent(self, level: usize) -> ((f64, f64), f64) {
        // Missing digits of a coarser cell are its south-west corner.
        let (scale, side) = match level {
            0 => (10_000, 1.0),
            1 => (100, 0.1),
            _ => (1, 0.01),
        };
        let full = self.0.saturating_mul(scale);
        let (degree, tenth, hundredth) = (full / 10_000, full / 100 % 100, full % 100);
        let row = degree / 360 * 100 + tenth / 10 * 10 + hundredth / 10;
        let column = degree % 360 * 100 + tenth % 10 * 10 + hundredth % 10;
        let half = side / 2.0;
        ((f64::from(row) / 100.0 - 90.0 + half, f64::from(column) / 100.0 - 180.0 + half), half)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_point_lies_in_its_cells(lat in -900_000_000..=900_000_000i32, lng in -1_800_000_000..=1_800_000_000i32) {
            let point = Coordinates::new(lat, lng).unwrap();
            let (lat, lng) = point.degrees();
            let fine = Cell::of(point);
            for (level, cell) in [(2, fine), (1, fine.parent()), (0, fine.parent().parent())] {
                let ((middle_lat, middle_lng), half) = cell.extent(level);
                prop_assert!((lat - middle_lat).abs() <= half + 1e-9 && (lng - middle_lng).abs() <= half + 1e-9);
            }
            let row = (0..180).find(|row| lat < f64::from(*row) - 89.0).unwrap_or(179);
            prop_assert!(Cell::degrees(row, 0..360).contains(&fine.parent().parent()));
        }
    }
}
