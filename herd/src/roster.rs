//! Where a server's neighbours can be dialled: from the file, from whoever supervises when ports were free choice, and
//! from the operator who has a server join.
//!
//! Links watch it: an address may become known, or change, while the server runs.

use std::{collections::BTreeMap, net::SocketAddr, str::FromStr};

use herd_core::server::Name;

use crate::config::Config;

/// The neighbours' peer addresses, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(BTreeMap<Name, Option<SocketAddr>>);

impl Roster {
    /// The neighbours of a server, with the addresses that the configuration gives them.
    #[must_use]
    pub fn new(config: &Config, server: &Name) -> Self {
        let address = |name: &Name| config.server(name)?.peer.filter(|peer| peer.port() != 0);
        Self(config.neighbours(server).into_iter().map(|name| (name.clone(), address(&name))).collect())
    }

    /// The neighbours in the order of their names, each with its address if that is known.
    pub fn neighbours(&self) -> impl Iterator<Item = (&Name, Option<SocketAddr>)> {
        self.0.iter().map(|(name, address)| (name, *address))
    }

    /// Where a neighbour can be dialled, if that is known.
    #[must_use]
    pub fn address(&self, name: &Name) -> Option<SocketAddr> {
        self.0.get(name).copied().flatten()
    }

    /// Notes where a neighbour can be dialled; whether that was news. Others than neighbours are ignored.
    pub fn note(&mut self, name: &Name, address: SocketAddr) -> bool {
        self.0.get_mut(name).is_some_and(|known| known.replace(address) != Some(address))
    }
}

/// Where a server of a running herd can be dialled, whoever that is: what a joiner is given. A host's name is looked up
/// anew each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact(String);

/// Why a text is no [`Contact`]. Whoever wrote it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the peer address of a running server, such as 127.0.0.1:12300 or north.example:12300")]
pub struct ContactError;

impl Contact {
    /// HOST:PORT, as sockets are dialled.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Contact {
    type Err = ContactError;

    fn from_str(text: &str) -> Result<Self, ContactError> {
        let (host, port) = text.rsplit_once(':').ok_or(ContactError)?;
        let is_port = port.parse().is_ok_and(|port: u16| port != 0);
        // An IPv6 address is in brackets, or its last group would be the port.
        let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        let is_host = !host.is_empty() && !is_bare_v6 && !host.contains(char::is_whitespace);
        if is_host && is_port { Ok(Self(text.to_owned())) } else { Err(ContactError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn a_contact_is_a_host_and_a_port() {
        for text in ["127.0.0.1:12300", "[::1]:12300", "north.example:1"] {
            assert_eq!(text.parse::<Contact>().map(|contact| contact.0), Ok(text.to_owned()));
        }
        for text in ["", "12300", ":12300", "::1:12300", "north:0", "north:65536", "north", "a b:1"] {
            assert_eq!(text.parse::<Contact>(), Err(ContactError), "{text}");
        }
    }

    #[test]
    fn only_neighbours_are_on_it_and_port_0_is_no_address() {
        let name = |text| Name::new(text).unwrap();
        let mut config = Preset::Goloman.config().unwrap();
        assert_eq!(
            Roster::new(&config, &name("Welsh")).address(&name("Holiday")),
            "127.0.0.1:12302".parse().ok()
        );
        config.rebase(0).unwrap();
        let mut roster = Roster::new(&config, &name("Welsh"));
        assert_eq!(roster.neighbours().collect::<Vec<_>>(), [(&name("Holiday"), None)]);
        let address = "127.0.0.1:7".parse().unwrap();
        assert!(roster.note(&name("Holiday"), address));
        assert!(!roster.note(&name("Holiday"), address));
        assert!(!roster.note(&name("Wilkes"), address));
        assert_eq!(roster.address(&name("Holiday")), Some(address));
        assert_eq!(roster.address(&name("Wilkes")), None);
    }
}
