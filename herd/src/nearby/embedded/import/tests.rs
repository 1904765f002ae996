//! Importing: what becomes of each kind of element, of several files, and of bad ones.

use std::os::unix::fs::FileTypeExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::nearby::embedded::{circle::Circle, index::Index, search::search};

mod encode;

use self::encode::Pbf;

/// A campus: a university as an area, a café and a house on its street, a park as a relation of two pieces.
const CAMPUS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
 <node id="1" lat="10.0000000" lon="20.0000000"/>
 <node id="2" lat="10.0000000" lon="20.0100000"/>
 <node id="3" lat="10.0100000" lon="20.0100000"/>
 <node id="4" lat="10.0100000" lon="20.0000000"/>
 <node id="5" lat="10.0003000" lon="20.0050000">
  <tag k="amenity" v="cafe"/>
  <tag k="name" v="Café &quot;&lt;3&quot;"/>
 </node>
 <node id="6" lat="10.0002000" lon="20.0060000">
  <tag k="shop" v="books"/>
  <tag k="name" v="Books"/>
  <tag k="addr:housenumber" v="7"/>
  <tag k="addr:street" v="Page Street"/>
  <tag k="addr:city" v="Bookton"/>
 </node>
 <node id="7" lat="10.0050000" lon="20.0050000">
  <tag k="place" v="town"/>
  <tag k="name" v="Campustown"/>
  <tag k="population" v="20000"/>
 </node>
 <node id="8" lat="10.0" lon="20.0"><tag k="amenity" v="bench"/></node>
 <way id="1">
  <nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/>
  <tag k="amenity" v="university"/>
  <tag k="name" v="The University"/>
  <tag k="wikidata" v="Q1"/>
 </way>
 <way id="2"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/><tag k="name" v="South Street"/></way>
 <way id="3"><nd ref="3"/><nd ref="4"/></way>
 <way id="4"><nd ref="99"/><tag k="shop" v="toys"/><tag k="name" v="Nowhere"/></way>
 <relation id="1">
  <member type="way" ref="2" role="outer"/>
  <member type="way" ref="3" role=""/>
  <member type="node" ref="7" role="label"/>
  <tag k="type" v="multipolygon"/>
  <tag k="leisure" v="park"/>
  <tag k="name" v="The Park"/>
 </relation>
</osm>
"#;

/// The same as PBF.
fn campus_pbf(dense: bool) -> Vec<u8> {
    let mut pbf = Pbf::default();
    let cafe = [("amenity", "cafe"), ("name", "Café \"<3\"")];
    let books = [
        ("shop", "books"),
        ("name", "Books"),
        ("addr:housenumber", "7"),
        ("addr:street", "Page Street"),
        ("addr:city", "Bookton"),
    ];
    let town = [("place", "town"), ("name", "Campustown"), ("population", "20000")];
    pbf.nodes(
        dense,
        &[
            (1, 100_000_000, 200_000_000, &[]),
            (2, 100_000_000, 200_100_000, &[]),
            (3, 100_100_000, 200_100_000, &[]),
            (4, 100_100_000, 200_000_000, &[]),
            (5, 100_003_000, 200_050_000, &cafe),
            (6, 100_002_000, 200_060_000, &books),
            (7, 100_050_000, 200_050_000, &town),
            (8, 100_000_000, 200_000_000, &[("amenity", "bench")]),
        ],
    );
    let university = [("amenity", "university"), ("name", "The University"), ("wikidata", "Q1")];
    pbf.way(1, &[1, 2, 3, 4, 1], &university);
    pbf.way(2, &[1, 2], &[("highway", "residential"), ("name", "South Street")]);
    pbf.way(3, &[3, 4], &[]);
    pbf.way(4, &[99], &[("shop", "toys"), ("name", "Nowhere")]);
    let park = [("type", "multipolygon"), ("leisure", "park"), ("name", "The Park")];
    pbf.relation(1, &[(1, 2, "outer"), (1, 3, ""), (0, 7, "label")], &park);
    pbf.finish()
}

