//! Where requests come from: made-up clients or recorded tracks; and whether a reply is right.

use super::{crowd::Crowd, journey::Journey};

/// One request whose reply has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// When it was to be sent, in nanoseconds of the run.
    pub(super) due: u64,
    /// A made-up report's time.
    pub(super) time: u64,
    /// The made-up client, or the point of the tracks.
    pub(super) what: u32,
    /// A made-up report's place.
    pub(super) place: u16,
    /// A WHATSAT: the reply is more than a line.
    pub(super) is_question: bool,
}

/// What one worker sends.
#[derive(Debug)]
pub(super) enum Source {
    Crowd(Crowd),
    Journey(Journey),
}

impl Source {
    /// Appends the next request of the `nth` connection, due at `due` of the run, which is `clock` by the wall. `None`
    /// if there is nothing left for it.
    pub(super) fn ask(&mut self, nth: usize, out: &mut Vec<u8>, due: u64, clock: u64) -> Option<Asked> {
        match self {
            Self::Crowd(crowd) => Some(crowd.ask(out, due, clock)),
            Self::Journey(journey) => journey.ask(nth, out, due),
        }
    }

    /// Whether `line` (without its LF) tells the report of `asked`; of a question, whether it tells one of that client.
    pub(super) fn is_answered_by(&self, asked: &Asked, line: &[u8]) -> bool {
        match self {
            Self::Crowd(crowd) => crowd.is_answered_by(asked, line),
            Self::Journey(journey) => journey.is_answered_by(asked, line),
        }
    }

    /// Gives up what is left for the `nth` connection: how much that is. Made-up requests go to others.
    pub(super) fn give_up(&mut self, nth: usize) -> u64 {
        match self {
            Self::Crowd(_) => 0,
            Self::Journey(journey) => journey.give_up(nth),
        }
    }
}
