//! Where a server's neighbours can be dialled: from the file, and from whoever supervises when ports were free choice.
//!
//! Links watch it: an address may become known, or change, while the server runs.

use std::{collections::BTreeMap, net::SocketAddr};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

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
