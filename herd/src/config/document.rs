//! From a text to a checked [`Config`]: first the shape (serde), then what serde cannot see.
//!
//! Checks name the key at fault by its path; where that stands in the text is looked up once, here.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use herd_core::{limits::SERVERS_MAX, server::Name};
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer, Error},
};

use crate::nearby::{MessagesConfig, PlacesConfig};

use super::{
    Config, ConfigError, Durability, Limits, NearbyConfig, Secret, SecretKeys, SecretText, Server, TlsFiles,
    Traffic,
    mistake::{Mistake, Outline, explain, line_of, suggest},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    // Required, but the span that serde's complaint has would be that of the first key or table of the file.
    name: Option<String>,
    #[serde(default = "default_data_dir")]
    data_dir: PathBuf,
    #[serde(default)]
    durability: Durability,
    #[serde(default = "default_log_dir")]
    log_dir: PathBuf,
    #[serde(default)]
    servers: BTreeMap<Spanned<String>, ServerSection>,
    places: Option<PlacesConfig>,
    messages: Option<MessagesConfig>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    traffic: Traffic,
    secret: Option<SecretText>,
    secret_file: Option<PathBuf>,
    tls: Option<TlsFiles>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerSection {
    #[serde(default)]
    talks_with: Vec<String>,
    peer: Option<String>,
    #[serde(default)]
    listen: ListenSection,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ListenSection {
    line: Option<String>,
    admin: Option<String>,
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("herd-data")
}

fn default_log_dir() -> PathBuf {
    PathBuf::from("logs")
}

/// See [`Config::parse`].
pub(super) fn parse(
    text: &str,
    origin: &str,
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let at = |offset, message| ConfigError::Wrong {
        origin: origin.to_owned(),
        line: line_of(text, offset),
        message,
    };
    let misread = |outline: &Outline, error: &Error| {
        let offset = error.span().map_or(0, |span| span.start);
        // A table begins at its bracket, its name behind that and perhaps behind spaces.
        let name = text.get(offset..).unwrap_or_default().trim_start_matches(['[', ' ', '\t']);
        at(offset, explain(error.message(), outline.path_at(text.len() - name.len())))
    };
    let table = DeTable::parse(text).map_err(|error| misread(&Outline::default(), &error))?;
    let outline = Outline::new(table.get_ref());
    if let Some(mistake) = misplaced_value(&[], table.get_ref()) {
        return Err(at(outline.offset(&mistake.path), mistake.to_string()));
    }
    let document =
        Document::deserialize(Deserializer::from(table)).map_err(|error| misread(&outline, &error))?;
    let checked = document.check(folder, environment);
    checked.map_err(|mistake| at(outline.offset(&mistake.path), mistake.to_string()))
}

/// A value where a table belongs. serde would take an array there and read it by position, which is nothing that the
/// file says.
fn misplaced_value(above: &[&str], table: &DeTable<'_>) -> Option<Mistake> {
    table.iter().find_map(|(key, value)| {
        let path = [above, &[key.get_ref()]].concat();
        if let DeValue::Table(inner) = value.get_ref() {
            return misplaced_value(&path, inner);
        }
        let found = value.get_ref().type_str();
        is_section(&path).then(|| Mistake::new(&path, format!("expected a table, found {found}")))
    })
}

/// Whether a table belongs there.
fn is_section(path: &[&str]) -> bool {
    matches!(
        path,
        ["servers" | "places" | "messages" | "limits" | "traffic" | "tls"]
            | ["servers", _]
            | ["servers", _, "listen"]
    )
}

impl Document {
    fn check(
        mut self,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Mistake> {
        let name =
            self.name.take().ok_or_else(|| Mistake::new(&[], "missing key \"name\" at the top level"))?;
        let name = Name::new(&name).map_err(|error| Mistake::new(&["name"], error.to_string()))?;
        let keys = SecretKeys { text: "secret", file: "secret_file" };
        let (text, file) = (self.secret.as_ref(), self.secret_file.as_deref());
        let secret = Secret::from_either(keys, text, file, folder, environment)
            .map_err(|(key, message)| Mistake::new(&[key], message))?;
        let sections = std::mem::take(&mut self.servers);
        let mut sections: Vec<(Spanned<String>, ServerSection)> = sections.into_iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        let servers = sections.iter().map(|(name, section)| section.server(name.get_ref()));
        let config = Config {
            name,
            data_dir: folder.join(&self.data_dir),
            durability: self.durability,
            log_dir: folder.join(&self.log_dir),
            servers: servers.collect::<Result<_, _>>()?,
            edges: edges(&sections)?,
            nearby: self.nearby(folder, environment)?,
            limits: self.limits,
            traffic: self.traffic,
            secret,
            tls: self.tls.take().map(|files| files.within(folder)),
        };
        let within = |section: &str, (key, message): (&str, String)| Mistake::new(&[section, key], message);
        let mistake = servers_mistake(&config)
            .or_else(|| nameless_certificate(&config))
            .or_else(|| address_mistake(&config))
            .or_else(|| config.limits.mistake().map(|mistake| within("limits", mistake)))
            .or_else(|| config.traffic.mistake().map(|mistake| within("traffic", mistake)));
        mistake.map_or(Ok(config), Err)
    }

    /// Its paths resolved from `folder`, its key found, its combination of keys checked.
    fn nearby(
        &mut self,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<NearbyConfig, Mistake> {
        let within = |section: &'static str| {
            move |(key, message): (&'static str, String)| Mistake::new(&[section, key], message)
        };
        match (self.places.take(), self.messages.take()) {
            (Some(_), Some(_)) => {
                Err(Mistake::new(&["messages"], "expected either [places] or [messages], found both"))
            }
            (None, Some(mut messages)) => {
                messages.check(folder, environment).map_err(within("messages"))?;
                Ok(NearbyConfig::Messages(messages))
            }
            (places, None) => {
                let mut places = places.unwrap_or_default();
                places.check(folder, environment).map_err(within("places"))?;
                Ok(NearbyConfig::Places(places))
            }
        }
    }
}

impl ServerSection {
    fn server(&self, name: &str) -> Result<Server, Mistake> {
        let address = |text: &Option<String>, path: &[&str]| match text {
            None => Ok(None),
            Some(text) => text.parse::<SocketAddr>().map(Some).map_err(|_| {
                let expected = "expected an address such as \"127.0.0.1:12000\" or \"[::1]:12000\"";
                Mistake::new(path, format!("{expected}, found {text:?}"))
            }),
        };
        Ok(Server {
            name: Name::new(name).map_err(|error| Mistake::new(&["servers", name], error.to_string()))?,
            peer: address(&self.peer, &["servers", name, "peer"])?,
            line: address(&self.listen.line, &["servers", name, "listen", "line"])?,
            admin: address(&self.listen.admin, &["servers", name, "listen", "admin"])?,
        })
    }
}

/// The edges that either side names, as positions in the order of the file.
fn edges(sections: &[(Spanned<String>, ServerSection)]) -> Result<Vec<(usize, usize)>, Mistake> {
    let names: Vec<&str> = sections.iter().map(|(name, _)| name.get_ref().as_str()).collect();
    let mut edges = BTreeSet::new();
    for (here, (name, section)) in sections.iter().enumerate() {
        let path = ["servers", name.get_ref(), "talks_with"];
        for other in &section.talks_with {
            match names.iter().position(|known| known == other) {
                Some(there) if there == here => {
                    return Err(Mistake::new(&path, "expected other servers, found the server itself"));
                }
                Some(there) => edges.insert((here.min(there), here.max(there))),
                None => {
                    let hint = suggest(other, &names);
                    return Err(Mistake::new(&path, format!("there is no server {other:?}; {hint}")));
                }
            };
        }
    }
    Ok(edges.into_iter().collect())
}

fn servers_mistake(config: &Config) -> Option<Mistake> {
    let count = config.servers.len();
    match count {
        0 => Some(Mistake::new(&["servers"], "expected at least one [servers.NAME], found none")),
        1..=SERVERS_MAX => None,
        _ => {
            Some(Mistake::new(&["servers"], format!("expected at most {SERVERS_MAX} servers, found {count}")))
        }
    }
}

/// What is wrong with the addresses, if anything; they may come from the command line too.
pub(super) fn address_mistake(config: &Config) -> Option<Mistake> {
    None.or_else(|| shared_address(config))
        .or_else(|| unreachable_edge(config))
        .or_else(|| exposed_peer(config))
        .or_else(|| exposed_admin(config))
}

/// Two listeners on one address of one machine.
fn shared_address(config: &Config) -> Option<Mistake> {
    let mut seen: Vec<(SocketAddr, String)> = Vec::new();
    for server in &config.servers {
        // Two machines may both listen on 0.0.0.0:12000; the peer address tells the machines apart.
        let machine = |ip: IpAddr| server.peer.filter(|_| ip.is_unspecified()).map_or(ip, |peer| peer.ip());
        let name = server.name.as_str();
        let listeners = [
            (server.peer, vec!["servers", name, "peer"]),
            (server.line, vec!["servers", name, "listen", "line"]),
            (server.admin, vec!["servers", name, "listen", "admin"]),
        ];
        for (address, path) in listeners {
            let Some(address) = address.filter(|address| address.port() != 0) else { continue };
            let key = SocketAddr::new(machine(address.ip()), address.port());
            if let Some((_, owner)) = seen.iter().find(|(taken, _)| *taken == key) {
                return Some(Mistake::new(&path, format!("{owner} has this address already: {address}")));
            }
            seen.push((key, path.join(".")));
        }
    }
    None
}

/// An edge that neither side can dial, or a peer address that nobody can.
fn unreachable_edge(config: &Config) -> Option<Mistake> {
    for server in &config.servers {
        if let Some(peer) = server.peer.filter(|peer| peer.ip().is_unspecified()) {
            let message = format!("expected an address that the other servers can dial, found {peer}");
            return Some(Mistake::new(&["servers", server.name.as_str(), "peer"], message));
        }
    }
    let ends = |&(a, b): &(usize, usize)| Some((config.servers.get(a)?, config.servers.get(b)?));
    let lonely = |(a, b): &(&Server, &Server)| a.peer.is_none() && b.peer.is_none();
    let (a, b) = config.edges.iter().filter_map(ends).find(lonely)?;
    let message = format!("expected a peer address here or for {}: one of the two has to be dialled", b.name);
    Some(Mistake::new(&["servers", a.name.as_str(), "peer"], message))
}

/// A server whose name no certificate can bear.
fn nameless_certificate(config: &Config) -> Option<Mistake> {
    config.tls.as_ref()?;
    let (name, message) = TlsFiles::mistake(config.servers.iter().map(|server| &server.name))?;
    Some(Mistake::new(&["servers", name.as_str()], message))
}

/// Links beyond loopback need a secret or certificates.
fn exposed_peer(config: &Config) -> Option<Mistake> {
    if config.secret.is_some() || config.tls.is_some() {
        return None;
    }
    let exposed = |server: &&Server| server.peer.is_some_and(|peer| !peer.ip().is_loopback());
    let server = config.servers.iter().find(exposed)?;
    let message =
        "expected secret, secret_file or [tls], since this address is not loopback, found none of them";
    Some(Mistake::new(&["servers", server.name.as_str(), "peer"], message))
}

/// The administrative front-end asks nobody who they are, so it is for this machine only.
fn exposed_admin(config: &Config) -> Option<Mistake> {
    let exposed = |server: &&Server| server.admin.is_some_and(|admin| !admin.ip().is_loopback());
    let server = config.servers.iter().find(exposed)?;
    let admin = server.admin?;
    let message = format!("expected a loopback address such as 127.0.0.1:12200, found {admin}");
    Some(Mistake::new(&["servers", server.name.as_str(), "listen", "admin"], message))
}
