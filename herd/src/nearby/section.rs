//! The sections `[places]` and `[messages]` once they are read: their keys found, their combinations checked, their
//! providers made.
//!
//! The sections themselves, which serde reads, are in `mod.rs`.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use super::{
    MessagesConfig, MessagesProvider, PlacesConfig, PlacesProvider,
    access::{Access, BaseUrl},
    gate::Policy,
    google::{Auto, Google},
    google_new::GoogleNew,
    http::ClientError,
    messages::{twitter::Twitter, x::X},
    upstream::Upstream,
};
use crate::config::{Secret, SecretKeys, quoted::Quoted, section::span};

/// Longest key in bytes: providers' own have up to some hundred, and one header or URL has to hold it.
const KEY_BYTES_MAX: usize = 4096;

impl PlacesConfig {
    const KEYS: SecretKeys = SecretKeys { text: "api_key", file: "api_key_file" };

    /// Resolves paths from `folder` and the key from `environment`; a mistake names the key of the section.
    pub(crate) fn check(
        &mut self,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), (&'static str, String)> {
        let (text, file) = (self.api_key.take(), self.api_key_file.take());
        self.key = Secret::from_either(Self::KEYS, text.as_ref(), file.as_deref(), folder, environment)?;
        self.index = self.index.take().map(|index| folder.join(index));
        let is_remote = self.provider != PlacesProvider::Embedded;
        let claims = Claims {
            provider: self.provider.as_str(),
            is_remote,
            has_index: self.index.is_some(),
            key: self.key.as_ref(),
            key_names: Self::KEYS,
            needs_key: is_remote,
            base_url: self.base_url.as_ref(),
            needs_base_url: false,
            deadline: self.deadline,
        };
        claims.mistake().or_else(|| self.policy().mistake()).map_or(Ok(()), Err)
    }

    /// The provider behind a network, if it is one; it is not called yet.
    pub(super) fn upstream(&self) -> Result<Option<Arc<dyn Upstream>>, ClientError> {
        let access = self.access();
        Ok(Some(match self.provider {
            PlacesProvider::Embedded => return Ok(None),
            PlacesProvider::Google => Arc::new(Google::new(&access)?),
            PlacesProvider::GoogleNew => Arc::new(GoogleNew::new(&access)?),
            PlacesProvider::Auto => Arc::new(Auto::new(&access)?),
        }))
    }

    fn access(&self) -> Access {
        Access { key: self.key.clone(), base_url: self.base_url.clone(), deadline: self.deadline }
    }

    /// How a provider behind a network may be used.
    pub(super) const fn policy(&self) -> Policy {
        Policy {
            ttl: self.ttl,
            similarity: self.similarity,
            requests_per_second: self.requests_per_second,
            requests_per_day: self.requests_per_day,
            cache_entries: self.cache_entries,
            cache_bytes: self.cache_bytes,
        }
    }
}

impl MessagesConfig {
    const KEYS: SecretKeys = SecretKeys { text: "bearer_token", file: "bearer_token_file" };

    /// Resolves paths from `folder` and the token from `environment`; a mistake names the key of the section.
    pub(crate) fn check(
        &mut self,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), (&'static str, String)> {
        let (text, file) = (self.bearer_token.take(), self.bearer_token_file.take());
        self.key = Secret::from_either(Self::KEYS, text.as_ref(), file.as_deref(), folder, environment)?;
        self.index = self.index.take().map(|index| folder.join(index));
        let claims = Claims {
            provider: self.provider.as_str(),
            is_remote: self.provider != MessagesProvider::Embedded,
            has_index: self.index.is_some(),
            key: self.key.as_ref(),
            key_names: Self::KEYS,
            needs_key: self.provider == MessagesProvider::X,
            base_url: self.base_url.as_ref(),
            needs_base_url: self.provider == MessagesProvider::Twitter,
            deadline: self.deadline,
        };
        claims.mistake().or_else(|| self.policy().mistake()).map_or(Ok(()), Err)
    }

    /// The provider behind a network, if it is one; it is not called yet.
    pub(super) fn upstream(&self) -> Result<Option<Arc<dyn Upstream>>, ClientError> {
        let access = self.access();
        Ok(Some(match self.provider {
            MessagesProvider::Embedded => return Ok(None),
            MessagesProvider::Twitter => Arc::new(Twitter::new(&access)?),
            MessagesProvider::X => Arc::new(X::new(&access)?),
        }))
    }

    fn access(&self) -> Access {
        Access { key: self.key.clone(), base_url: self.base_url.clone(), deadline: self.deadline }
    }

    /// How a provider behind a network may be used.
    pub(super) const fn policy(&self) -> Policy {
        Policy {
            ttl: self.ttl,
            similarity: self.similarity,
            requests_per_second: self.requests_per_second,
            requests_per_day: self.requests_per_day,
            cache_entries: self.cache_entries,
            cache_bytes: self.cache_bytes,
        }
    }
}

impl fmt::Display for PlacesConfig {
    /// As a configuration file says it, but for the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "provider = {:?}", self.provider.as_str())?;
        if let Some(index) = &self.index {
            writeln!(f, "index = {}", Quoted(index))?;
        }
        let is_remote = self.provider != PlacesProvider::Embedded;
        if is_remote {
            self.access().show(f, Self::KEYS.text)?;
            write!(f, "{}", self.policy())?;
        }
        Ok(())
    }
}

impl fmt::Display for MessagesConfig {
    /// As a configuration file says it, but for the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "provider = {:?}", self.provider.as_str())?;
        if let Some(index) = &self.index {
            writeln!(f, "index = {}", Quoted(index))?;
        }
        let is_remote = self.provider != MessagesProvider::Embedded;
        if is_remote {
            self.access().show(f, Self::KEYS.text)?;
            write!(f, "{}", self.policy())?;
        }
        Ok(())
    }
}

impl PlacesProvider {
    /// As a configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Google => "google",
            Self::GoogleNew => "google-new",
            Self::Auto => "auto",
        }
    }
}

impl MessagesProvider {
    /// As a configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Twitter => "twitter",
            Self::X => "x",
        }
    }
}

/// What a section says about its provider, to find a combination that cannot work.
#[derive(Debug)]
struct Claims<'a> {
    /// The provider as it is written.
    provider: &'static str,
    is_remote: bool,
    has_index: bool,
    key: Option<&'a Secret>,
    key_names: SecretKeys,
    needs_key: bool,
    base_url: Option<&'a BaseUrl>,
    needs_base_url: bool,
    deadline: Duration,
}

impl Claims<'_> {
    /// The key at fault, and what is wrong.
    fn mistake(&self) -> Option<(&'static str, String)> {
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