fn file(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn import_all(folder: &TempDir, inputs: &[PathBuf]) -> Result<(Index, ImportSummary), ImportError> {
    let output = folder.path().join("out.idx");
    let summary = import(inputs, &output, &mut |_| ())?;
    Ok((Index::open(&output, 0).unwrap(), summary))
}

/// Name, vicinity, types, and latitude and longitude of the places around the campus, most prominent first.
fn places(index: &Index) -> Vec<(String, String, String, (f64, f64))> {
    let hits = search(index, &Circle::new((10.0, 20.0), 5e4), 100);
    let row = |hit: &crate::nearby::embedded::search::Hit| {
        let place = index.place(hit.rank).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(place.name), text(place.vicinity), text(place.types), hit.at.degrees())
    };
    hits.iter().map(row).collect()
}

#[test]
fn every_kind_of_element_becomes_a_place() {
    let folder = TempDir::new().unwrap();
    let (index, summary) = import_all(&folder, &[file(&folder, "campus", CAMPUS)]).unwrap();
    assert_eq!((summary.places, summary.unlocated), (5, 1));
    let place = |name: &str, vicinity: &str, types: &str, at| {
        (name.to_owned(), vicinity.to_owned(), types.to_owned(), at)
    };
    assert_eq!(
        places(&index),
        [
            place(
                "The University",
                "Campustown",
                "university point_of_interest establishment",
                (10.005, 20.005)
            ),
            place("Campustown", "Campustown", "locality political", (10.005, 20.005)),
            place("The Park", "Campustown", "park point_of_interest establishment", (10.005, 20.005)),
            place(
                "Café \"<3\"",
                "South Street, Campustown",
                "cafe food store point_of_interest establishment",
                (10.0003, 20.005)
            ),
            place(
                "Books",
                "7 Page Street, Bookton",
                "book_store store point_of_interest establishment",
                (10.0002, 20.006)
            ),
        ]
    );
    let university = index.place(0).unwrap();
    assert!(university.half.iter().all(|half| half.abs_diff(50_000) <= 1), "{:?}", university.half);
}

#[test]
fn both_formats_and_both_ways_to_write_nodes_give_the_same_index() {
    let folder = TempDir::new().unwrap();
    let bytes = |name: &str, content: &[u8]| {
        import_all(&folder, &[file(&folder, name, content)]).unwrap();
        std::fs::read(folder.path().join("out.idx")).unwrap()
    };
    let xml = bytes("a", CAMPUS.as_bytes());
    assert!(bytes("b", &campus_pbf(true)) == xml);
    assert!(bytes("c", &campus_pbf(false)) == xml);
}

#[test]
fn the_same_real_file_in_both_formats_gives_the_same_index() {
    let Some(data) = crate::nearby::test_data("osm") else { return };
    let folder = TempDir::new().unwrap();
    let [xml, pbf] = ["ucla.osm", "ucla.osm.pbf"].map(|name| {
        let (index, summary) = import_all(&folder, &[data.join(name)]).unwrap();
        assert!(summary.places > 120, "{summary:?}");
        (summary, std::fs::read(folder.path().join("out.idx")).unwrap(), index.len())
    });
    assert!(xml == pbf, "{:?} {:?}", xml.0, pbf.0);
}

fn row(id: u32, name: &str, lat: &str, class_code: &str, population: &str) -> String {
    format!(
        "{id}\t{name}\t{name}\tA,B,C\t{lat}\t20.1\t{class_code}\tUS\t\tCA\t\t\t\t{population}\t\t9\tEtc/UTC\t2020-01-01\n"
    )
}

