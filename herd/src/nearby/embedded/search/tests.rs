//! Laws of the search: the same as looking at everything, and unharmed by any bytes.

use std::{path::Path, time::Instant};

use proptest::prelude::*;

use super::*;
use crate::nearby::embedded::{
    build::{Builder, Record, TextRef},
    place::{PlaceKey, Source},
};

/// A place as the tests see it: where, how prominent, and which.
type Dot = (Coordinates, u8, i64);

fn bytes_of(dots: &[Dot]) -> Vec<u8> {
    let mut builder = Builder::default();
    for (at, score, id) in dots {
        builder.records.push(Record {
            key: PlaceKey::new(Source::OsmNode, *id),
            score: f32::from(*score),
            at: *at,
            name: TextRef::default(),
            types: TextRef::default(),
            vicinity: TextRef::default(),
            locality: TextRef::default(),
            half: [0; 2],
        });
    }
    let mut bytes = Vec::new();
    builder.write(&mut bytes).unwrap();
    bytes
}

fn index_of(dots: &[Dot]) -> Index {
    Index::from_bytes(bytes_of(dots), Path::new("test")).unwrap()
}

/// What looking at every place finds.
fn brute_force(dots: &[Dot], circle: &Circle, limit: usize) -> Vec<PlaceKey> {
    let mut inside: Vec<&Dot> = dots.iter().filter(|(at, ..)| circle.contains(*at)).collect();
    inside.sort_by_key(|(_, score, id)| (Reverse(*score), PlaceKey::new(Source::OsmNode, *id)));
    inside.iter().take(limit).map(|(.., id)| PlaceKey::new(Source::OsmNode, *id)).collect()
}

fn found(index: &Index, circle: &Circle, limit: usize) -> Vec<PlaceKey> {
    search(index, circle, limit).iter().map(|hit| index.place(hit.rank).unwrap().key).collect()
}

/// Points everywhere, and crowds where cells are odd: the poles, the antimeridian, cell corners.
fn coordinates() -> impl Strategy<Value = Coordinates> {
    let anchor = prop::sample::select(vec![
        (90.0, 0.0),
        (-90.0, 100.0),
        (0.0, 180.0),
        (0.0, -180.0),
        (89.9, 179.9),
        (34.07, -118.44),
        (10.0, 10.0),
        (-33.9, 151.2),
    ]);
    let spread = prop::sample::select(vec![0.0, 0.005, 0.05, 0.5, 3.0]);
    let crowd = (anchor, spread, -1.0..=1.0f64, -1.0..=1.0f64).prop_map(|((lat, lng), spread, up, right)| {
        let lat = (lat + up * spread).clamp(-90.0, 90.0);
        let lng = lng + right * spread * if f64::abs(lat) > 89.0 { 50.0 } else { 1.0 };
        (lat, (lng + 540.0).rem_euclid(360.0) - 180.0)
    });
    let anywhere = (-90.0..=90.0f64, -180.0..=180.0f64);
    prop_oneof![4 => crowd, 1 => anywhere].prop_map(|(lat, lng)| Coordinates::from_degrees(lat, lng).unwrap())
}

fn dots() -> impl Strategy<Value = Vec<Dot>> {
    prop::collection::vec((coordinates(), 0..20u8), 0..120)
        .prop_map(|dots| dots.into_iter().zip(0..).map(|((at, score), id)| (at, score, id)).collect())
}

