//! Which town a place belongs to: the nearest one by its reach, else the one that addresses around it name.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use crate::nearby::embedded::{
    build::{TextRef, Texts},
    place::{Coordinates, PlaceKey, UNITS_PER_DEGREE},
};

/// Units to a side of the cells in which towns are looked up: a quarter degree, about the reach of the largest.
const CELL: i32 = UNITS_PER_DEGREE / 4;
/// Cells around the globe.
const COLUMNS: i32 = 360 * 4;
/// Units to a side of the cells in which addresses are counted: about 2 km.
const ADDRESS_CELL: i32 = UNITS_PER_DEGREE / 50;

/// Metres to a degree of latitude.
const DEGREE_M: f64 = 111_195.0;

/// A town, and how far it reaches: 24 bytes.
#[derive(Clone, Copy, Debug)]
struct Town {
    at: Coordinates,
    reach_m: f64,
    /// "Town, region, country" as far as known.
    label: TextRef,
    /// Whether it is part of a larger one, which goes first.
    is_part: bool,
}

/// What the inputs say about towns.
#[derive(Debug, Default)]
pub(super) struct Towns {
    known: HashSet<PlaceKey>,
    towns: Vec<Town>,
    /// Towns whose reach touches a cell.
    reaching: HashMap<(i32, i32), Vec<u32>>,
    /// How often addresses in a cell name a town.
    named: HashMap<(i32, i32), HashMap<TextRef, u32>>,
}

/// How far a town of so many people reaches: the radius of a disk of 2200 people a square kilometre, within 2 to 30 km.
fn reach_m(population: f64) -> f64 {
    (12.0 * population.max(0.0).sqrt()).clamp(2_000.0, 30_000.0)
}

impl Towns {
    /// Takes in a town, the first time that it comes.
    #[expect(clippy::cast_possible_truncation, reason = "30 km are 34 million units at most")]
    pub(super) fn add(
        &mut self,
        key: PlaceKey,
        at: Coordinates,
        population: f64,
        is_part: bool,
        label: TextRef,
    ) {
        let Ok(number) = u32::try_from(self.towns.len()) else { return };
        if !self.known.insert(key) {
            return;
        }
        let reach_m = reach_m(population);
        let north = reach_m / DEGREE_M * f64::from(UNITS_PER_DEGREE);
        // Nearer to the poles than 85 degrees towns reach less far east.
        let east = (north / at.degrees().0.to_radians().cos().max(0.08)) as i32;
        let north = north as i32;
        for row in (at.latitude() - north).div_euclid(CELL)..=(at.latitude() + north).div_euclid(CELL) {
            for column in (at.longitude() - east).div_euclid(CELL)..=(at.longitude() + east).div_euclid(CELL)
            {
                self.reaching.entry((row, column.rem_euclid(COLUMNS))).or_default().push(number);
            }
        }
        self.towns.push(Town { at, reach_m, label, is_part });
    }

    /// Takes in an address.
    pub(super) fn add_address(&mut self, at: Coordinates, label: TextRef) {
        *self.named.entry(cell(at, ADDRESS_CELL)).or_default().entry(label).or_default() += 1;
    }

    /// The town of a place that names `own` as its town, or none: the best that is known of it, the empty text if nothing is.
    pub(super) fn label_for(&self, at: Coordinates, own: TextRef, texts: &Texts) -> TextRef {
        let town = self.nearest(at).map(|town| town.label);
        if own == TextRef::default() {
            return town.or_else(|| self.most_named(at, texts)).unwrap_or_default();
        }
        // A town of that name knows its region too.
        town.filter(|label| texts.get(*label).split(", ").next() == Some(texts.get(own))).unwrap_or(own)
    }

    fn nearest(&self, at: Coordinates) -> Option<&Town> {
        let (row, column) = cell(at, CELL);
        let reaching = self.reaching.get(&(row, column.rem_euclid(COLUMNS)))?;
        let ratios = reaching.iter().filter_map(|number| {
            let town = self.towns.get(usize::try_from(*number).ok()?)?;
            let ratio = town.at.distance_m(at) / town.reach_m;
            (ratio <= 1.0).then_some((if town.is_part { ratio + 1.0 } else { ratio }, town))
        });
        ratios.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, town)| town)
    }

    fn most_named(&self, at: Coordinates, texts: &Texts) -> Option<TextRef> {
        let (row, column) = cell(at, ADDRESS_CELL);
        let around =
            (row - 1..=row + 1).flat_map(|row| (column - 1..=column + 1).map(move |column| (row, column)));
        let counts = around.filter_map(|cell| self.named.get(&cell)).flatten();
        // The name decides between equals: a hash map has no order.
        counts.max_by_key(|(label, count)| (**count, Reverse(texts.get(**label)))).map(|(label, _)| *label)
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
        let (mut towns, mut texts) = (Towns::default(), Texts::default());
        let [city, beach, part] =
            ["Los Angeles, CA, US", "Santa Monica, CA, US", "Westwood"].map(|label| texts.add(label));
        let [named, other] = ["Los Angeles", "Bel Air"].map(|own| texts.add(own));
        towns.add(key(1), at(34.0522, -118.2437), 3_800_000.0, false, city);
        towns.add(key(2), at(34.0195, -118.4912), 90_000.0, false, beach);
        towns.add(key(3), at(34.0635, -118.4455), 50_000.0, true, part);
        let label = |lat, lng, own| towns.label_for(at(lat, lng), own, &texts);
        let none = TextRef::default();
        assert_eq!(label(34.0689, -118.4451, none), city);
        assert_eq!(label(34.0150, -118.4930, none), beach);
        assert_eq!(label(40.0, -118.0, none), none);
        assert_eq!(label(34.06, -118.44, named), city);
        assert_eq!(label(34.06, -118.44, other), other);
    }

    #[test]
    fn without_towns_the_addresses_around_decide() {
        let (mut towns, mut texts) = (Towns::default(), Texts::default());
        let [a, b] = ["A, CA", "B, CA"].map(|label| texts.add(label));
        for label in [b, a, a] {
            towns.add_address(at(34.0689, -118.4451), label);
        }
        let none = TextRef::default();
        assert_eq!(towns.label_for(at(34.07, -118.46), none, &texts), a);
        assert_eq!(towns.label_for(at(34.2, -118.46), none, &texts), none);
    }

    #[test]
    fn a_town_reaches_over_the_antimeridian() {
        let (mut towns, mut texts) = (Towns::default(), Texts::default());
        let label = texts.add("Taveuni");
        towns.add(key(1), at(-16.8, 179.99), 1_000_000.0, false, label);
        assert_eq!(towns.label_for(at(-16.8, -179.95), TextRef::default(), &texts), label);
    }
}
