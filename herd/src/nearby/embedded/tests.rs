//! Answers of the embedded provider: their bytes, their schema, their laws.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;

use super::*;
use super::{place::Coordinates, place_id::print_place_id, plus_code::plus_code};
use crate::nearby::google_style::{Value, print, tests::parse};

const UCLA: (f64, f64) = (34.068_930, -118.445_127);

/// Built once for all tests.
static BUILT_IN: LazyLock<Embedded> = LazyLock::new(|| Embedded::open(None).unwrap());

fn ask(places: &Embedded, at: (f64, f64), radius_km: f64, bound: u8) -> String {
    let position = Position::new(at.0, at.1).unwrap();
    String::from_utf8(places.look_up(position, Question { radius_km, bound })).unwrap()
}

fn place_id(rank: u32) -> Vec<u8> {
    let mut out = Vec::new();
    print_place_id(BUILT_IN.index.place(rank).unwrap().key, &mut out);
    out
}

fn object(value: &Value) -> &BTreeMap<String, Value> {
    let Value::Object(members) = value else { panic!("no object: {value:?}") };
    members
}

fn text(value: &Value) -> &str {
    let Value::Text(text) = value else { panic!("no text: {value:?}") };
    text
}

fn array(value: &Value) -> &[Value] {
    let Value::Array(items) = value else { panic!("no array: {value:?}") };
    items
}

fn degrees(point: &Value) -> (f64, f64) {
    let number = |value: &Value| -> f64 { print(value).trim().parse().unwrap() };
    (number(&object(point)["lat"]), number(&object(point)["lng"]))
}

/// Every law that an answer must keep; returns the names in it.
fn check(answer: &str, at: (f64, f64), radius_km: f64, bound: u8) -> Vec<String> {
    assert!(answer.ends_with("}\n\n") && answer.find("\n\n") == Some(answer.len() - 2), "{answer}");
    let document = &answer[..answer.len() - 1];
    let parsed = parse(document);
    assert_eq!(print(&parsed), document);
    let top = object(&parsed);
    assert_eq!(top.keys().collect::<Vec<_>>(), ["html_attributions", "results", "status"]);
    let results = array(&top["results"]);
    assert!(results.len() <= usize::from(bound));
    let status = text(&top["status"]);
    assert!(status == "OK" || status == "ZERO_RESULTS" && results.is_empty());
    results.iter().map(|result| check_result(object(result), at, radius_km)).collect()
}

fn check_result(result: &BTreeMap<String, Value>, centre: (f64, f64), radius_km: f64) -> String {
    const REQUIRED: [&str; 10] = [
        "geometry",
        "icon",
        "icon_background_color",
        "icon_mask_base_uri",
        "name",
        "place_id",
        "plus_code",
        "reference",
        "scope",
        "types",
    ];
    assert!(REQUIRED.iter().all(|key| result.contains_key(*key)), "{result:?}");
    let optional = |key: &String| key == "business_status" || key == "vicinity";
    assert!(result.keys().all(|key| REQUIRED.contains(&key.as_str()) || optional(key)), "{result:?}");

    let geometry = object(&result["geometry"]);
    let at = degrees(&geometry["location"]);
    assert!(distance_m(centre, at) <= radius_km * 1000.0, "{result:?}");
    let viewport = object(&geometry["viewport"]);
    let (northeast, southwest) = (degrees(&viewport["northeast"]), degrees(&viewport["southwest"]));
    assert!(northeast.0 > at.0 && southwest.0 < at.0, "{result:?}");
    assert!((northeast.1 > at.1 && southwest.1 < at.1) || northeast.1 < southwest.1, "{result:?}");

    let types: Vec<&str> = array(&result["types"]).iter().map(text).collect();
    let political = types.contains(&"political");
    assert!(political || types.last() == Some(&"establishment"), "{types:?}");
    assert_eq!(result.contains_key("business_status"), !political);

    let codes = object(&result["plus_code"]);
    let global = text(&codes["global_code"]);
    assert_eq!(global.as_bytes(), plus_code(Coordinates::from_degrees(at.0, at.1).unwrap()));
    if let Some(compound) = codes.get("compound_code") {
        assert!(text(compound).starts_with(&format!("{} ", &global[4..])), "{compound:?}");
    }
    let id = text(&result["place_id"]);
    assert!(id.len() == 27 && id.starts_with("ChIJ") && result["reference"] == result["place_id"]);
    assert_eq!(text(&result["scope"]), "APP");
    text(&result["name"]).to_owned()
}

