//! The configuration of a whole herd: one file, one typed [`Config`], checked once.
//!
//! Holding a [`Config`] means that it is right: names are names, edges have two ends, nothing is out of range.
//! Each process picks its own part by its server's name. How a text becomes a `Config` is in `document`.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use herd_core::server::Name;

use crate::nearby::{MessagesConfig, PlacesConfig};

mod document;
mod effective;
mod mistake;
mod preset;
pub(crate) mod quantity;
pub(crate) mod quoted;
mod secret;
pub(crate) mod section;
mod tls;
mod shape;

pub use mistake::ConfigError;
pub use preset::Preset;
pub(crate) use secret::SecretKeys;
pub use secret::{SECRET_BYTES_MIN, Secret, SecretError, SecretText};
pub use section::{Durability, Limits, Traffic};
pub use shape::Shape;
pub use tls::TlsFiles;

/// First port of a preset: server `i` speaks the line protocol on 12000 + i.
pub const PORT_BASE: u16 = 12_000;
/// Distance from a server's line port to its administrative port.
const ADMIN_PORTS: u16 = 200;
/// Distance from a server's line port to its peer port.
const PEER_PORTS: u16 = 300;
/// Most servers that take their ports from one base: the next front-end's ports begin 100 further.
const REBASED_SERVERS_MAX: usize = 100;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Links form only between servers of the same herd name.
    pub name: Name,
    /// Where servers keep what has to survive them, each in a folder of its name.
    pub data_dir: PathBuf,
    /// What of that survives what.
    pub durability: Durability,
    /// Where the traffic logs go.
    pub log_dir: PathBuf,
    /// The servers in the order of the file; at least one.
    pub servers: Vec<Server>,
    /// What WHATSAT asks.
    pub nearby: NearbyConfig,
    /// Bounds on what clients may make a server hold.
    pub limits: Limits,
    /// The input/output log.
    pub traffic: Traffic,
    /// The shared secret of the links; this or `tls` is there if any server is beyond loopback.
    pub secret: Option<Secret>,
    /// Where the certificates of the links are, if they use TLS.
    pub tls: Option<TlsFiles>,
    /// Edges as positions in `servers`, the smaller first, in ascending order.
    edges: Vec<(usize, usize)>,
}

/// One server of the herd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, shown in AT lines.
    pub name: Name,
    /// Where other servers connect; without one, this server dials all its neighbours.
    pub peer: Option<SocketAddr>,
    /// The line protocol, TCP and UDP; without one, the front-end does not run.
    pub line: Option<SocketAddr>,
    /// Where an operator on this machine controls the server; a loopback address.
    pub admin: Option<SocketAddr>,
}

/// What WHATSAT asks.
#[derive(Clone, Debug, PartialEq)]
pub enum NearbyConfig {
    /// Places around a client.
    Places(PlacesConfig),
    /// Messages around a client.
    Messages(MessagesConfig),
}

/// Addresses given on the command line; they win over the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddressOverride {
    /// In place of `listen.line`.
    pub line: Option<SocketAddr>,
    /// In place of `peer`.
    pub peer: Option<SocketAddr>,
    /// In place of `listen.admin`.
    pub admin: Option<SocketAddr>,
}

impl Config {
    /// Reads a file; relative paths in it are relative to its folder, secrets come from this process's environment.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong: then the error says line, key and what was expected.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, &path.display().to_string(), folder, &|name| env::var(name).ok())
    }

    /// Checks a text: `origin` names it in errors, paths in it are relative to `folder`, `environment` holds the
    /// variables that secrets may name.
    ///
    /// # Errors
    /// The text is wrong; the error says line, key and what was expected.
    pub fn parse(
        text: &str,
        origin: &str,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        document::parse(text, origin, folder, environment)
    }

    /// The server of that name.
    #[must_use]
    pub fn server(&self, name: &Name) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == *name)
    }

    /// The servers that share an edge with `name`, in the order of the file.
    #[must_use]
    pub fn neighbours(&self, name: &Name) -> Vec<Name> {
        let is_neighbour = |a: &Server, b: &Server| (a.name == *name).then(|| b.name.clone());
        let ends = self.edges.iter().filter_map(|&(a, b)| Some((self.servers.get(a)?, self.servers.get(b)?)));
        // Ascending pairs list the neighbours before `name` first, then those behind it: the order of the file.
        ends.filter_map(|(a, b)| is_neighbour(a, b).or_else(|| is_neighbour(b, a))).collect()
    }

    /// The edges as positions in `servers`, the smaller first, in ascending order.
    #[must_use]
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    /// Hops from the server at a position in `servers` to each other one, `None` for those out of reach.
    #[must_use]
    pub fn hops_from(&self, server: usize) -> Vec<Option<usize>> {
        shape::hops(self.servers.len(), &self.edges, server)
    }

    /// Gives every server its ports from a base: the i-th gets line = base + i, admin = base + 200 + i,
    /// peer = base + 300 + i.
    /// Base 0 asks for any free port everywhere. Hosts stay as they are; what has no address gets none.
    ///
    /// # Errors
    /// The ports would pass 65535, or there are more servers than the ports of one base.
    pub fn rebase(&mut self, base: u16) -> Result<(), ConfigError> {
        if base != 0 && self.servers.len() > REBASED_SERVERS_MAX {
            let message = format!(
                "--port-base serves at most {REBASED_SERVERS_MAX} servers, not {}",
                self.servers.len()
            );
            return Err(ConfigError::Override(message));
        }
        for (server, i) in self.servers.iter_mut().zip(0u16..) {
            let port =
                |offset: u16| if base == 0 { Some(0) } else { base.checked_add(offset)?.checked_add(i) };
            let (Some(line), Some(admin), Some(peer)) = (port(0), port(ADMIN_PORTS), port(PEER_PORTS)) else {
                return Err(ConfigError::Override(format!(
                    "the ports from --port-base {base} would pass 65535"
                )));
            };
            server.line.iter_mut().for_each(|address| address.set_port(line));
            server.peer.iter_mut().for_each(|address| address.set_port(peer));
            server.admin.iter_mut().for_each(|address| address.set_port(admin));
        }
        Ok(())
    }

    /// Adds a server that is in no file, unless it is: it has no edges, and serves clients on any free port of this machine.
    pub fn enlist(&mut self, name: &Name) {
        if self.server(name).is_none() {
            let line = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            self.servers.push(Server { name: name.clone(), peer: None, line, admin: None });
        }
    }

    /// Replaces addresses of one server.
    ///
    /// # Errors
    /// There is no such server, or the configuration is wrong with these addresses.
    pub fn readdress(&mut self, name: &Name, addresses: AddressOverride) -> Result<(), ConfigError> {
        let Some(server) = self.servers.iter_mut().find(|server| server.name == *name) else {
            let known: Vec<_> = self.servers.iter().map(|server| server.name.as_str()).collect();
            let hint = mistake::suggest(name.as_str(), &known);
            return Err(ConfigError::Override(format!(
                "the herd {} has no server {name}; {hint}",
                self.name
            )));
        };
        server.line = addresses.line.or(server.line);
        server.peer = addresses.peer.or(server.peer);
        server.admin = addresses.admin.or(server.admin);
        match document::address_mistake(self) {
            Some(mistake) => Err(ConfigError::Override(mistake.to_string())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
