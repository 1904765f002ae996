//! Why a connection ended, in the words of the log.

use std::{fmt, io};

/// See the module.
#[derive(Debug)]
pub(super) enum Departure {
    /// The client closed its side and has every reply.
    Closed,
    /// Nothing was said for too long.
    Idle,
    /// The client does not read its replies.
    Stalled,
    /// The server stops; the client has the replies to all that had arrived.
    Stopped,
    /// The server stops and the client did not take its replies in time.
    Overdue,
    /// The network or the client broke the connection.
    Broken(io::Error),
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Idle => f.write_str("idle"),
            Self::Stalled => f.write_str("cut: replies not read"),
            Self::Stopped => f.write_str("server stops"),
            Self::Overdue => f.write_str("cut: server stops"),
            Self::Broken(error) => write!(f, "broken: {error}"),
        }
    }
}
