//! What a client may ask, whatever protocol it speaks, in checked types.

use crate::{
    decimal::{Decimal, EACH},
    position::Location,
    time::ClientTime,
};

/// One command of a client. Front-ends turn bytes into this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command<'a> {
    /// The client tells where it is.
    Iamat(Iamat<'a>),
    /// Someone asks what is near a client.
    Whatsat(Whatsat<'a>),
    /// Nothing we understand.
    Invalid,
}

impl<'a> Command<'a> {
    /// Whom it is about.
    #[must_use]
    pub const fn client(&self) -> Option<ClientId<'a>> {
        match self {
            Self::Iamat(iamat) => Some(iamat.client),
            Self::Whatsat(whatsat) => Some(whatsat.client),
            Self::Invalid => None,
        }
    }
}

/// A client's claim to be somewhere at some time.
#[derive(Clone, Copy, Debug)]
pub struct Iamat<'a> {
    /// Who.
    pub client: ClientId<'a>,
    /// Where.
    pub location: Location<'a>,
    /// When, by the client's own clock.
    pub time: ClientTime<'a>,
    /// All three in one piece as a reply repeats them, if they were read in one go. Says nothing that they do not.
    pub(crate) words: Option<&'a [u8]>,
}

impl<'a> Iamat<'a> {
    /// The claim of `client`.
    #[must_use]
    pub const fn new(client: ClientId<'a>, location: Location<'a>, time: ClientTime<'a>) -> Self {
        Self { client, location, time, words: None }
    }
}

impl PartialEq for Iamat<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.client, self.location, self.time) == (other.client, other.location, other.time)
    }
}

impl Eq for Iamat<'_> {}

/// A question about the surroundings of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whatsat<'a> {
    /// Around whom.
    pub client: ClientId<'a>,
    /// What to answer with.
    pub question: Question,
}

/// How far around and how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Radius in kilometres, 0 or more, within the provider's range.
    pub radius_km: f64,
    /// Most results wanted, within the provider's range.
    pub bound: u8,
}

/// What a provider allows in a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuestionLimits {
    /// Largest radius in kilometres, if there is one.
    pub radius_km_max: Option<u64>,
    /// Largest bound.
    pub bound_max: u8,
}

impl QuestionLimits {
    /// Checks a question as clients write it: `digits[.digits]` kilometres and `digits` results at most, both
    /// compared with their limits digit by digit. `None` if one is malformed or out of range.
    #[must_use]
    pub fn question(&self, radius_km: &[u8], bound: &[u8]) -> Option<Question> {
        let radius = Decimal::parse(radius_km)?;
        if self.radius_km_max.is_some_and(|max| radius.exceeds(max)) {
            return None;
        }
        let bound = Decimal::parse(bound).filter(|bound| bound.fraction_digits() == 0)?.whole()?;
        let bound = u8::try_from(bound).ok().filter(|&bound| bound <= self.bound_max)?;
        let radius_km: f64 = str::from_utf8(radius_km).ok()?.parse().ok()?;
        // Without a limit 400 digits are a radius too; the largest double stands for it.
        Some(Question { radius_km: radius_km.min(f64::MAX), bound })
    }
}

/// A client's ID: one or more bytes of UTF-8 without white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId<'a>(&'a [u8]);

impl<'a> ClientId<'a> {
    /// Checks an ID. Control characters and NUL are fine; an empty one, white space and broken UTF-8 are not.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        // Nearly every ID, looked at eight bytes at a time, the last ones twice.
        if let (chunks, Some(last)) = (bytes.as_chunks().0, bytes.last_chunk())
            && chunks.iter().chain([last]).all(|chunk| is_plain(*chunk))
        {
            return Some(Self(bytes));
        }
        if bytes.iter().copied().any(is_white_space) { None } else { Self::from_field(bytes) }
    }

    /// Checks a field of a line, which is neither empty nor has white space in it.
    pub(crate) fn from_field(field: &'a [u8]) -> Option<Self> {
        (field.is_ascii() || str::from_utf8(field).is_ok()).then_some(Self(field))
    }

    /// A field that was seen to be of ASCII.
    #[inline(always)]
    pub(crate) const fn of_ascii_field(field: &'a [u8]) -> Self {
        debug_assert!(field.is_ascii(), "whoever read it looked at each byte");
        Self(field)
    }

    /// The ID's bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Whether bytes are all ASCII, and neither white space nor control characters.
const fn is_plain(bytes: [u8; 8]) -> bool {
    let word = u64::from_le_bytes(bytes);
    // The top bit of each byte below 0x21, and perhaps of one behind such a byte (a borrow); and of each that is no ASCII.
    (word.wrapping_sub(EACH * 0x21) | word) & (EACH << 7) == 0
}

/// Whether a byte separates fields: space, tab, CR, LF, form feed or vertical tab, and nothing else.
pub(crate) const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
