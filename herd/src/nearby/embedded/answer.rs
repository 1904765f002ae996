//! An answer in the words of Google's Nearby Search, made of the places that the search found.
//!
//! The one thing to know: Google's layout stands here in pieces, because it is appended 20 times for each answer; a test
//! prints every answer anew by the rules of `google_style`, and finds the same bytes.

use std::{collections::HashMap, sync::LazyLock};

use foldhash::fast::RandomState;

use super::{
    index::{Index, PlaceRow},
    kinds::Kind,
    place::{Coordinates, Source, UNITS_PER_DEGREE},
    place_id::print_place_id,
    plus_code::plus_code,
    search::Hit,
};
use crate::nearby::google_style::{Value, print_at, print_escaped, print_number, print_text};

/// Half the side in degrees of the viewport of a place without an extent of its own, as Google's are.
const POINT_HALF_DEGREES: f64 = 0.001_348_980_291_5;

/// Room for a place: 1.1 KB and its texts.
const RESULT_BYTES: usize = 1280;

/// Bytes around the places.
const FRAME_BYTES: usize = 512;

/// The bytes that follow an AT line: the first `bound` of the hits. It is OK also where the bound leaves none of them.
pub(crate) fn answer(index: &Index, hits: &[Hit], bound: usize) -> Vec<u8> {
    let told = hits.get(..bound).unwrap_or(hits);
    let places = index.places(told.iter().map(|hit| hit.rank));
    let places = || places.iter().zip(told).filter_map(|(row, hit)| Some((row.as_ref()?, hit.at)));
    let credits = Credit::ALL.map(|credit| places().any(|(row, _)| credit.covers(row)));
    let mut out = Vec::with_capacity(FRAME_BYTES + told.len() * RESULT_BYTES);
    out.extend_from_slice(b"{\n   \"html_attributions\" : ");
    out.extend_from_slice(CREDITS.get(&credits).map_or(b"[]", Vec::as_slice));
    out.extend_from_slice(b",\n   \"results\" : [");
    let start = out.len();
    for (place, at) in places() {
        out.extend_from_slice(if out.len() > start { b"," } else { b"" });
        print_result(place, at, &mut out);
    }
    out.extend_from_slice(if out.len() > start { b"\n   ]" } else { b"]" });
    out.extend_from_slice(b",\n   \"status\" : \"");
    out.extend_from_slice(if hits.is_empty() { b"ZERO_RESULTS" } else { b"OK" });
    out.extend_from_slice(b"\"\n}\n\n");
    out
}

/// Who must be credited for a place.
#[derive(Clone, Copy)]
enum Credit {
    OpenStreetMap,
    GeoNames,
}

impl Credit {
    const ALL: [Self; 2] = [Self::OpenStreetMap, Self::GeoNames];

    fn covers(self, place: &PlaceRow<'_>) -> bool {
        match place.key.source() {
            Some(Source::OsmNode | Source::OsmWay | Source::OsmRelation) => {
                matches!(self, Self::OpenStreetMap)
            }
            Some(Source::GeoNames) => matches!(self, Self::GeoNames),
            Some(Source::BuiltIn) | None => false,
        }
    }

    const fn html(self) -> &'static str {
        match self {
            Self::OpenStreetMap => {
                "<a href=\"https://www.openstreetmap.org/copyright\">© OpenStreetMap contributors</a>"
            }
            Self::GeoNames => "<a href=\"https://www.geonames.org/\">GeoNames</a> (CC BY 4.0)",
        }
    }
}

/// The array of credits for each choice of [`Credit::ALL`].
static CREDITS: LazyLock<HashMap<[bool; Credit::ALL.len()], Vec<u8>>> = LazyLock::new(|| {
    let choices = [[false, false], [false, true], [true, false], [true, true]];
    let print = |choice: [bool; Credit::ALL.len()]| {
        let chosen = Credit::ALL.iter().zip(choice).filter(|(_, is_chosen)| *is_chosen);
        let mut printed = Vec::new();
        let credits = chosen.map(|(credit, _)| Value::text(credit.html())).collect();
        print_at(&Value::Array(credits), 1, &mut printed);
        (choice, printed)
    };
    choices.map(print).into()
});

/// What places of the same types have in common.
struct Looks {
    /// Up to `geometry`.
    before: Vec<u8>,
    /// Between `geometry` and the name.
    icon: Vec<u8>,
    /// The array of types.
    types: Vec<u8>,
}

