//! What a supervisor and its servers say to each other over pipes: one line each, space-separated.

use std::{fmt, net::SocketAddr, str::FromStr};

use herd_core::server::Name;

/// What a server tells its supervisor on standard output as it starts, and as it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// `listening line 127.0.0.1:12000`: an address is bound.
    Listening {
        /// The address's key in the configuration.
        what: String,
        /// The bound address.
        address: SocketAddr,
    },
    /// `ready`: all addresses were told, connections are accepted.
    Ready,
    /// `left`: the server has left the herd for good, and ends.
    Left,
}

/// What a supervisor tells a server on its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// `peer Hands 127.0.0.1:12301`: where a neighbour can be dialled.
    Peer {
        /// The neighbour.
        name: Name,
        /// Its peer address.
        address: SocketAddr,
    },
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { what, address } => write!(f, "listening {what} {address}"),
            Self::Ready => f.write_str("ready"),
            Self::Left => f.write_str("left"),
        }
    }
}

impl FromStr for Announcement {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields.as_slice() {
            ["ready"] => Ok(Self::Ready),
            ["left"] => Ok(Self::Left),
            ["listening", what, address] => {
                Ok(Self::Listening { what: (*what).to_owned(), address: address.parse().map_err(drop)? })
            }
            _ => Err(()),
        }
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Peer { name, address } = self;
        write!(f, "peer {name} {address}")
    }
}

impl FromStr for Instruction {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields.as_slice() {
            ["peer", name, address] => Ok(Self::Peer {
                name: Name::new(name).map_err(drop)?,
                address: address.parse().map_err(drop)?,
            }),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let address = "[::1]:12000".parse().unwrap();
        for said in [
            Announcement::Listening { what: "line".to_owned(), address },
            Announcement::Ready,
            Announcement::Left,
        ] {
            assert_eq!(said.to_string().parse(), Ok(said));
        }
        let said = Instruction::Peer { name: Name::new("Hands").unwrap(), address };
        assert_eq!(said.to_string().parse(), Ok(said));
        assert_eq!("peer Hands".parse::<Instruction>(), Err(()));
        assert_eq!("listening line nowhere".parse::<Announcement>(), Err(()));
    }
}
