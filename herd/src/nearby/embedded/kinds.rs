//! What kinds of places there are: Google's types, what goes with each, how prominent it is, how it is drawn.
//!
//! A table. `tags.rs` says which OpenStreetMap tags and GeoNames codes mean which kind.

/// A kind of place, named by its first type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The first of its types.
    pub(crate) name: &'static str,
    /// The types that follow it, separated by spaces, without `point_of_interest establishment`.
    companions: &'static str,
    /// Prominence of a place of which no more is known; localities take theirs from their population.
    pub(crate) weight: u8,
    icon: &'static str,
    pinlet: &'static str,
    colour: Colour,
}

/// The background of an icon.
#[derive(Clone, Copy, Debug)]
enum Colour {
    Food,
    Retail,
    Services,
    Entertainment,
    Transport,
    Municipal,
    Outdoor,
    Emergency,
}

impl Kind {
    const fn new(
        name: &'static str,
        companions: &'static str,
        weight: u8,
        icon: &'static str,
        pinlet: &'static str,
        colour: Colour,
    ) -> Self {
        Self { name, companions, weight, icon, pinlet, colour }
    }

    /// All kinds.
    pub(crate) const fn all() -> &'static [Self] {
        KINDS
    }

    /// The kind with this first type.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The first kind whose icon has this mask; what lacks one of its own is generic.
    pub(crate) fn drawn_with(pinlet: &str) -> Option<&'static Self> {
        let has_own = |kind: &&Self| kind.pinlet == pinlet && pinlet != GENERIC.pinlet;
        KINDS.iter().find(has_own)
    }

    /// The kind to draw a place as whose first type is unknown.
    pub(crate) const fn generic() -> &'static Self {
        &GENERIC
    }

    /// Whether it is a territory, not something with doors.
    pub(crate) fn is_political(&self) -> bool {
        self.companions == "political"
    }

    /// All types of such a place, separated by spaces.
    pub(crate) fn types(&self) -> String {
        let general = match self.name {
            _ if self.is_political() => "",
            "natural_feature" | "point_of_interest" => "establishment",
            _ => "point_of_interest establishment",
        };
        [self.name, self.companions, general]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Address of the icon.
    pub(crate) fn icon(&self) -> String {
        format!("https://maps.gstatic.com/mapfiles/place_api/icons/v1/png_71/{}-71.png", self.icon)
    }

    /// Address of the icon's mask, without extension.
    pub(crate) fn icon_mask_base(&self) -> String {
        format!("https://maps.gstatic.com/mapfiles/place_api/icons/v2/{}_pinlet", self.pinlet)
    }

    /// Background of the icon.
    pub(crate) const fn icon_colour(&self) -> &'static str {
        match self.colour {
            Colour::Food => "#FF9E67",
            Colour::Retail => "#4B96F3",
            Colour::Services => "#909CE1",
            Colour::Entertainment => "#13B5C7",
            Colour::Transport => "#10BDFF",
            Colour::Municipal => "#7B9EB0",
            Colour::Outdoor => "#4DB546",
            Colour::Emergency => "#F88181",
        }
    }
}

const GENERIC: Kind =
    Kind::new("point_of_interest", "", 14, "generic_business", "generic", Colour::Municipal);

