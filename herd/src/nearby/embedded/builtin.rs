//! The places that herd brings along: a few hundred well-known ones, so that it answers before anything is imported.
//!
//! The tables in `herd/places/` are the whole of it; an index in memory is made of them at start.

use std::path::Path;

use super::{
    build::{Builder, Record},
    index::{Index, IndexError},
    kinds::Kind,
    place::{Coordinates, PlaceKey, Source},
};

/// Name, latitude, longitude, type, locality; the places of a locality from most to least prominent.
const TABLES: [&str; 3] = [
    include_str!("../../../places/americas.tsv"),
    include_str!("../../../places/asia_oceania.tsv"),
    include_str!("../../../places/europe_africa.tsv"),
];

/// Prominence of the first place of a locality; the next ones have one less each.
const FIRST: f32 = 100.0;

/// Makes the index.
///
/// # Errors
/// None that the tests let pass.
pub(crate) fn index() -> Result<Index, IndexError> {
    let name = Path::new("built-in");
    let mut bytes = Vec::new();
    builder().write(&mut bytes).map_err(|error| IndexError::Open { path: name.into(), error })?;
    Index::from_bytes(bytes, name)
}

fn builder() -> Builder {
    let mut builder = Builder::default();
    let mut locality_score = ("", FIRST);
    for (id, line) in (1..).zip(TABLES.into_iter().flat_map(str::lines)) {
        let Some((name, at, kind, locality)) = parse(line) else { continue };
        let score = if locality_score.0 == locality { locality_score.1 - 1.0 } else { FIRST };
        locality_score = (locality, score);
        let locality = builder.texts.add(locality);
        builder.records.push(Record {
            key: PlaceKey::new(Source::BuiltIn, id),
            score,
            at,
            name: builder.texts.add(name),
            types: builder.texts.add(&kind.types()),
            vicinity: locality,
            locality,
            half: [0; 2],
        });
    }
    builder
}

fn parse(line: &str) -> Option<(&str, Coordinates, &'static Kind, &str)> {
    let mut fields = line.split('\t');
    let [name, lat, lng, kind, locality] = std::array::from_fn(|_| fields.next());
    let at = Coordinates::from_degrees(lat?.parse().ok()?, lng?.parse().ok()?)?;
    Some((name?, at, Kind::named(kind?)?, locality?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nearby::embedded::{circle::Circle, search::search};

    const UCLA: (f64, f64) = (34.068_930, -118.445_127);

    #[test]
    fn every_row_is_a_place() {
        for line in TABLES.into_iter().flat_map(str::lines).filter(|line| !line.starts_with('#')) {
            assert!(parse(line).is_some(), "{line}");
            assert_eq!(line.split('\t').count(), 5, "{line}");
        }
    }

    #[test]
    fn there_are_places_for_every_large_city() {
        let began = std::time::Instant::now();
        let index = index().unwrap();
        println!("{} built-in places indexed in {:?}", index.len(), began.elapsed());
        assert!(index.len() >= 700, "{}", index.len());
        let around = search(&index, &Circle::new(UCLA, 10_000.0), 1000);
        assert!(around.len() >= 60, "{}", around.len());
        for (city, at) in [
            ("Tokyo", (35.68, 139.69)),
            ("Delhi", (28.61, 77.21)),
            ("São Paulo", (-23.55, -46.63)),
            ("Lagos", (6.52, 3.38)),
            ("London", (51.51, -0.13)),
            ("New York", (40.71, -74.0)),
            ("Sydney", (-33.87, 151.21)),
        ] {
            assert!(search(&index, &Circle::new(at, 25_000.0), 20).len() >= 5, "{city}");
        }
    }

    #[test]
    fn around_ucla_the_prominent_places_come_first() {
        let index = index().unwrap();
        let hits = search(&index, &Circle::new(UCLA, 10_000.0), 5);
        let names: Vec<_> = hits.iter().map(|hit| index.place(hit.rank).unwrap().name).collect();
        println!("{names:?}");
        assert_eq!(names.len(), 5);
        let known = ["Los Angeles", "UCLA", "Beverly Hills", "Santa Monica"];
        assert!(known.iter().any(|known| names[0].contains(known)), "{names:?}");
    }
}
