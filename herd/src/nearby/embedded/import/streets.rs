//! The nearest named street of places that have no address of their own.
//!
//! Streets stream by and are not kept: the places wait, sorted into cells, and remember the best one so far.

use crate::nearby::embedded::{
    build::{Record, TextRef, Texts},
    place::{Coordinates, UNITS_PER_DEGREE},
};

/// Metres within which a street counts.
const REACH_M: f64 = 80.0;
/// Metres to a degree of latitude.
const DEGREE_M: f64 = 111_195.0;
/// Units to a side of a cell: about 100 m.
const CELL: i32 = UNITS_PER_DEGREE / 1000;

/// A place that waits for a street: 32 bytes.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    cell: (i32, i32),
    at: Coordinates,
    /// Its number among the records.
    record: u32,
    best_m: f32,
    street: TextRef,
}

/// Places that wait for streets, sorted by cell.
#[derive(Debug)]
pub(super) struct Streets(Vec<Waiting>);

impl Streets {
    /// The places among records, of which the first has number `start`, that may have a street and have none.
    pub(super) fn new(records: &[Record], start: usize, may: impl Fn(&Record) -> bool) -> Self {
        let numbered = (0..).zip(records).skip(start);
        let mut waiting: Vec<Waiting> = numbered
            .filter(|(_, place)| place.vicinity == TextRef::default() && may(place))
            .map(|(record, place)| Waiting {
                cell: cell(place.at),
                at: place.at,
                record,
                best_m: f32::INFINITY,
                street: TextRef::default(),
            })
            .collect();
        waiting.sort_unstable_by_key(|place| (place.cell, place.record));
        Self(waiting)
    }

    /// Shows a street to the places along it.
    pub(super) fn pass(&mut self, name: &str, line: &[Coordinates], texts: &mut Texts) {
        let mut street = None;
        for pair in line.windows(2) {
            let &[a, b] = pair else { continue };
            let (south, north) = (a.latitude().min(b.latitude()), a.latitude().max(b.latitude()));
            let (west, east) = (a.longitude().min(b.longitude()), a.longitude().max(b.longitude()));
            // A step of more than a degree is no street, or crosses the antimeridian.
            if north - south > UNITS_PER_DEGREE
                || i64::from(east) - i64::from(west) > i64::from(UNITS_PER_DEGREE)
            {
                continue;
            }
            let narrowing = a.degrees().0.to_radians().cos().max(0.01);
            // Never less than the reach: cells are 111 m high, and as wide times the narrowing.
            let (rows, columns) =
                (1, (1..100).find(|n| f64::from(*n) * narrowing * 111.0 >= REACH_M).unwrap_or(100));
            for row in south.div_euclid(CELL) - rows..=north.div_euclid(CELL) + rows {
                let (first, last) = (west.div_euclid(CELL) - columns, east.div_euclid(CELL) + columns);
                let start = self.0.partition_point(|place| place.cell < (row, first));
                for place in self.0[start..].iter_mut().take_while(|place| place.cell <= (row, last)) {
                    let distance = distance_m(place.at, a, b, narrowing);
                    if distance <= REACH_M && distance < f64::from(place.best_m) {
                        place.best_m = narrow(distance);
                        place.street = *street.get_or_insert_with(|| texts.add(name));
                    }
                }
            }
        }
    }

    /// Writes what was found into the records.
    pub(super) fn finish(self, records: &mut [Record]) {
        for place in self.0 {
            if let Some(record) =
                usize::try_from(place.record).ok().and_then(|number| records.get_mut(number))
            {
                record.vicinity = place.street;
            }
        }
    }
}

fn cell(at: Coordinates) -> (i32, i32) {
    (at.latitude().div_euclid(CELL), at.longitude().div_euclid(CELL))
}

#[expect(clippy::cast_possible_truncation, reason = "a comparison of metres below 80")]
const fn narrow(metres: f64) -> f32 {
    metres as f32
}

/// Distance in metres of a point from a stretch, on a plane: all three are close together.
fn distance_m(point: Coordinates, a: Coordinates, b: Coordinates, narrowing: f64) -> f64 {
    let metres = |units: i32| f64::from(units) / f64::from(UNITS_PER_DEGREE) * DEGREE_M;
    let from_a = |other: Coordinates| {
        (
            metres(other.latitude() - a.latitude()),
            metres(other.longitude().saturating_sub(a.longitude())) * narrowing,
        )
    };
    let ((py, px), (by, bx)) = (from_a(point), from_a(b));
    let length2 = by * by + bx * bx;
    let along = if length2 > 0.0 { ((py * by + px * bx) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (py - along * by).hypot(px - along * bx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nearby::embedded::place::{PlaceKey, Source};

    fn at(lat: f64, lng: f64) -> Coordinates {
        Coordinates::from_degrees(lat, lng).unwrap()
    }

    fn record(at: Coordinates, vicinity: TextRef) -> Record {
        Record {
            key: PlaceKey::new(Source::OsmNode, 1),
            score: 0.0,
            at,
            name: TextRef::default(),
            types: TextRef::default(),
            vicinity,
            locality: TextRef::default(),
            half: [0; 2],
        }
    }

    #[test]
    fn the_nearest_street_within_eighty_metres_counts() {
        let mut texts = Texts::default();
        let address = texts.add("1 Own Street");
        // 0.0005 degrees are 55 m, 0.001 are 111 m.
        let mut records = [
            record(at(60.0005, 10.0), TextRef::default()),
            record(at(60.001, 10.0), TextRef::default()),
            record(at(60.0, 10.0), address),
            record(at(60.0, 10.02), TextRef::default()),
        ];
        let mut streets = Streets::new(&records, 0, |_| true);
        streets.pass("Far Street", &[at(60.0011, 9.99), at(60.0011, 10.01)], &mut texts);
        streets.pass("Near Street", &[at(60.0002, 9.99), at(60.0002, 10.01)], &mut texts);
        streets.pass("Side Street", &[at(59.9, 10.0212), at(60.1, 10.0212)], &mut texts);
        streets.finish(&mut records);
        let found = records.map(|record| texts.get(record.vicinity).to_owned());
        assert_eq!(found, ["Near Street", "Far Street", "1 Own Street", "Side Street"]);
    }
}
