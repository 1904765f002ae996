//! Places of the new API told as the legacy API tells them.
//!
//! Not a lossless mapping: types that the legacy API does not know, and photos but the first, are left out.

use serde::Deserialize;

use crate::nearby::{
    embedded::Kind,
    google_style::{Value, print},
};

/// All types of the legacy API (its tables 1 and 2).
const LEGACY_TYPES: &str = "accounting airport amusement_park aquarium art_gallery atm bakery bank bar beauty_salon \
    bicycle_store book_store bowling_alley bus_station cafe campground car_dealer car_rental car_repair car_wash casino \
    cemetery church city_hall clothing_store convenience_store courthouse dentist department_store doctor drugstore \
    electrician electronics_store embassy fire_station florist funeral_home furniture_store gas_station gym hair_care \
    hardware_store hindu_temple home_goods_store hospital insurance_agency jewelry_store laundry lawyer library \
    light_rail_station liquor_store local_government_office locksmith lodging meal_delivery meal_takeaway mosque \
    movie_rental movie_theater moving_company museum night_club painter park parking pet_store pharmacy physiotherapist \
    plumber police post_office primary_school real_estate_agency restaurant roofing_contractor rv_park school \
    secondary_school shoe_store shopping_mall spa stadium storage store subway_station supermarket synagogue taxi_stand \
    tourist_attraction train_station transit_station travel_agency university veterinary_care zoo \
    administrative_area_level_1 administrative_area_level_2 administrative_area_level_3 administrative_area_level_4 \
    administrative_area_level_5 administrative_area_level_6 administrative_area_level_7 archipelago colloquial_area \
    continent country finance food general_contractor geocode health intersection landmark locality natural_feature \
    neighborhood place_of_worship plus_code political postal_code postal_code_prefix postal_code_suffix postal_town \
    premise route street_address sublocality sublocality_level_1 sublocality_level_2 sublocality_level_3 \
    sublocality_level_4 sublocality_level_5 subpremise town_square";

/// What ends the types of everything with doors.
const GENERAL_TYPES: [&str; 2] = ["point_of_interest", "establishment"];

/// A place of the new API, as far as it is asked for.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Place {
    id: String,
    display_name: DisplayName,
    types: Vec<String>,
    location: Option<Point>,
    viewport: Option<Viewport>,
    plus_code: Option<PlusCode>,
    icon_mask_base_uri: Option<String>,
    icon_background_color: Option<String>,
    business_status: Option<String>,
    photos: Vec<Photo>,
    attributions: Vec<Attribution>,
    short_formatted_address: String,
    address_components: Vec<AddressComponent>,
    rating: Option<f64>,
    user_rating_count: Option<i64>,
    price_level: String,
    current_opening_hours: OpeningHours,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DisplayName {
    text: String,
}

