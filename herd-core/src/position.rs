//! Where a client is: the ISO 6709 text it sent, and the numbers in it.

/// A checked location text, for example `+34.068930-118.445127`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    text: &'a [u8],
    packed: Option<PackedLocation>,
}

/// A location whose text follows from its numbers: at most seven fraction digits on either side. Ten bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedLocation {
    layout: u16,
    latitude: u32,
    longitude: u32,
}

/// A point on the earth in degrees (WGS84): latitude -90 to 90, longitude -180 to 180.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    latitude: f64,
    longitude: f64,
}

impl Position {
    /// The point at these degrees, unless one is out of range or not a number.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude))
            .then_some(Self { latitude, longitude })
    }

    /// Degrees north of the equator.
    #[must_use]
    pub const fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east of Greenwich.
    #[must_use]
    pub const fn longitude(self) -> f64 {
        self.longitude
    }
}
