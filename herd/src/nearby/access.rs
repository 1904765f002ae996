//! How a remote provider is reached, as the configuration says: where it is, with which key, how long to wait.
//!
//! Knows URLs, no sockets, and no provider.

use std::{fmt, net::IpAddr, time::Duration};

use hyper::{
    Uri,
    http::uri::{InvalidUri, Scheme},
};
use serde::Deserialize;

use crate::config::{Secret, quantity::Span};

/// Time for one answer if the configuration says nothing else: what a phone's owner waits for.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// What all remote providers need.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) key: Option<Secret>,
    pub(super) base_url: Option<BaseUrl>,
    pub(super) deadline: Duration,
}

impl Access {
    /// As a configuration file says it, but for the key.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>, key_name: &str) -> fmt::Result {
        if self.key.is_some() {
            writeln!(f, "{key_name} = \"***\"")?;
        }
        if let Some(url) = &self.base_url {
            writeln!(f, "base_url = \"{url}\"")?;
        }
        writeln!(f, "deadline = \"{}\"", Span(self.deadline))
    }
}

/// Where a provider's documented paths hang: `http` or `https`, a host, perhaps a port and a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct BaseUrl(Uri);

/// Why a text is no [`BaseUrl`]. The configuration is at fault; nothing was started.
#[derive(Debug, thiserror::Error)]
#[error("expected a URL such as \"https://maps.example\", without user, query or fragment")]
pub struct BaseUrlError;

impl BaseUrl {
    /// A URL that is known to be right: a provider's own.
    pub(super) fn known(url: &'static str) -> Self {
        Self(Uri::from_static(url))
    }

    /// The address of something below it; `path` starts with a slash.
    pub(super) fn join(&self, path: &str) -> Result<Uri, InvalidUri> {
        format!("{self}{path}").parse()
    }

    /// Whether what is sent there can be read on the way.
    pub(super) fn is_plain(&self) -> bool {
        self.0.scheme() != Some(&Scheme::HTTPS)
    }

    /// Whether what is sent there stays on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        ip.map_or(host == "localhost", |ip| ip.is_loopback())
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = BaseUrlError;

    fn try_from(text: String) -> Result<Self, BaseUrlError> {
        let uri: Uri = text.parse().map_err(|_| BaseUrlError)?;
        let is_known = uri.scheme().is_some_and(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
        let is_bare = uri.query().is_none() && !text.contains(['@', '#']);
        if is_known && is_bare && uri.host().is_some_and(|host| !host.is_empty()) {
            Ok(Self(uri))
        } else {
            Err(BaseUrlError)
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}