proptest! {
    #[test]
    fn the_search_equals_looking_at_everything(
        dots in dots(), centre in coordinates(), limit in 0..=20usize,
        radius in prop::sample::select(vec![0.0, 10.0, 1e3, 1e4, 5e4, 5e5, 5e6, 1.9e7, 2.1e7]),
    ) {
        let circle = Circle::new(centre.degrees(), radius);
        prop_assert_eq!(found(&index_of(&dots), &circle, limit), brute_force(&dots, &circle, limit));
    }

    #[test]
    fn radius_zero_finds_exactly_the_places_at_the_point(dots in dots(), limit in 1..=20usize) {
        let index = index_of(&dots);
        for (at, ..) in &dots {
            let circle = Circle::new(at.degrees(), 0.0);
            let hits = found(&index, &circle, limit);
            prop_assert!(!hits.is_empty());
            prop_assert_eq!(hits, brute_force(&dots, &circle, limit));
        }
    }

    #[test]
    fn a_changed_byte_is_noticed(dots in dots(), at in any::<prop::sample::Index>(), change in 1..=255u8) {
        let mut bytes = bytes_of(&dots);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(Index::from_bytes(bytes, Path::new("test")).is_err());
    }

    #[test]
    fn a_truncated_index_is_noticed(dots in dots(), at in any::<prop::sample::Index>()) {
        let mut bytes = bytes_of(&dots);
        bytes.truncate(at.index(bytes.len()));
        prop_assert!(Index::from_bytes(bytes, Path::new("test")).is_err());
    }

    #[test]
    fn a_forged_index_with_a_true_checksum_cannot_make_the_search_panic(
        dots in dots(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        centre in coordinates(),
    ) {
        let mut bytes = bytes_of(&dots);
        let body = bytes.len() - 8;
        for (at, byte) in changes {
            bytes[at.index(body)] = byte;
        }
        let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..body]).to_le_bytes();
        bytes[body..].copy_from_slice(&sum);
        if let Ok(index) = Index::from_bytes(bytes, Path::new("test")) {
            let hits = search(&index, &Circle::new(centre.degrees(), 5e4), 20);
            prop_assert!(hits.len() <= 20);
            for hit in hits {
                let _ = index.place(hit.rank);
            }
        }
    }
}

#[test]
fn of_two_places_with_one_key_the_first_counts() {
    let here = Coordinates::from_degrees(1.0, 2.0).unwrap();
    let there = Coordinates::from_degrees(3.0, 4.0).unwrap();
    let index = index_of(&[(here, 1, 7), (there, 9, 7)]);
    assert_eq!(index.len(), 1);
    assert_eq!(search(&index, &Circle::new(here.degrees(), 1.0), 5).len(), 1);
}

/// Prints how long a question takes: see `docs/places.md`.
#[test]
fn crowded_circles_are_answered_like_thin_ones() {
    let mut random = fastrand::Rng::with_seed(7);
    let count = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    // A town for a hundred places, some towns much larger than others, each spread over about 15 km.
    let towns: Vec<(f64, f64)> =
        (0..count / 100).map(|_| (random.f64() * 120.0 - 55.0, random.f64() * 360.0 - 180.0)).collect();
    let mut near = |middle: f64| middle + (random.f64() + random.f64() + random.f64() - 1.5) * 0.06;
    let mut pick = fastrand::Rng::with_seed(8);
    let mut town = || {
        let mut end = towns.len();
        for _ in 0..3 {
            end = pick.usize(..end) + 1;
        }
        towns[end - 1]
    };
    let mut scores = fastrand::Rng::with_seed(9);
    let dots: Vec<Dot> = (0..count)
        .map(|id| {
            let (lat, lng) = town();
            let lng = (near(lng) + 540.0).rem_euclid(360.0) - 180.0;
            (Coordinates::from_degrees(near(lat), lng).unwrap(), scores.u8(..), id)
        })
        .collect();
    let bytes = bytes_of(&dots);
    println!("{} places, {} bytes", dots.len(), bytes.len());
    let began = Instant::now();
    let index = Index::from_bytes(bytes, Path::new("test")).unwrap();
    println!("checked in {:?}", began.elapsed());
    for radius in [1e3, 1e4, 5e4] {
        let circles: Vec<Circle> =
            (0..1000).map(|_| Circle::new(dots[scores.usize(..dots.len())].0.degrees(), radius)).collect();
        let began = Instant::now();
        let hits: usize = circles.iter().map(|circle| search(&index, circle, 20).len()).sum();
        println!("radius {radius} m: {:?} a question, {} hits", began.elapsed() / 1000, hits / 1000);
        let crowd: usize = circles[..20]
            .iter()
            .map(|circle| dots.iter().filter(|(at, ..)| circle.contains(*at)).count())
            .sum();
        println!("    circles hold {} places", crowd / 20);
        for circle in &circles[..5] {
            assert_eq!(found(&index, circle, 20), brute_force(&dots, circle, 20));
        }
    }
}
