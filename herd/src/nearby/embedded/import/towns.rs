//! Which town a place belongs to: the nearest one by its reach, else the one that addresses around it name.

use std::collections::{HashMap, HashSet};

use crate::nearby::embedded::place::{Coordinates, PlaceKey, UNITS_PER_DEGREE};

/// Units to a side of the cells in which towns are looked up: a quarter degree, about the reach of the largest.
const TOWN_CELL: i32 = UNITS_PER_DEGREE / 4;
/// Units to a side of the cells in which addresses are counted: about 2 km.
const ADDRESS_CELL: i32 = UNITS_PER_DEGREE / 50;

/// Metres to a degree of latitude.
const DEGREE_M: f64 = 111_195.0;

/// A town, and how far it reaches.
#[derive(Clone, Debug)]
struct Town {
    at: Coordinates,
    reach_m: f64,
    /// Whether it is part of a larger one, which goes first.
    is_part: bool,
    /// "Town, region, country" as far as known.
    label: Box<str>,
}

/// What the inputs say about towns.
#[derive(Debug, Default)]
pub(super) struct Towns {
    known: HashSet<PlaceKey>,
    towns: Vec<Town>,
    /// Towns whose reach touches a cell.
    reaching: HashMap<(i32, i32), Vec<u32>>,
    /// How often addresses in a cell name a town.
    named: HashMap<(i32, i32), HashMap<Box<str>, u32>>,
}

/// How far a town of so many people reaches: the radius of a disk of 2200 people a square kilometre, within 2 to 30 km.
fn reach_m(population: f64) -> f64 {
    (12.0 * population.max(0.0).sqrt()).clamp(2_000.0, 30_000.0)
}

impl Towns {
    /// Takes in a town, the first time that it comes.
    pub(super) fn add(
        &mut self,
        key: PlaceKey,
        at: Coordinates,
        population: f64,
        is_part: bool,
        label: &str,
    ) {
        let Ok(number) = u32::try_from(self.towns.len()) else { return };
        if !self.known.insert(key) {
            return;
        }
        let reach_m = reach_m(population);
        // One ring of cells, more where meridians are close; beyond 85 degrees the ring does without.
        let (row, column) = cell(at, TOWN_CELL);
        let width_m = DEGREE_M / 4.0 * at.degrees().0.to_radians().cos().max(0.08);
        let rows = if reach_m > DEGREE_M / 4.0 { 2 } else { 1 };
        let columns = (1..14).find(|columns| f64::from(*columns) * width_m >= reach_m).unwrap_or(14);
        for row in row - rows..=row + rows {
            for column in column - columns..=column + columns {
                self.reaching.entry((row, column.rem_euclid(1440))).or_default().push(number);
            }
        }
        self.towns.push(Town { at, reach_m, is_part, label: label.into() });
    }

    /// Takes in an address.
    pub(super) fn add_address(&mut self, at: Coordinates, label: &str) {
        *self.named.entry(cell(at, ADDRESS_CELL)).or_default().entry(label.into()).or_default() += 1;
    }

    /// The town of a place that names `own` as its town, or none.
    pub(super) fn label_for(&self, at: Coordinates, own: &str) -> Option<String> {
        let mut town = self.nearest(at).map(|town| town.label.as_ref());
        if !own.is_empty() {
            // What else is known about that town: its region.
            town = town.filter(|label| label.split(", ").next() == Some(own));
            return town.map(str::to_owned);
        }
        town.or_else(|| self.most_named(at)).map(str::to_owned)
    }

    fn nearest(&self, at: Coordinates) -> Option<&Town> {
        let (row, column) = cell(at, TOWN_CELL);
        let reaching = self.reaching.get(&(row, column.rem_euclid(1440)))?;
        let ratios = reaching.iter().filter_map(|number| {
            let town = self.towns.get(usize::try_from(*number).ok()?)?;
            let ratio = town.at.distance_m(at) / town.reach_m;
            (ratio <= 1.0).then_some((if town.is_part { ratio + 1.0 } else { ratio }, town))
        });
        ratios.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, town)| town)
    }

    fn most_named(&self, at: Coordinates) -> Option<&str> {
        let (row, column) = cell(at, ADDRESS_CELL);
        let around =
            (row - 1..=row + 1).flat_map(|row| (column - 1..=column + 1).map(move |column| (row, column)));
        let counts = around.filter_map(|cell| self.named.get(&cell)).flatten();
        // The name decides between equals: a hash map has no order.
        counts
            .max_by_key(|(label, count)| (**count, std::cmp::Reverse(*label)))
            .map(|(label, _)| label.as_ref())
    }
}

fn cell(at: Coordinates, side: i32) -> (i32, i32) {
    (at.latitude().div_euclid(side), at.longitude().div_euclid(side))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nearby::embedded::place::Source;

    fn key(id: i64) -> PlaceKey {
        PlaceKey::new(Source::GeoNames, id)
    }

    fn at(lat: f64, lng: f64) -> Coordinates {
        Coordinates::from_degrees(lat, lng).unwrap()
    }

    #[test]
    fn a_place_belongs_to_the_town_whose_reach_it_is_deepest_in() {
        let mut towns = Towns::default();
        towns.add(key(1), at(34.0522, -118.2437), 3_800_000.0, false, "Los Angeles, CA, US");
        towns.add(key(2), at(34.0195, -118.4912), 90_000.0, false, "Santa Monica, CA, US");
        towns.add(key(3), at(34.0635, -118.4455), 50_000.0, true, "Westwood");
        let label = |lat, lng| towns.label_for(at(lat, lng), "");
        assert_eq!(label(34.0689, -118.4451).as_deref(), Some("Los Angeles, CA, US"));
        assert_eq!(label(34.0150, -118.4930).as_deref(), Some("Santa Monica, CA, US"));
        assert_eq!(label(40.0, -118.0), None);
        assert_eq!(
            towns.label_for(at(34.06, -118.44), "Los Angeles").as_deref(),
            Some("Los Angeles, CA, US")
        );
        assert_eq!(towns.label_for(at(34.06, -118.44), "Bel Air"), None);
    }

    #[test]
    fn without_towns_the_addresses_around_decide() {
        let mut towns = Towns::default();
        for label in ["B, CA", "A, CA", "A, CA"] {
            towns.add_address(at(34.0689, -118.4451), label);
        }
        assert_eq!(towns.label_for(at(34.07, -118.46), "").as_deref(), Some("A, CA"));
        assert_eq!(towns.label_for(at(34.2, -118.46), ""), None);
    }

    #[test]
    fn a_town_reaches_over_the_antimeridian() {
        let mut towns = Towns::default();
        towns.add(key(4), at(-16.8, 179.99), 1_000_000.0, false, "Taveuni");
        assert_eq!(towns.label_for(at(-16.8, -179.95), "").as_deref(), Some("Taveuni"));
    }
}
