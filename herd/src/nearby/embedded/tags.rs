//! Which kind of place a set of OpenStreetMap tags or a GeoNames feature code means.
//!
//! Two tables; the first row that fits decides, so the rows of a key stand from special to general. Named streets
//! (`highway=*`) are no places: a street is many ways and no point, and serves for the vicinity of others.

use super::kinds::Kind;

/// Tags of one element: keys and values.
pub(crate) type Tags<'a> = [(&'a str, &'a str)];

/// The value of a tag, unless it is missing or empty.
pub(crate) fn tag<'a>(tags: &Tags<'a>, key: &str) -> Option<&'a str> {
    tags.iter().find(|(known, value)| *known == key && !value.is_empty()).map(|(_, value)| *value)
}

/// What an element's tags make it, if that is a place at all.
pub(crate) fn kind_of_tags(tags: &Tags<'_>) -> Option<&'static Kind> {
    let fits = |row: &&(&str, &str, &str, &str)| {
        let condition = row.2.split_once('=').is_none_or(|(key, value)| tag(tags, key) == Some(value));
        condition && tag(tags, row.0).is_some_and(|value| value != "no" && (row.1 == "*" || row.1 == value))
    };
    Kind::named(OSM.iter().find(fits)?.3)
}

/// What a GeoNames feature class and code stand for, if that is a place at all.
pub(crate) fn kind_of_feature(class: &str, code: &str) -> Option<&'static Kind> {
    let row = GEONAMES.iter().find(|row| row.0 == class && (row.1 == "*" || row.1 == code))?;
    Kind::named(row.2)
}