/// Proto3 JSON leaves out what is zero.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Point {
    latitude: f64,
    longitude: f64,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Viewport {
    low: Point,
    high: Point,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PlusCode {
    global_code: String,
    compound_code: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Photo {
    name: String,
    width_px: i64,
    height_px: i64,
    author_attributions: Vec<Author>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Author {
    display_name: String,
    uri: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Attribution {
    provider: String,
    provider_uri: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AddressComponent {
    long_text: String,
    types: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OpeningHours {
    open_now: Option<bool>,
}

/// The legacy answer that tells of these places.
pub(super) fn translate(places: &[Place]) -> String {
    let mut credits: Vec<String> = Vec::new();
    for credit in places.iter().flat_map(|place| &place.attributions) {
        let credit = link(&credit.provider_uri, &credit.provider);
        if !credits.contains(&credit) {
            credits.push(credit);
        }
    }
    let results: Vec<Value> = places.iter().filter_map(result).collect();
    let status = if results.is_empty() { "ZERO_RESULTS" } else { "OK" };
    print(&Value::object([
        ("html_attributions", Value::Array(credits.into_iter().map(Value::Text).collect())),
        ("results", Value::Array(results)),
        ("status", Value::text(status)),
    ]))
}

/// `None` for what a legacy answer cannot tell of: it has no ID, or is nowhere.
fn result(place: &Place) -> Option<Value> {
    let location = place.location.filter(|_| !place.id.is_empty())?;
    let text = |text: &Option<String>| text.as_deref().map(Value::text);
    let (types, vicinity) = (types(&place.types), vicinity(place));
    let members = [
        ("business_status", text(&place.business_status)),
        ("geometry", Some(geometry(location, place.viewport))),
        ("icon", Some(Value::Text(icon(place.icon_mask_base_uri.as_deref(), &types)))),
        ("icon_background_color", text(&place.icon_background_color)),
        ("icon_mask_base_uri", text(&place.icon_mask_base_uri)),
        ("name", Some(Value::text(&place.display_name.text))),
        (
            "opening_hours",
            place.current_opening_hours.open_now.map(|open| Value::object([("open_now", Value::Flag(open))])),
        ),
        ("photos", place.photos.first().map(|first| Value::Array(vec![photo(first)]))),
        ("place_id", Some(Value::text(&place.id))),
        ("plus_code", place.plus_code.as_ref().map(plus_code)),
        ("price_level", price_level(&place.price_level).map(Value::Whole)),
        ("rating", place.rating.map(Value::Number)),
        ("reference", Some(Value::text(&place.id))),
        ("scope", Some(Value::text("GOOGLE"))),
        ("types", Some(Value::Array(types.iter().copied().map(Value::text).collect()))),
        ("user_ratings_total", place.user_rating_count.map(Value::Whole)),
        ("vicinity", (!vicinity.is_empty()).then_some(Value::Text(vicinity))),
    ];
    Some(Value::object(members.into_iter().filter_map(|(key, value)| Some((key, value?)))))
}

fn geometry(location: Point, viewport: Option<Viewport>) -> Value {
    let point = |point: Point| {
        Value::object([("lat", Value::Number(point.latitude)), ("lng", Value::Number(point.longitude))])
    };
    let viewport = viewport.map(|viewport| {
        let corners = [("northeast", point(viewport.high)), ("southwest", point(viewport.low))];
        ("viewport", Value::object(corners))
    });
    Value::object(viewport.into_iter().chain([("location", point(location))]))
}

/// The icon of the kind that is drawn with this mask, or of the first type's.
fn icon(mask_base: Option<&str>, types: &[&str]) -> String {
    let pinlet = mask_base.and_then(|uri| uri.rsplit('/').next()?.strip_suffix("_pinlet"));
    let named = || Kind::named(types.first()?);
    pinlet.and_then(Kind::drawn_with).or_else(named).unwrap_or(Kind::generic()).icon()
}

fn photo(photo: &Photo) -> Value {
    let authors = photo.author_attributions.iter();
    let credits = authors.map(|author| Value::Text(link(&author.uri, &author.display_name))).collect();
    Value::object([
        ("height", Value::Whole(photo.height_px)),
        ("html_attributions", Value::Array(credits)),
        ("photo_reference", Value::text(photo.name.rsplit('/').next().unwrap_or_default())),
        ("width", Value::Whole(photo.width_px)),
    ])
}

fn plus_code(code: &PlusCode) -> Value {
    let codes = [("compound_code", &code.compound_code), ("global_code", &code.global_code)];
    let known = codes.into_iter().filter(|(_, code)| !code.is_empty());
    Value::object(known.map(|(key, code)| (key, Value::text(code))))
}

fn price_level(level: &str) -> Option<i64> {
    match level {
        "PRICE_LEVEL_FREE" => Some(0),
        "PRICE_LEVEL_INEXPENSIVE" => Some(1),
        "PRICE_LEVEL_MODERATE" => Some(2),
        "PRICE_LEVEL_EXPENSIVE" => Some(3),
        "PRICE_LEVEL_VERY_EXPENSIVE" => Some(4),
        _ => None,
    }
}

/// Those that the legacy API knows; a territory is no establishment, all else is.
fn types(new: &[String]) -> Vec<&str> {
    let known = new.iter().map(String::as_str);
    let mut types: Vec<&str> =
        known.filter(|known| LEGACY_TYPES.split(' ').any(|legacy| legacy == *known)).collect();
    if !types.contains(&"political") {
        types.extend(GENERAL_TYPES);
    }
    types
}

/// The short address, or what can be made of its parts.
fn vicinity(place: &Place) -> String {
    if !place.short_formatted_address.is_empty() {
        return place.short_formatted_address.clone();
    }
    let part = |kind: &str| {
        let has_kind = |part: &&AddressComponent| part.types.iter().any(|known| known == kind);
        place.address_components.iter().find(has_kind).map(|part| part.long_text.as_str())
    };
    let join = |parts: [Option<&str>; 2], between| {
        let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        parts.join(between)
    };
    let street = join([part("street_number"), part("route")], " ");
    join([Some(&street), part("locality").or_else(|| part("postal_town"))], ", ")
}

/// A link as the legacy API writes it; the text is some user's, so it is not trusted.
fn link(uri: &str, text: &str) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    format!("<a href=\"{}\">{}</a>", escape(uri), escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nearby::google_style::tests::parse;

    #[test]
    fn a_translation_is_printed_as_google_prints_and_knows_only_legacy_types() {
        #[derive(Deserialize)]
        struct Answer {
            places: Vec<Place>,
        }
        let answer: Answer =
            serde_json::from_str(include_str!("../../../tests/it/bodies/new_response.json")).unwrap();
        let told = translate(&answer.places);
        assert_eq!(print(&parse(&told)), told);
        assert!(answer.places[0].types.contains(&"sushi_restaurant".to_owned()));
        assert!(!told.contains("sushi_restaurant") && !told.contains("some_type_of_the_future"));
        assert_eq!(translate(&[]), crate::nearby::google_style::error_body("ZERO_RESULTS", None));
    }

    #[test]
    fn what_new_words_mean_in_old_ones() {
        assert_eq!(price_level("PRICE_LEVEL_FREE"), Some(0));
        assert_eq!(price_level("PRICE_LEVEL_VERY_EXPENSIVE"), Some(4));
        assert_eq!(price_level("PRICE_LEVEL_UNSPECIFIED"), None);
        let types = |words: &str| {
            let new: Vec<String> = words.split(' ').map(str::to_owned).collect();
            types(&new).join(" ")
        };
        assert_eq!(types("establishment cafe point_of_interest"), "cafe point_of_interest establishment");
        assert_eq!(types("political locality"), "political locality");
        assert_eq!(link("a\"b", "<&>"), "<a href=\"a&quot;b\">&lt;&amp;&gt;</a>");
    }
}