/// First type, companions, weight, icon, pinlet, colour.
#[rustfmt::skip]
const KINDS: &[Kind] = &[
    Kind::new("locality", "political", 0, "geocode", "generic", Colour::Municipal),
    Kind::new("sublocality", "political", 0, "geocode", "generic", Colour::Municipal),
    Kind::new("neighborhood", "political", 0, "geocode", "generic", Colour::Municipal),
    Kind::new("country", "political", 0, "geocode", "generic", Colour::Municipal),
    Kind::new("administrative_area_level_1", "political", 0, "geocode", "generic", Colour::Municipal),
    Kind::new("administrative_area_level_2", "political", 0, "geocode", "generic", Colour::Municipal),
    Kind::new("natural_feature", "", 30, "geocode", "generic", Colour::Municipal),
    Kind::new("airport", "", 80, "airport", "airport", Colour::Transport),
    Kind::new("university", "", 70, "school", "school", Colour::Municipal),
    Kind::new("amusement_park", "tourist_attraction", 60, "generic_business", "generic", Colour::Entertainment),
    Kind::new("zoo", "tourist_attraction", 58, "generic_business", "paw", Colour::Outdoor),
    Kind::new("aquarium", "tourist_attraction", 55, "aquarium", "dolphin", Colour::Entertainment),
    Kind::new("stadium", "", 52, "stadium", "stadium", Colour::Outdoor),
    Kind::new("museum", "tourist_attraction", 50, "museum", "museum", Colour::Entertainment),
    Kind::new("art_gallery", "", 44, "art_gallery", "museum", Colour::Entertainment),
    Kind::new("tourist_attraction", "", 42, "generic_business", "generic", Colour::Entertainment),
    Kind::new("town_square", "", 40, "generic_business", "generic", Colour::Entertainment),
    Kind::new("train_station", "transit_station", 48, "train", "train_rail_1", Colour::Transport),
    Kind::new("subway_station", "transit_station", 40, "subway", "train_rail_1", Colour::Transport),
    Kind::new("light_rail_station", "transit_station", 36, "train", "train_rail_1", Colour::Transport),
    Kind::new("bus_station", "transit_station", 36, "bus", "bus_share_taxi", Colour::Transport),
    Kind::new("transit_station", "", 32, "bus", "bus_share_taxi", Colour::Transport),
    Kind::new("taxi_stand", "", 10, "taxi", "bus_share_taxi", Colour::Transport),
    Kind::new("shopping_mall", "", 46, "shopping", "shopping", Colour::Retail),
    Kind::new("department_store", "store", 38, "shopping", "shopping", Colour::Retail),
    Kind::new("hospital", "health", 46, "doctor", "hospital-H", Colour::Emergency),
    Kind::new("park", "", 36, "park", "tree", Colour::Outdoor),
    Kind::new("campground", "lodging park", 30, "camping", "camping", Colour::Outdoor),
    Kind::new("rv_park", "campground lodging", 26, "camping", "camping", Colour::Outdoor),
    Kind::new("cemetery", "", 26, "generic_business", "cemetery", Colour::Municipal),
    Kind::new("lodging", "", 36, "lodging", "hotel", Colour::Services),
    Kind::new("casino", "", 40, "casino", "generic", Colour::Entertainment),
    Kind::new("movie_theater", "", 34, "movies", "movie", Colour::Entertainment),
    Kind::new("bowling_alley", "", 28, "bowling", "generic", Colour::Entertainment),
    Kind::new("night_club", "bar", 28, "bar", "bar", Colour::Food),
    Kind::new("restaurant", "food", 26, "restaurant", "restaurant", Colour::Food),
    Kind::new("meal_takeaway", "restaurant food", 22, "restaurant", "restaurant", Colour::Food),
    Kind::new("cafe", "food store", 24, "cafe", "cafe", Colour::Food),
    Kind::new("bar", "", 24, "bar", "bar", Colour::Food),
    Kind::new("bakery", "food store", 20, "restaurant", "restaurant", Colour::Food),
    Kind::new("food", "store", 18, "restaurant", "restaurant", Colour::Food),
    Kind::new("supermarket", "grocery_or_supermarket food store", 26, "shopping", "shoppingcart", Colour::Retail),
    Kind::new("convenience_store", "food store", 16, "convenience", "convenience", Colour::Retail),
    Kind::new("liquor_store", "store", 16, "shopping", "shopping", Colour::Retail),
    Kind::new("clothing_store", "store", 18, "shopping", "shopping", Colour::Retail),
    Kind::new("shoe_store", "clothing_store store", 16, "shopping", "shopping", Colour::Retail),
    Kind::new("jewelry_store", "store", 18, "shopping", "shopping", Colour::Retail),
    Kind::new("book_store", "store", 20, "shopping", "shopping", Colour::Retail),
    Kind::new("electronics_store", "store", 18, "shopping", "shopping", Colour::Retail),
    Kind::new("furniture_store", "home_goods_store store", 18, "shopping", "shopping", Colour::Retail),
    Kind::new("home_goods_store", "store", 16, "shopping", "shopping", Colour::Retail),
    Kind::new("hardware_store", "store", 18, "shopping", "shopping", Colour::Retail),
    Kind::new("florist", "store", 14, "shopping", "shopping", Colour::Retail),
    Kind::new("bicycle_store", "store", 16, "shopping", "shopping", Colour::Retail),
    Kind::new("pet_store", "store", 14, "shopping", "shopping", Colour::Retail),
    Kind::new("car_dealer", "store", 20, "car_dealer", "shopping", Colour::Retail),
    Kind::new("store", "", 16, "shopping", "shopping", Colour::Retail),
    Kind::new("pharmacy", "health store", 22, "shopping", "pharmacy", Colour::Retail),
    Kind::new("doctor", "health", 18, "doctor", "generic", Colour::Municipal),
    Kind::new("dentist", "health", 16, "dentist", "generic", Colour::Municipal),
    Kind::new("physiotherapist", "health", 14, "doctor", "generic", Colour::Municipal),
    Kind::new("veterinary_care", "", 14, "generic_business", "generic", Colour::Municipal),
    Kind::new("gym", "health", 20, "fitness", "generic", Colour::Entertainment),
    Kind::new("spa", "health", 18, "generic_business", "generic", Colour::Entertainment),
    Kind::new("beauty_salon", "", 14, "generic_business", "generic", Colour::Services),
    Kind::new("hair_care", "", 14, "barber", "generic", Colour::Services),
    Kind::new("laundry", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("car_repair", "", 14, "repair", "generic", Colour::Services),
    Kind::new("car_rental", "", 18, "car_rental", "generic", Colour::Services),
    Kind::new("car_wash", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("gas_station", "", 18, "gas_station", "gas", Colour::Services),
    Kind::new("parking", "", 6, "parking", "parking", Colour::Municipal),
    Kind::new("bank", "finance", 20, "bank_dollar", "bank-intl", Colour::Services),
    Kind::new("atm", "finance", 6, "atm", "atm", Colour::Services),
    Kind::new("finance", "", 12, "bank_dollar", "bank-intl", Colour::Services),
    Kind::new("insurance_agency", "", 12, "generic_business", "generic", Colour::Services),
    Kind::new("accounting", "finance", 12, "generic_business", "generic", Colour::Services),
    Kind::new("lawyer", "", 12, "generic_business", "generic", Colour::Services),
    Kind::new("real_estate_agency", "", 12, "generic_business", "generic", Colour::Services),
    Kind::new("travel_agency", "", 14, "travel_agent", "generic", Colour::Services),
    Kind::new("electrician", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("plumber", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("painter", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("roofing_contractor", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("locksmith", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("moving_company", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("storage", "", 10, "generic_business", "generic", Colour::Services),
    Kind::new("funeral_home", "", 12, "generic_business", "generic", Colour::Services),
    Kind::new("post_office", "finance", 22, "post_office", "postoffice", Colour::Services),
    Kind::new("library", "", 32, "library", "library", Colour::Municipal),
    Kind::new("city_hall", "local_government_office", 36, "civic_building", "civic-bldg", Colour::Municipal),
    Kind::new("courthouse", "", 30, "courthouse", "civic-bldg", Colour::Municipal),
    Kind::new("embassy", "", 26, "civic_building", "civic-bldg", Colour::Municipal),
    Kind::new("local_government_office", "", 22, "civic_building", "civic-bldg", Colour::Municipal),
    Kind::new("police", "", 24, "police", "police", Colour::Emergency),
    Kind::new("fire_station", "", 22, "generic_business", "civic-bldg", Colour::Municipal),
    Kind::new("school", "", 24, "school", "school", Colour::Municipal),
    Kind::new("primary_school", "school", 22, "school", "school", Colour::Municipal),
    Kind::new("secondary_school", "school", 26, "school", "school", Colour::Municipal),
    Kind::new("church", "place_of_worship", 28, "worship_general", "worship_christian", Colour::Municipal),
    Kind::new("mosque", "place_of_worship", 28, "worship_islam", "worship_islam", Colour::Municipal),
    Kind::new("synagogue", "place_of_worship", 28, "worship_jewish", "worship_jewish", Colour::Municipal),
    Kind::new("hindu_temple", "place_of_worship", 28, "worship_hindu", "worship_hindu", Colour::Municipal),
    Kind::new("place_of_worship", "", 26, "worship_general", "generic", Colour::Municipal),
    Kind::new("landmark", "", 30, "generic_business", "generic", Colour::Municipal),
    Kind::new("point_of_interest", "", 14, "generic_business", "generic", Colour::Municipal),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_there_once_and_ends_as_googles_do() {
        for (number, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..number].iter().all(|other| other.name != kind.name), "{}", kind.name);
            let types = kind.types();
            assert!(types.starts_with(kind.name));
            assert!(types.ends_with(" political") || types.ends_with("establishment"), "{types}");
        }
        assert_eq!(
            Kind::named("museum").unwrap().types(),
            "museum tourist_attraction point_of_interest establishment"
        );
        assert_eq!(Kind::named("locality").unwrap().types(), "locality political");
    }
}