/// Key, value (`*` for any), a further tag that must be there, kind (none: no place).
#[rustfmt::skip]
const OSM: &[(&str, &str, &str, &str)] = &[
    ("place", "city", "", "locality"),
    ("place", "town", "", "locality"),
    ("place", "village", "", "locality"),
    ("place", "hamlet", "", "locality"),
    ("place", "suburb", "", "sublocality"),
    ("place", "borough", "", "sublocality"),
    ("place", "neighbourhood", "", "neighborhood"),
    ("place", "quarter", "", "neighborhood"),
    ("place", "square", "", "town_square"),
    ("aeroway", "aerodrome", "", "airport"),
    ("railway", "station", "station=subway", "subway_station"),
    ("railway", "station", "station=light_rail", "light_rail_station"),
    ("railway", "station", "", "train_station"),
    ("railway", "halt", "", "train_station"),
    ("railway", "tram_stop", "", "light_rail_station"),
    ("public_transport", "station", "subway=yes", "subway_station"),
    ("public_transport", "station", "light_rail=yes", "light_rail_station"),
    ("public_transport", "station", "train=yes", "train_station"),
    ("amenity", "university", "", "university"),
    ("amenity", "college", "", "university"),
    ("amenity", "hospital", "", "hospital"),
    ("amenity", "restaurant", "", "restaurant"),
    ("amenity", "fast_food", "", "meal_takeaway"),
    ("amenity", "cafe", "", "cafe"),
    ("amenity", "bar", "food=yes", "restaurant"),
    ("amenity", "pub", "food=yes", "restaurant"),
    ("amenity", "bar", "", "bar"),
    ("amenity", "pub", "", "bar"),
    ("amenity", "biergarten", "", "bar"),
    ("amenity", "nightclub", "", "night_club"),
    ("amenity", "ice_cream", "", "food"),
    ("amenity", "food_court", "", "food"),
    ("amenity", "bank", "", "bank"),
    ("amenity", "atm", "", "atm"),
    ("amenity", "bureau_de_change", "", "finance"),
    ("amenity", "pharmacy", "", "pharmacy"),
    ("amenity", "clinic", "", "doctor"),
    ("amenity", "doctors", "", "doctor"),
    ("amenity", "dentist", "", "dentist"),
    ("amenity", "veterinary", "", "veterinary_care"),
    ("amenity", "school", "isced:level=1", "primary_school"),
    ("amenity", "school", "isced:level=2", "secondary_school"),
    ("amenity", "school", "isced:level=3", "secondary_school"),
    ("amenity", "school", "", "school"),
    ("amenity", "kindergarten", "", "school"),
    ("amenity", "library", "", "library"),
    ("amenity", "place_of_worship", "religion=christian", "church"),
    ("amenity", "place_of_worship", "religion=muslim", "mosque"),
    ("amenity", "place_of_worship", "religion=jewish", "synagogue"),
    ("amenity", "place_of_worship", "religion=hindu", "hindu_temple"),
    ("amenity", "place_of_worship", "", "place_of_worship"),
    ("amenity", "police", "", "police"),
    ("amenity", "fire_station", "", "fire_station"),
    ("amenity", "post_office", "", "post_office"),
    ("amenity", "townhall", "", "city_hall"),
    ("amenity", "courthouse", "", "courthouse"),
    ("amenity", "embassy", "", "embassy"),
    ("amenity", "fuel", "", "gas_station"),
    ("amenity", "charging_station", "", "point_of_interest"),
    ("amenity", "car_rental", "", "car_rental"),
    ("amenity", "car_wash", "", "car_wash"),
    ("amenity", "parking", "", "parking"),
    ("amenity", "taxi", "", "taxi_stand"),
    ("amenity", "bus_station", "", "bus_station"),
    ("amenity", "ferry_terminal", "", "transit_station"),
    ("amenity", "cinema", "", "movie_theater"),
    ("amenity", "theatre", "", "tourist_attraction"),
    ("amenity", "arts_centre", "", "tourist_attraction"),
    ("amenity", "casino", "", "casino"),
    ("amenity", "community_centre", "", "point_of_interest"),
    ("amenity", "marketplace", "", "point_of_interest"),
    ("amenity", "conference_centre", "", "point_of_interest"),
    ("amenity", "events_venue", "", "point_of_interest"),
    ("amenity", "fountain", "", "tourist_attraction"),
    ("amenity", "grave_yard", "", "cemetery"),
    ("shop", "supermarket", "", "supermarket"),
    ("shop", "convenience", "", "convenience_store"),
    ("shop", "bakery", "", "bakery"),
    ("shop", "pastry", "", "bakery"),
    ("shop", "butcher", "", "food"),
    ("shop", "greengrocer", "", "food"),
    ("shop", "deli", "", "food"),
    ("shop", "alcohol", "", "liquor_store"),
    ("shop", "wine", "", "liquor_store"),
    ("shop", "clothes", "", "clothing_store"),
    ("shop", "boutique", "", "clothing_store"),
    ("shop", "shoes", "", "shoe_store"),
    ("shop", "jewelry", "", "jewelry_store"),
    ("shop", "watches", "", "jewelry_store"),
    ("shop", "books", "", "book_store"),
    ("shop", "electronics", "", "electronics_store"),
    ("shop", "computer", "", "electronics_store"),
    ("shop", "mobile_phone", "", "electronics_store"),
    ("shop", "furniture", "", "furniture_store"),
    ("shop", "interior_decoration", "", "home_goods_store"),
    ("shop", "hardware", "", "hardware_store"),
    ("shop", "doityourself", "", "hardware_store"),
    ("shop", "department_store", "", "department_store"),
    ("shop", "mall", "", "shopping_mall"),
    ("shop", "florist", "", "florist"),
    ("shop", "hairdresser", "", "hair_care"),
    ("shop", "beauty", "", "beauty_salon"),
    ("shop", "cosmetics", "", "beauty_salon"),
    ("shop", "massage", "", "spa"),
    ("shop", "car", "", "car_dealer"),
    ("shop", "car_repair", "", "car_repair"),
    ("shop", "bicycle", "", "bicycle_store"),
    ("shop", "pet", "", "pet_store"),
    ("shop", "laundry", "", "laundry"),
    ("shop", "dry_cleaning", "", "laundry"),
    ("shop", "travel_agency", "", "travel_agency"),
    ("shop", "funeral_directors", "", "funeral_home"),
    ("shop", "storage_rental", "", "storage"),
    ("shop", "locksmith", "", "locksmith"),
    ("shop", "*", "", "store"),
    ("tourism", "hotel", "", "lodging"),
    ("tourism", "motel", "", "lodging"),
    ("tourism", "hostel", "", "lodging"),
    ("tourism", "guest_house", "", "lodging"),
    ("tourism", "apartment", "", "lodging"),
    ("tourism", "chalet", "", "lodging"),
    ("tourism", "camp_site", "", "campground"),
    ("tourism", "caravan_site", "", "rv_park"),
    ("tourism", "museum", "", "museum"),
    ("tourism", "gallery", "", "art_gallery"),
    ("tourism", "theme_park", "", "amusement_park"),
    ("tourism", "zoo", "", "zoo"),
    ("tourism", "aquarium", "", "aquarium"),
    ("tourism", "attraction", "", "tourist_attraction"),
    ("tourism", "viewpoint", "", "tourist_attraction"),
    ("tourism", "artwork", "", "tourist_attraction"),
    ("tourism", "information", "", "point_of_interest"),
    ("leisure", "park", "", "park"),
    ("leisure", "garden", "", "park"),
    ("leisure", "nature_reserve", "", "park"),
    ("leisure", "fitness_centre", "", "gym"),
    ("leisure", "sports_centre", "", "gym"),
    ("leisure", "stadium", "", "stadium"),
    ("leisure", "bowling_alley", "", "bowling_alley"),
    ("leisure", "marina", "", "point_of_interest"),
    ("leisure", "swimming_pool", "", "point_of_interest"),
    ("leisure", "golf_course", "", "point_of_interest"),
    ("leisure", "track", "", "point_of_interest"),
    ("leisure", "pitch", "", "point_of_interest"),
    ("office", "lawyer", "", "lawyer"),
    ("office", "estate_agent", "", "real_estate_agency"),
    ("office", "insurance", "", "insurance_agency"),
    ("office", "accountant", "", "accounting"),
    ("office", "government", "", "local_government_office"),
    ("office", "diplomatic", "", "embassy"),
    ("office", "travel_agent", "", "travel_agency"),
    ("office", "moving_company", "", "moving_company"),
    ("office", "*", "", "point_of_interest"),
    ("healthcare", "physiotherapist", "", "physiotherapist"),
    ("healthcare", "*", "", "doctor"),
    ("craft", "electrician", "", "electrician"),
    ("craft", "plumber", "", "plumber"),
    ("craft", "painter", "", "painter"),
    ("craft", "roofer", "", "roofing_contractor"),
    ("craft", "locksmith", "", "locksmith"),
    ("landuse", "cemetery", "", "cemetery"),
    ("historic", "*", "", "tourist_attraction"),
    ("man_made", "lighthouse", "", "tourist_attraction"),
    ("man_made", "observatory", "", "tourist_attraction"),
    ("natural", "tree", "", ""),
    ("natural", "*", "", "natural_feature"),
    ("building", "*", "", "point_of_interest"),
];