#[test]
fn several_inputs_become_one_index_and_the_first_of_two_equal_places_counts() {
    let folder = TempDir::new().unwrap();
    let rows = row(1, "Big City", "10.0", "P\tPPL", "3000000")
        + &row(2, "Old Castle", "10.01", "S\tCSTL", "0")
        + &row(3, "A Road", "10.01", "R\tRD", "0");
    let later = CAMPUS.replace("The University", "Renamed");
    let inputs = [
        file(&folder, "campus", CAMPUS),
        file(&folder, "rows", format!("\u{feff}{rows}")),
        file(&folder, "later", later),
        file(&folder, "again", row(1, "Bigger City", "10.0", "P\tPPL", "4000000")),
    ];
    let (index, summary) = import_all(&folder, &inputs).unwrap();
    assert_eq!(summary.places, 7);
    let found = places(&index);
    let names: Vec<&str> = found.iter().map(|place| place.0.as_str()).collect();
    assert_eq!(names[..2], ["Big City", "The University"]);
    assert!(!names.contains(&"A Road") && !names.contains(&"Renamed"));
    let castle = found.iter().find(|place| place.0 == "Old Castle").unwrap();
    assert_eq!(castle.1, "Big City");
    assert_eq!(index.place(0).unwrap().locality, b"Big City, CA, US");
}