proptest! {
    #[test]
    fn every_answer_keeps_googles_laws(
        lat in -90.0..=90.0f64, lng in -180.0..=180.0f64, near in any::<prop::sample::Index>(),
        on_a_place in prop::bool::weighted(0.8), radius_km in prop::sample::select(vec![0.0, 0.3, 1.0, 10.0, 50.0]),
        bound in 0..=20u8,
    ) {
        let places = &*BUILT_IN;
        let points = places.index.level(grid::LEVELS);
        let point = index::Node::read(&points[near.index(points.len())]).point().unwrap().degrees();
        let at = if on_a_place { point } else { (lat, lng) };
        let answer = ask(places, at, radius_km, bound);
        let names = check(&answer, at, radius_km, bound);
        if on_a_place && bound > 0 {
            prop_assert!(!names.is_empty());
        }
        // The built-in table is our own.
        prop_assert!(answer.contains("   \"html_attributions\" : [],\n"), "it credits others");
    }
}

#[test]
fn where_nothing_is_the_answer_has_81_bytes_and_a_second_newline() {
    let places = &*BUILT_IN;
    let answer = ask(places, (-60.0, -120.0), 50.0, 20);
    assert_eq!(
        answer,
        "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"ZERO_RESULTS\"\n}\n\n"
    );
    assert_eq!(answer.len(), 82);
}

#[test]
fn bound_zero_is_ok_and_empty_where_there_are_places() {
    let places = &*BUILT_IN;
    let answer = ask(places, UCLA, 10.0, 0);
    assert!(answer.contains("\"results\" : [],\n   \"status\" : \"OK\""), "{answer}");
}

#[test]
fn a_smaller_bound_gives_the_first_of_the_same_places() {
    let places = &*BUILT_IN;
    let names = |bound| check(&ask(places, UCLA, 10.0, bound), UCLA, 10.0, bound);
    let all = names(20);
    assert_eq!(all.len(), 20);
    for bound in 0..=20u8 {
        assert_eq!(names(bound), all[..usize::from(bound)]);
    }
}

#[test]
fn no_two_built_in_places_share_an_id() {
    let places = &*BUILT_IN;
    let ranks = 0..u32::try_from(places.len()).unwrap();
    let mut ids: Vec<Vec<u8>> = ranks.map(place_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), places.len());
}

#[test]
fn a_file_that_is_no_whole_index_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows");
    let columns = "1\tA Town\tA\t\t1.0\t2.0\tP\tPPL\tUS\t\tCA\t\t\t\t5000\t\t9\tEtc/UTC\t2020-01-01\n";
    std::fs::write(&rows, columns).unwrap();
    let path = folder.path().join("x.idx");
    import::import(&[rows], &path, &mut |_| ()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(Embedded::open(Some(&path)).unwrap().len(), 1);

    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    let mut newer = whole.clone();
    newer[8] += 1;
    let cases: [(&[u8], &str); 5] = [
        (b"", "no place index"),
        (b"{\"places\": []}", "no place index"),
        (&whole[..whole.len() - 1], "damaged"),
        (&changed, "damaged"),
        (&newer, "has format 2, this herd reads 1"),
    ];
    for (bytes, expected) in cases {
        std::fs::write(&path, bytes).unwrap();
        let error = Embedded::open(Some(&path)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("x.idx"), "{error}");
    }
}

#[tokio::test]
async fn an_imported_index_answers_with_its_attributions() {
    let Some(data) = crate::nearby::test_data("osm") else { return };
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("x.idx");
    let inputs = ["ucla.osm.pbf", "monaco-latest.osm.pbf"].map(|name| data.join(name));
    import::import(&inputs, &index, &mut |_| ()).unwrap();
    let mapped = Embedded::new(Index::open(&index, 0).unwrap());
    let places = Embedded::open(Some(&index)).unwrap();
    assert!(places.index.is_in_memory() && !mapped.index.is_in_memory());
    let position = Position::new(UCLA.0, UCLA.1).unwrap();
    let question = Question { radius_km: 1.0, bound: 20 };
    let bytes = places.answer(position, question).await;
    assert_eq!(mapped.answer(position, question).await, bytes);
    let answer = String::from_utf8(bytes).unwrap();
    let names = check(&answer, UCLA, 1.0, 20);
    assert_eq!(names.len(), 20);
    assert!(names.iter().any(|name| name == "University of California, Los Angeles"), "{names:?}");
    assert!(answer.contains("© OpenStreetMap contributors") && !answer.contains("GeoNames"));
    for rank in (0..u32::try_from(places.len()).unwrap()).step_by(7) {
        let at = search::search(&places.index, &Circle::new((43.7384, 7.4246), 5e3), 500);
        let at = at[usize::try_from(rank).unwrap() % at.len()].at.degrees();
        check(&ask(&places, at, 0.5, 20), at, 0.5, 20);
    }
}
