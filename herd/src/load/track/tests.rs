//! The formats, by small samples and by the real tracks of the test data where they are.

use super::*;

/// The lines of a file with this name and text, and how many points were left out.
fn check(path: &str, text: &str, expected: &[&str], left_out: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    let tracks = Tracks::read(&[path]).unwrap();
    assert_eq!(lines(&tracks), expected);
    assert_eq!(tracks.left_out(), left_out);
}

fn lines(tracks: &Tracks) -> Vec<String> {
    let line = |point| String::from_utf8(tracks.line(point).to_vec()).unwrap().trim_end().to_owned();
    tracks.points().iter().map(line).collect()
}

#[test]
fn gpx_tracks_are_read_and_plans_are_not() {
    let text = r#"<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">
        <metadata><time>2000-01-01T00:00:00Z</time></metadata>
        <wpt lat="1" lon="2"><time>2010-01-01T00:00:00Z</time></wpt>
        <trk><trkseg>
            <trkpt lat="45.7726" lon="-14.3579"><ele>1</ele><time>2010-12-14T06:17:04.5Z</time></trkpt>
            <trkpt lon="14.000000" lat="-45"><time> 2010-12-14T07:17:03+01:00 </time></trkpt>
            <trkpt lat="45" lon="14"></trkpt><trkpt lat="45" lon="14"/>
            <trkpt lat="91" lon="14"><time>2010-12-14T06:17:06Z</time></trkpt>
            <trkpt lat="NaN" lon="14"><time>2010-12-14T06:17:06Z</time></trkpt>
            <trkpt lat="45" lon="14"><time>1901-12-13T20:45:52Z</time></trkpt>
        </trkseg></trk></gpx>"#;
    let expected = ["IAMAT my-ride -45+14 1292307423", "IAMAT my-ride +45.7726-14.3579 1292307424.500000000"];
    check("my ride.GPX", text, &expected, 5);
}

#[test]
fn a_person_of_geolife_is_one_client() {
    let header =
        "Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255,My Track,0,0,2,8421376\n0\n";
    let points = "39.984702,116.318417,0,492,39744.1201851852,2008-10-23,02:53:04\r\n\
                  39.984683,116.31845,0,492,39744.1202546296,2008-10-23,02:53:10\r\n";
    for (path, client) in
        [("Data/007/Trajectory/20081023025304.plt", "007"), ("walks/20081023025304.plt", "20081023025304")]
    {
        let expected = [
            format!("IAMAT {client} +39.984702+116.318417 1224730384"),
            format!("IAMAT {client} +39.984683+116.31845 1224730390"),
        ];
        check(path, &format!("{header}{points}"), &expected.each_ref().map(String::as_str), 0);
    }
}

#[test]
fn a_recorder_of_owntracks_names_the_device() {
    let text = "2015-09-04T07:30:12Z\t*                 \t{\"_type\":\"location\",\"lat\":48.8,\"lon\":2.3,\"tst\":1441351812,\"tid\":\"jj\"}\n\
                2015-09-04T07:30:13Z\tlwt               \t{\"_type\":\"lwt\",\"tst\":1}\n\
                2015-09-04T07:30:14Z\t*                 \t{\"_type\":\"location\",\"lat\":48.9,\"lon\":-2.3,\"tst\":1441351800,\"topic\":\"owntracks/jane/watch\"}\n\
                2015-09-04T07:30:15Z\t*                 \t{\"_type\":\"location\",\"lat\":48.9,\"lon\":-2.3}\n";
    let expected = ["IAMAT jane/watch +48.9-2.3 1441351800", "IAMAT jane/phone +48.8+2.3 1441351812"];
    check("rec/jane/phone/2015-09.rec", text, &expected, 1);
}

/// A recorder may be at work on its last line, and files are cut by copying.
#[test]
fn a_line_that_tells_no_point_is_left_out() {
    let point =
        "2015-09-04T07:30:12Z\t*\t{\"_type\":\"location\",\"lat\":48.8,\"lon\":2.3,\"tst\":1441351812}\n";
    let expected = ["IAMAT jane/phone +48.8+2.3 1441351812"];
    for broken in ["2015-09-04T07:30:13Z\t*\t{\"_type\":\"loca", "2015-09-04T07:30:13Z", "2015 * {}"] {
        check("rec/jane/phone/2015-09.rec", &format!("{point}{broken}"), &expected, 1);
    }
    let plt = "1\n2\n3\n4\n5\n6\n39.9,116.3,0,4,39744.1,2008-10-23,02:53:04\n39.98,116.3\n";
    check("walk.plt", plt, &["IAMAT walk +39.9+116.3 1224730384"], 1);
    let gpx = "<gpx><trk><trkpt lat=\"1\" lon=\"2\"><time>2010-01-01T00:00:00Z</time></trkpt><trkpt lat=\"1\" lon=\"2\">";
    check("ride.gpx", gpx, &["IAMAT ride +1+2 1262304000"], 1);
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, complaint) in [
        ("a.gpx", "<osm></osm>", "a.gpx, line 1: expected a <gpx> element"),
        ("b.gpx", "", "b.gpx, line 1: expected a <gpx> element"),
        ("c.gpx", "<gpx><trk", "c.gpx, line 1: "),
        ("d.plt", "", "no point with a place and a time since 1970 in "),
        ("e.rec", "2015-09-04T07:30:12Z * {}\n", "no point with a place and a time since 1970 in "),
        ("g.csv", "", "expected a .gpx, .plt or .rec file, found "),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = Tracks::read(&[path]).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn real_tracks_are_read() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("HERD_TEST_DATA").map_or(here, PathBuf::from);
    let file = |name: &str| root.join("gpx").join(name);
    for (name, points, left_out) in [
        ("cerknicko-jezero.gpx", 296, 0),
        ("around-visnjan-with-car.gpx", 104, 0),
        ("korita-zbevnica.gpx", 513, 358),
    ] {
        if !file(name).is_file() {
            println!("skipped: {name} is not there");
            continue;
        }
        let tracks = Tracks::read(&[file(name)]).unwrap();
        assert_eq!(
            (tracks.points().len(), tracks.left_out(), tracks.clients()),
            (points, left_out, 1),
            "{name}"
        );
        assert!(tracks.points().is_sorted_by_key(|point| point.at));
    }
    let before_1970 = file("Mojstrovka.gpx");
    if before_1970.is_file() {
        assert!(matches!(Tracks::read(&[before_1970]), Err(TrackError::Empty(_))));
    }
}

#[test]
fn a_file_without_points_spoils_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, time: &str| {
        let path = folder.path().join(name);
        let point = format!("<trkpt lat=\"46.4\" lon=\"13.7\"><time>{time}</time></trkpt>");
        std::fs::write(&path, format!("<gpx><trk><trkseg>{point}</trkseg></trk></gpx>")).unwrap();
        path
    };
    let [told, untold] =
        [file("told.gpx", "2010-12-14T06:17:04Z"), file("untold.gpx", "1901-12-13T20:45:52Z")];
    let tracks = Tracks::read(&[untold.clone(), told]).unwrap();
    assert_eq!((tracks.points().len(), tracks.left_out(), tracks.clients()), (1, 1, 1));
    assert_eq!(tracks.untold(), [untold]);
}
