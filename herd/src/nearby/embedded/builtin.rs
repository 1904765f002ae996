//! The places that herd brings along: some thousand well-known ones, so that it answers before anything is imported.
//!
//! The tables in `herd/places/` are the whole of it; an index in memory is made of them at start.

use std::{collections::HashMap, path::Path};

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

/// The more places of a locality are worth telling, the more prominent are its first ones: the n-th of m scores m/n.
fn builder() -> Builder {
    let mut builder = Builder::default();
    let rows: Vec<_> = TABLES.into_iter().flat_map(str::lines).filter_map(parse).collect();
    let mut counts: HashMap<&str, (f32, f32)> = HashMap::new();
    for (.., locality) in &rows {
        counts.entry(locality).or_default().0 += 1.0;
    }
    for (id, (name, at, kind, town)) in (1..).zip(rows) {
        let (all, so_far) = counts.entry(town).or_default();
        *so_far += 1.0;
        let locality = builder.texts.add(town);
        builder.records.push(Record {
            key: PlaceKey::new(Source::BuiltIn, id),
            score: *all / *so_far,
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
    use crate::nearby::embedded::{
        circle::Circle,
        search::{Hit, search},
    };

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
        let name = |hit: &Hit| str::from_utf8(index.place(hit.rank).unwrap().name).unwrap();
        let names: Vec<_> = hits.iter().map(name).collect();
        println!("{names:?}");
        assert_eq!(names.len(), 5);
        assert_eq!(names[0], "University of California, Los Angeles", "{names:?}");
        assert!(names.contains(&"Beverly Hills"), "{names:?}");
    }
}
