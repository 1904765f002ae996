//! How a remote provider is reached, as the configuration says: where it is, with which key, how long to wait.
//!
//! Knows URLs and rules between keys of a section, no sockets.

use std::{fmt, net::IpAddr, time::Duration};

use hyper::{
    Uri,
    http::uri::{InvalidUri, Scheme},
};
use serde::Deserialize;

use crate::config::{Secret, SecretKeys, quantity::Span, section::span};

/// Time for one answer if the configuration says nothing else: what a phone's owner waits for.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Longest key in bytes: providers' own have up to some hundred, and one header or URL has to hold it.
const KEY_BYTES_MAX: usize = 4096;

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

    fn is_loopback(&self) -> bool {
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

/// What a section says about its provider, to find a combination that cannot work.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    /// The provider as it is written.
    pub(super) provider: &'static str,
    pub(super) is_remote: bool,
    pub(super) has_index: bool,
    pub(super) key: Option<&'a Secret>,
    pub(super) key_names: SecretKeys,
    pub(super) needs_key: bool,
    pub(super) base_url: Option<&'a BaseUrl>,
    pub(super) needs_base_url: bool,
    pub(super) deadline: Duration,
}

impl Claims<'_> {
    /// The key at fault, and what is wrong.
    pub(super) fn mistake(&self) -> Option<(&'static str, String)> {
        let Claims { provider, key_names, base_url, .. } = self;
        let wrong = |key, is_wrong: bool, message: String| is_wrong.then_some((key, message));
        let unwanted = |key| format!("expected no {key} with provider = {provider:?}");
        let is_ascii = |key: &Secret| key.expose().iter().all(u8::is_ascii_graphic);
        let is_bad_key = self.key.is_some_and(|key| !is_ascii(key) || key.expose().len() > KEY_BYTES_MAX);
        let is_read_on_the_way =
            self.key.is_some() && base_url.is_some_and(|url| url.is_plain() && !url.is_loopback());
        let missing_key = || {
            let SecretKeys { text, file } = key_names;
            format!("expected {text} or {file} with provider = {provider:?}, found neither")
        };
        None.or_else(|| wrong("index", self.is_remote && self.has_index, unwanted("index")))
            .or_else(|| {
                wrong(key_names.text, !self.is_remote && self.key.is_some(), unwanted(key_names.text))
            })
            .or_else(|| wrong("base_url", !self.is_remote && base_url.is_some(), unwanted("base_url")))
            .or_else(|| wrong("provider", self.needs_key && self.key.is_none(), missing_key()))
            .or_else(|| {
                let message = format!("expected visible ASCII characters, at most {KEY_BYTES_MAX}");
                wrong(key_names.text, is_bad_key, message)
            })
            .or_else(|| {
                let message = format!("expected base_url with provider = {provider:?}, found none");
                wrong("provider", self.needs_base_url && base_url.is_none(), message)
            })
            .or_else(|| {
                let message = "expected https, since a key is sent there, found http beyond loopback";
                wrong("base_url", is_read_on_the_way, message.to_owned())
            })
            .or_else(|| span("deadline", self.deadline, 10, 60_000))
    }
}