#[test]
fn bad_input_is_an_error_that_names_file_and_position_and_leaves_the_output_alone() {
    let rows = row(1, "Good", "10.0", "P\tPPL", "1") + &row(2, "Bad", "91", "P\tPPL", "1");
    let cases: [(&str, String, &str); 13] = [
        ("rows", rows, "line 2: columns 5 and 6 lie off the globe"),
        ("rows", row(1, "Good", "10.0", "P\tPPL", "1") + "a\tb\n", "line 2: expected 19 columns"),
        ("rows", row(1, "Good", "10.0", "P\tPPL", "many"), "line 1: column 15"),
        ("xml", CAMPUS.replace("lat=\"10.0003000\"", "lat=\"north\""), "should be a number: \"north\""),
        ("xml", CAMPUS.replace("lon=\"20.0050000\"", ""), "<node> lacks \"lon\""),
        ("xml", CAMPUS.replace("</relation>", "</way>"), "byte "),
        ("xml", CAMPUS.split_at(CAMPUS.len() / 2).0.to_owned(), "byte "),
        ("xml", CAMPUS.replace("&lt;", "&nonsense;"), "byte "),
        (
            "gpx",
            r#"<?xml version="1.0"?><gpx><wpt lat="1" lon="2"/></gpx>"#.to_owned(),
            "root is <osm>, found <gpx>",
        ),
        ("change", CAMPUS.replace("osm", "osmChange"), "root is <osm>, found <osmChange>"),
        (
            "xml",
            r#"<osm><node id="1" lat="1" lon="2"/></osm>"#.to_owned(),
            "expected at least one place with a name",
        ),
        ("rows", row(1, "A Road", "10.0", "R\tRD", "0"), "expected at least one place with a name"),
        ("zip", "PK\u{3}\u{4} whatever".to_owned(), "expected OSM PBF (.osm.pbf), OSM XML (.osm"),
    ];
    for (name, content, expected) in cases {
        let folder = TempDir::new().unwrap();
        let output = file(&folder, "out.idx", "as before");
        let input = file(&folder, name, content);
        let error = import(&[input], &output, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
        assert_eq!(std::fs::read(&output).unwrap(), b"as before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
    let folder = TempDir::new().unwrap();
    let error = import_all(&folder, &[folder.path().join("missing")]).unwrap_err();
    assert!(matches!(error, ImportError::Read { .. }), "{error}");
}

#[test]
fn an_input_is_never_overwritten() {
    let folder = TempDir::new().unwrap();
    let input = file(&folder, "campus", CAMPUS);
    let [link, twin] = ["link", "twin"].map(|name| folder.path().join(name));
    std::os::unix::fs::symlink(&input, &link).unwrap();
    std::fs::hard_link(&input, &twin).unwrap();
    for output in [&input, &link, &twin] {
        // Found before anything is read: the first input is missing.
        let inputs = [folder.path().join("missing"), input.clone()];
        let error = import(&inputs, output, &mut |_| ()).unwrap_err();
        assert!(matches!(&error, ImportError::Overwrite(path) if *path == input), "{error}");
        assert_eq!(std::fs::read_to_string(&input).unwrap(), CAMPUS);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_that_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let input = file(&folder, "campus", CAMPUS);
    let output = folder.path().join("taken");
    std::fs::create_dir(&output).unwrap();
    let error = import(&[input], &output, &mut |_| ()).unwrap_err();
    assert!(matches!(error, ImportError::Write { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// Broke: the index was renamed over whatever had its name.
#[test]
fn only_a_file_is_replaced() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("pipe", &link).unwrap();
    let socket = folder.path().join("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (output, kind) in [(&pipe, "a pipe"), (&link, "a pipe"), (&socket, "a socket")] {
        // Found before anything is read: the input is missing.
        let error = import(&[folder.path().join("missing")], output, &mut |_| ()).unwrap_err();
        let expected = format!("cannot write {output:?}: expected a file, found {kind}");
        assert_eq!(error.to_string(), expected);
    }
    assert!(pipe.metadata().unwrap().file_type().is_fifo() && link.is_symlink());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

/// Broke: the link was replaced, and the file that it names stayed as it was.
#[test]
fn a_link_is_followed_to_what_it_names() {
    let folder = TempDir::new().unwrap();
    let input = file(&folder, "campus", CAMPUS);
    std::fs::create_dir(folder.path().join("below")).unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("below/old.idx"), "as before").unwrap();
    for (link, target) in [
        ("first", PathBuf::from("below/second")),
        ("below/second", PathBuf::from("old.idx")),
        ("astray", at("below/new.idx")),
    ] {
        std::os::unix::fs::symlink(target, at(link)).unwrap();
    }
    // Over two links to what is there, and over one to what is not there yet.
    for (output, written) in [("first", "below/old.idx"), ("astray", "below/new.idx")] {
        import(std::slice::from_ref(&input), &at(output), &mut |_| ()).unwrap();
        assert!(at(written).symlink_metadata().unwrap().is_file());
        Index::open(&at(written), 0).unwrap();
    }
    assert!(["first", "below/second", "astray"].iter().all(|link| at(link).is_symlink()));
    assert_eq!(std::fs::read_dir(at("below")).unwrap().count(), 3);
}

#[test]
fn a_pbf_that_ends_anywhere_within_a_blob_is_an_error() {
    let folder = TempDir::new().unwrap();
    let whole = campus_pbf(true);
    let mut accepted = 0;
    for length in 40..whole.len() {
        match import_all(&folder, &[file(&folder, "cut.pbf", &whole[..length])]) {
            Ok(_) => accepted += 1,
            Err(error) => assert!(error.to_string().contains("cut.pbf"), "{error}"),
        }
    }
    // Whole blobs are a whole file: after the header and after each kind but the last.
    assert!(accepted <= 3, "{accepted}");
}

proptest! {
    #[test]
    fn forged_bytes_cannot_make_the_import_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), dense: bool,
    ) {
        let folder = TempDir::new().unwrap();
        let mut bytes = campus_pbf(dense);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = import_all(&folder, &[file(&folder, "forged.pbf", bytes)]);
    }

    #[test]
    fn forged_text_cannot_make_the_import_panic(at in any::<prop::sample::Index>(), text in "[<>&\"/a-z0-9 ]{0,6}") {
        let folder = TempDir::new().unwrap();
        let at = CAMPUS.floor_char_boundary(60 + at.index(CAMPUS.len() - 60));
        let forged = format!("{}{text}{}", &CAMPUS[..at], &CAMPUS[at..]);
        let _ = import_all(&folder, &[file(&folder, "forged.osm", forged)]);
    }
}
