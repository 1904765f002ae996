//! An answer in the words of Google's Nearby Search, made of the places that the search found.

use super::{
    index::{Index, PlaceRow},
    kinds::Kind,
    place::{Coordinates, Source, UNITS_PER_DEGREE},
    place_id::place_id,
    plus_code::plus_code,
    search::Hit,
};
use crate::nearby::google_style::{Value, print};

/// Half the side in degrees of the viewport of a place without an extent of its own, as Google's are.
const POINT_HALF_DEGREES: f64 = 0.001_348_980_291_5;

/// The whole answer: the first `bound` of the hits. It is OK also where the bound leaves none of them.
pub(crate) fn answer(index: &Index, hits: &[Hit], bound: usize) -> String {
    let places: Vec<_> =
        hits.iter().take(bound).filter_map(|hit| Some((index.place(hit.rank)?, hit.at))).collect();
    let credits = Credit::ALL.into_iter().filter(|credit| places.iter().any(|(row, _)| credit.covers(row)));
    print(&Value::object([
        ("html_attributions", Value::Array(credits.map(|credit| Value::text(credit.html())).collect())),
        ("results", Value::Array(places.iter().map(|(row, at)| result(row, *at)).collect())),
        ("status", Value::text(if hits.is_empty() { "ZERO_RESULTS" } else { "OK" })),
    ]))
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

fn result(place: &PlaceRow<'_>, at: Coordinates) -> Value {
    let kind = place.types.split(' ').next().and_then(Kind::named).unwrap_or(Kind::generic());
    let id = place_id(place.key);
    let types = place.types.split(' ').map(Value::text).collect();
    let mut members = vec![
        ("geometry", geometry(at, place.half)),
        ("icon", Value::Text(kind.icon())),
        ("icon_background_color", Value::text(kind.icon_colour())),
        ("icon_mask_base_uri", Value::Text(kind.icon_mask_base())),
        ("name", Value::text(place.name)),
        ("place_id", Value::text(&id)),
        ("plus_code", codes(at, place.locality)),
        ("reference", Value::Text(id)),
        // Documented as "recognised by your application only".
        ("scope", Value::text("APP")),
        ("types", Value::Array(types)),
    ];
    if !kind.is_political() {
        members.push(("business_status", Value::text("OPERATIONAL")));
    }
    if !place.vicinity.is_empty() {
        members.push(("vicinity", Value::text(place.vicinity)));
    }
    Value::object(members)
}

fn codes(at: Coordinates, locality: &str) -> Value {
    let global = plus_code(at);
    let compound = (!locality.is_empty()).then(|| {
        ("compound_code", Value::Text(format!("{} {locality}", global.get(4..).unwrap_or_default())))
    });
    Value::object(compound.into_iter().chain([("global_code", Value::text(&global))]))
}

fn geometry(at: Coordinates, half: [u32; 2]) -> Value {
    let (lat, lng) = at.degrees();
    let [height, width] =
        half.map(|units| (f64::from(units) / f64::from(UNITS_PER_DEGREE)).max(POINT_HALF_DEGREES));
    let corner = |lat: f64, lng: f64| {
        // Past the antimeridian longitudes go on at the other end.
        let lng = if lng.abs() > 180.0 { lng - 360.0_f64.copysign(lng) } else { lng };
        Value::object([("lat", Value::Number(lat.clamp(-90.0, 90.0))), ("lng", Value::Number(lng))])
    };
    Value::object([
        ("location", corner(lat, lng)),
        (
            "viewport",
            Value::object([
                ("northeast", corner(lat + height, lng + width)),
                ("southwest", corner(lat - height, lng - width)),
            ]),
        ),
    ])
}