/// The looks of each kind by its types; indexes hold no others, unless another herd made them.
static LOOKS: LazyLock<HashMap<Vec<u8>, Looks, RandomState>> = LazyLock::new(|| {
    let looks = |types: String| (Looks::of(&types), types);
    Kind::all()
        .iter()
        .map(|kind| looks(kind.types()))
        .map(|(looks, types)| (types.into_bytes(), looks))
        .collect()
});

impl Looks {
    fn of(types: &str) -> Self {
        let kind = types.split(' ').next().and_then(Kind::named).unwrap_or(Kind::generic());
        let status =
            if kind.is_political() { "" } else { "\n         \"business_status\" : \"OPERATIONAL\"," };
        let (icon, colour, mask) = (kind.icon(), kind.icon_colour(), kind.icon_mask_base());
        let mut printed = Vec::new();
        print_at(&Value::Array(types.split(' ').map(Value::text).collect()), 3, &mut printed);
        Self {
            before: format!("\n      {{{status}").into_bytes(),
            icon: format!(
                r#"
         "icon" : "{icon}",
         "icon_background_color" : "{colour}",
         "icon_mask_base_uri" : "{mask}",
         "name" : ""#
            )
            .into_bytes(),
            types: printed,
        }
    }
}

fn print_result(place: &PlaceRow<'_>, at: Coordinates, out: &mut Vec<u8>) {
    let unusual;
    let looks = match LOOKS.get(place.types) {
        Some(looks) => looks,
        None => {
            unusual = Looks::of(&String::from_utf8_lossy(place.types));
            &unusual
        }
    };
    out.extend_from_slice(&looks.before);
    print_geometry(at, place.half, out);
    out.extend_from_slice(&looks.icon);
    print_escaped(place.name, out);
    out.extend_from_slice(b"\",\n         \"place_id\" : \"");
    let id = out.len();
    print_place_id(place.key, out);
    let id = id..out.len();
    print_codes(at, place.locality, out);
    out.extend_from_slice(b"\n         \"reference\" : \"");
    out.extend_from_within(id);
    // Documented as "recognised by your application only".
    out.extend_from_slice(b"\",\n         \"scope\" : \"APP\",\n         \"types\" : ");
    out.extend_from_slice(&looks.types);
    if !place.vicinity.is_empty() {
        out.extend_from_slice(b",\n         \"vicinity\" : ");
        print_text(place.vicinity, out);
    }
    out.extend_from_slice(b"\n      }");
}

fn print_codes(at: Coordinates, locality: &[u8], out: &mut Vec<u8>) {
    let code = plus_code(at);
    out.extend_from_slice(b"\",\n         \"plus_code\" : {");
    if !locality.is_empty() {
        out.extend_from_slice(b"\n            \"compound_code\" : \"");
        out.extend_from_slice(&code[4..]);
        out.push(b' ');
        print_escaped(locality, out);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\n            \"global_code\" : \"");
    out.extend_from_slice(&code);
    out.extend_from_slice(b"\"\n         },");
}

fn print_geometry(at: Coordinates, half: [u32; 2], out: &mut Vec<u8>) {
    let (lat, lng) = at.degrees();
    let [height, width] =
        half.map(|units| (f64::from(units) / f64::from(UNITS_PER_DEGREE)).max(POINT_HALF_DEGREES));
    const BETWEEN: &[u8; 28] = b",\n                  \"lng\" : ";
    let location = br#"
         "geometry" : {
            "location" : {
               "lat" : "#;
    print_point(location, (lat, lng), b",\n               \"lng\" : ", out);
    let northeast = br#"
            },
            "viewport" : {
               "northeast" : {
                  "lat" : "#;
    print_point(northeast, (lat + height, lng + width), BETWEEN, out);
    let southwest = br#"
               },
               "southwest" : {
                  "lat" : "#;
    print_point(southwest, (lat - height, lng - width), BETWEEN, out);
    out.extend_from_slice(b"\n               }\n            }\n         },");
}

/// Appends a point with what stands before it and between its two numbers, whose lengths are known: short copies need no call.
fn print_point<const M: usize, const N: usize>(
    before: &[u8; M],
    (lat, lng): (f64, f64),
    between: &[u8; N],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(before);
    print_number(lat.clamp(-90.0, 90.0), out);
    out.extend_from_slice(between);
    // Past the antimeridian longitudes go on at the other end.
    print_number(if lng.abs() > 180.0 { lng - 360.0_f64.copysign(lng) } else { lng }, out);
}
