//! What a server says of itself to the whole herd, and which of two such facts is the newer one.
//!
//! Not who is linked (that is the links' business) and not a report. No clock takes part in the order: a server that
//! hears of another life of its own name counts on from there, so the latest life wins whatever clocks say.

use core::net::SocketAddr;

use crate::{server::Name, time::Timestamp};

/// Whether a server means to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// It serves; if it is out of reach, it will be back.
    Present,
    /// It left for good.
    Left,
}

/// One server's word about itself. Facts of one name are in order, the order of the fields: the greatest counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// Who speaks.
    pub name: Name,
    /// The how-manieth life of this name, as far as the herd has told.
    pub life: u64,
    /// The random number of this life.
    pub incarnation: u64,
    /// The how-manieth fact of this life.
    pub version: u64,
    /// Whether it means to be there.
    pub presence: Presence,
    /// When this life began, by its own clock; for people.
    pub started_at: Timestamp,
    /// The incarnation of another life of this name that it has heard of last, 0 if of none: who reads its own number
    /// here knows that the speaker lived after it.
    pub rival: u64,
    /// How long it had lived when it heard of that rival, in nanoseconds.
    pub age: u64,
    /// Where other servers connect with it.
    pub address: Option<SocketAddr>,
    /// Whom it is linked with, in ascending order.
    pub neighbours: Vec<Name>,
}

impl Fact {
    /// The first fact of a life.
    pub(super) const fn first(
        name: Name,
        incarnation: u64,
        started_at: Timestamp,
        address: Option<SocketAddr>,
    ) -> Self {
        Self {
            name,
            life: 1,
            incarnation,
            version: 1,
            presence: Presence::Present,
            started_at,
            rival: 0,
            age: 0,
            address,
            neighbours: Vec::new(),
        }
    }
}
