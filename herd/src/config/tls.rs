//! The `[tls]` section: where the certificates of the links are. Nobody reads the files here.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use herd_core::server::Name;
use rustls::pki_types::DnsName;
use serde::Deserialize;

use super::quoted::Quoted;

/// What stands for the server's name in paths, so that one file serves all servers.
const SERVER: &str = "{server}";

/// The files of one server, or of all while `{server}` stands in their paths.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificates of the herd's CA; more than one while one takes over from another.
    pub ca: PathBuf,
    /// The server's certificate, with those between it and the CA behind it.
    pub cert: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// With relative paths resolved from `folder`.
    pub(super) fn within(self, folder: &Path) -> Self {
        self.map(|path| folder.join(path))
    }

    /// The files of `server`.
    #[must_use]
    pub fn of(&self, server: &Name) -> Self {
        self.clone().map(|path| {
            let part = |part: &std::ffi::OsStr| match part.to_str() {
                Some(text) => text.replace(SERVER, server.as_str()).into(),
                None => part.to_owned(),
            };
            path.iter().map(part).collect()
        })
    }

    /// The section as a configuration writes it.
    pub(crate) fn section(&self) -> String {
        let [ca, cert, key] = [&self.ca, &self.cert, &self.key].map(|path| Quoted(path));
        format!("[tls]\nca = {ca}\ncert = {cert}\nkey = {key}\n")
    }

    /// What is wrong for these servers, if anything: a certificate names machines, as DNS would.
    pub(crate) fn mistake<'a>(names: impl IntoIterator<Item = &'a Name>) -> Option<(&'a Name, &'static str)> {
        let is_certifiable = |name: &str| DnsName::try_from(name).is_ok() && !name.ends_with('.');
        let name = names.into_iter().find(|name| !is_certifiable(name.as_str()))?;
        Some((name, "expected a name that a certificate can bear, as of a machine"))
    }

    fn map(self, change: impl Fn(&Path) -> PathBuf) -> Self {
        Self { ca: change(&self.ca), cert: change(&self.cert), key: change(&self.key) }
    }
}

impl fmt::Display for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.ca.display(), self.cert.display(), self.key.display())
    }
}