/// Feature class, feature code (`*` for any), kind.
#[rustfmt::skip]
const GEONAMES: &[(&str, &str, &str)] = &[
    ("P", "PPLX", "neighborhood"),
    ("P", "*", "locality"),
    ("A", "PCLI", "country"),
    ("A", "ADM1", "administrative_area_level_1"),
    ("A", "ADM2", "administrative_area_level_2"),
    ("S", "AIRP", "airport"),
    ("S", "UNIV", "university"),
    ("S", "HSP", "hospital"),
    ("S", "HSPC", "doctor"),
    ("S", "SCH", "school"),
    ("S", "SCHC", "university"),
    ("S", "LIBR", "library"),
    ("S", "MUS", "museum"),
    ("S", "OBS", "tourist_attraction"),
    ("S", "ZOO", "zoo"),
    ("S", "STDM", "stadium"),
    ("S", "THTR", "tourist_attraction"),
    ("S", "CSTL", "tourist_attraction"),
    ("S", "PAL", "tourist_attraction"),
    ("S", "MNMT", "tourist_attraction"),
    ("S", "HSTS", "tourist_attraction"),
    ("S", "RUIN", "tourist_attraction"),
    ("S", "ANS", "tourist_attraction"),
    ("S", "CMTY", "cemetery"),
    ("S", "CH", "church"),
    ("S", "MSQE", "mosque"),
    ("S", "SYG", "synagogue"),
    ("S", "TMPL", "place_of_worship"),
    ("S", "SHRN", "place_of_worship"),
    ("S", "HTL", "lodging"),
    ("S", "RSRT", "lodging"),
    ("S", "GHSE", "lodging"),
    ("S", "REST", "restaurant"),
    ("S", "CAFE", "cafe"),
    ("S", "MALL", "shopping_mall"),
    ("S", "MKT", "point_of_interest"),
    ("S", "BANK", "bank"),
    ("S", "PO", "post_office"),
    ("S", "PP", "police"),
    ("S", "CTHSE", "courthouse"),
    ("S", "GOVL", "local_government_office"),
    ("S", "DIP", "embassy"),
    ("S", "RSTN", "train_station"),
    ("S", "MTRO", "subway_station"),
    ("S", "BUSTN", "bus_station"),
    ("S", "FY", "transit_station"),
    ("S", "*", "point_of_interest"),
    ("L", "PRK", "park"),
    ("L", "RESN", "park"),
    ("L", "AMUS", "amusement_park"),
    ("L", "CMP", "campground"),
    ("L", "*", "natural_feature"),
    ("T", "*", "natural_feature"),
    ("H", "*", "natural_feature"),
    ("V", "*", "natural_feature"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_a_kind() {
        for row in OSM {
            assert!(row.3.is_empty() || Kind::named(row.3).is_some(), "{row:?}");
        }
        for row in GEONAMES {
            assert!(Kind::named(row.2).is_some(), "{row:?}");
        }
    }

    #[test]
    fn tags_decide_the_kind() {
        let cases: [(&Tags<'_>, Option<&str>); 8] = [
            (&[("amenity", "university")], Some("university")),
            (&[("religion", "muslim"), ("amenity", "place_of_worship")], Some("mosque")),
            (&[("amenity", "place_of_worship")], Some("place_of_worship")),
            (&[("railway", "station"), ("station", "subway")], Some("subway_station")),
            (&[("shop", "candles")], Some("store")),
            (&[("building", "no")], None),
            (&[("natural", "tree")], None),
            (&[("highway", "residential")], None),
        ];
        for (tags, expected) in cases {
            assert_eq!(kind_of_tags(tags).map(|kind| kind.name), expected, "{tags:?}");
        }
        assert_eq!(kind_of_feature("P", "PPLA").map(|kind| kind.name), Some("locality"));
        assert_eq!(kind_of_feature("S", "MUS").map(|kind| kind.name), Some("museum"));
        assert!(kind_of_feature("R", "RD").is_none());
    }
}
