//! What a client may ask, whatever protocol it speaks, in checked types.

use crate::{position::Location, time::ClientTime};

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

/// A client's claim to be somewhere at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iamat<'a> {
    /// Who.
    pub client: ClientId<'a>,
    /// Where.
    pub location: Location<'a>,
    /// When, by the client's own clock.
    pub time: ClientTime<'a>,
}

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

/// A client's ID: one or more bytes of UTF-8 without white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId<'a>(&'a [u8]);

impl<'a> ClientId<'a> {
    /// The ID's bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}
