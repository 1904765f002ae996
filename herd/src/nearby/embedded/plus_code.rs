//! Open Location Codes of ten digits: the cell of 1/8000 degree that holds a point.

use super::place::{Coordinates, UNITS_PER_DEGREE};

const DIGITS: &[u8; 20] = b"23456789CFGHJMPQRVWX";

/// Units of 1e-7 degrees to a side of a ten-digit cell.
const CELL_UNITS: i64 = UNITS_PER_DEGREE as i64 / 8000;

/// Cells to the whole of latitude; the pole belongs to the last.
const ROWS: i64 = 180 * 8000;
/// Cells around the globe; longitude 180 is -180.
const COLUMNS: i64 = 360 * 8000;

/// The code of a point, for example `85632HF3+HX`.
pub(crate) fn plus_code(point: Coordinates) -> [u8; 11] {
    let units = i64::from(UNITS_PER_DEGREE);
    let mut row = ((i64::from(point.latitude()) + 90 * units) / CELL_UNITS).min(ROWS - 1);
    let mut column = (i64::from(point.longitude()) + 180 * units) / CELL_UNITS % COLUMNS;
    let digit = |number: i64| {
        usize::try_from(number % 20).ok().and_then(|at| DIGITS.get(at)).copied().unwrap_or(b'2')
    };
    let mut code = *b"22222222+22";
    // Pairs of row and column, the least significant one first.
    for at in [9, 6, 4, 2, 0] {
        code[at] = digit(row);
        code[at + 1] = digit(column);
        row /= 20;
        column /= 20;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_codes_come_out() {
        let cases = [
            (-33.858_732_3, 151.210_005_5, "4RRH46R6+G2"),
            (47.365_59, 8.524_997, "8FVC9G8F+6X"),
            (20.370_112_5, 2.782_234_375, "7FG49QCJ+2V"),
            (90.0, 1.0, "CFX3X2X2+X2"),
            (-90.0, -180.0, "22222222+22"),
            (0.0, 180.0, "62G22222+22"),
        ];
        for (lat, lng, expected) in cases {
            let code = plus_code(Coordinates::from_degrees(lat, lng).unwrap());
            assert_eq!(str::from_utf8(&code), Ok(expected));
        }
    }
}
