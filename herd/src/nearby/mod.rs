//! What is near a position: the providers behind WHATSAT and the bytes that they answer with.
//!
//! One more provider is one more file, one `mod` line and one arm where `section` makes them. Those behind a network
//! stand behind a [`Gate`].

pub mod google_style;
pub mod upstream;
pub mod access;
pub mod http;
mod section;
mod redaction;
mod google;
mod google_new;
pub mod gate;
pub mod embedded;
pub mod messages;
#[cfg(test)]
mod contract;

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use herd_core::{
    command::{Question, QuestionLimits},
    limits::{MESSAGES_BOUND_MAX, PLACES_BOUND_MAX, PLACES_RADIUS_KM_MAX},
    position::Position,
};
use serde::Deserialize;

use self::{
    access::{BaseUrl, DEADLINE},
    embedded::{Embedded, IndexError},
    gate::{Gate, Home, PAUSED, Policy},
    http::ClientError,
    messages::{Messages, MessagesError},
    upstream::{Page, Status},
};
use crate::{
    config::{Secret, SecretText, quantity},
    gateway::{Control, ProviderState},
};

/// The section `[places]` of a configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlacesConfig {
    /// Who answers.
    pub provider: PlacesProvider,
    /// An imported index instead of the built-in places. Rule of thumb: 90 bytes a place, on a local disk; to change it,
    /// import into the same name (that replaces the file as a whole), never write into it.
    pub index: Option<PathBuf>,
    /// The key of a remote provider as it is written, until the configuration is checked.
    pub api_key: Option<SecretText>,
    /// The file that holds the key instead, until the configuration is checked.
    pub api_key_file: Option<PathBuf>,
    /// The key, once the configuration is checked.
    #[serde(skip)]
    pub key: Option<Secret>,
    /// Where a remote provider's documented paths hang, if not at its own address.
    pub base_url: Option<BaseUrl>,
    /// Longest that a remote provider may take for an answer.
    #[serde(deserialize_with = "quantity::duration")]
    pub deadline: Duration,
    /// How long an answer is kept, if the provider's terms allow that.
    #[serde(deserialize_with = "quantity::duration")]
    pub ttl: Duration,
    /// How far apart questions may be that get one answer, as a share of the radius.
    pub similarity: f64,
    /// Most requests to the provider in any second.
    pub requests_per_second: u32,
    /// Most requests to the provider in a day (UTC), of each server.
    pub requests_per_day: u32,
    /// Most answers kept.
    pub cache_entries: u32,
    /// Most bytes of answers kept.
    #[serde(deserialize_with = "quantity::size")]
    pub cache_bytes: u64,
}

/// The section `[messages]` of a configuration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessagesConfig {
    /// Who answers.
    pub provider: MessagesProvider,
    /// A file with one message a line instead of the built-in sample; all of it is kept in memory.
    pub index: Option<PathBuf>,
    /// The token of a remote provider as it is written, until the configuration is checked.
    pub bearer_token: Option<SecretText>,
    /// The file that holds the token instead, until the configuration is checked.
    pub bearer_token_file: Option<PathBuf>,
    /// The token, once the configuration is checked.
    #[serde(skip)]
    pub key: Option<Secret>,
    /// Where a remote provider's documented paths hang, if not at its own address.
    pub base_url: Option<BaseUrl>,
    /// Longest that a remote provider may take for an answer.
    #[serde(deserialize_with = "quantity::duration")]
    pub deadline: Duration,
    /// How long an answer is kept, if the provider's terms allow that.
    #[serde(deserialize_with = "quantity::duration")]
    pub ttl: Duration,
    /// How far apart questions may be that get one answer, as a share of the radius.
    pub similarity: f64,
    /// Most requests to the provider in any second.
    pub requests_per_second: u32,
    /// Most requests to the provider in a day (UTC), of each server.
    pub requests_per_day: u32,
    /// Most answers kept.
    pub cache_entries: u32,
    /// Most bytes of answers kept.
    #[serde(deserialize_with = "quantity::size")]
    pub cache_bytes: u64,
}

/// Providers of places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlacesProvider {
    /// An index of open data on this machine.
    #[default]
    Embedded,
    /// Google's Nearby Search, the one that it calls legacy.
    Google,
    /// Google's Places API (New).
    GoogleNew,
    /// The legacy one until Google says that it is not enabled for the key, then the new one.
    Auto,
}

/// Providers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessagesProvider {
    /// A file of messages on this machine.
    #[default]
    Embedded,
    /// A service that speaks Twitter's search of 2009.
    Twitter,
    /// X's recent search.
    X,
}

impl Default for PlacesConfig {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            provider: PlacesProvider::default(),
            index: None,
            api_key: None,
            api_key_file: None,
            key: None,
            base_url: None,
            deadline: DEADLINE,
            ttl: policy.ttl,
            similarity: policy.similarity,
            requests_per_second: policy.requests_per_second,
            requests_per_day: policy.requests_per_day,
            cache_entries: policy.cache_entries,
            cache_bytes: policy.cache_bytes,
        }
    }
}

impl Default for MessagesConfig {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            provider: MessagesProvider::default(),
            index: None,
            bearer_token: None,
            bearer_token_file: None,
            key: None,
            base_url: None,
            deadline: DEADLINE,
            ttl: policy.ttl,
            similarity: policy.similarity,
            requests_per_second: policy.requests_per_second,
            requests_per_day: policy.requests_per_day,
            cache_entries: policy.cache_entries,
            cache_bytes: policy.cache_bytes,
        }
    }
}

/// Why a provider cannot start. The configuration or a file it names is at fault; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum NearbyError {
    /// The place index cannot be used.
    #[error("[places] index: {0}")]
    Index(IndexError),
    /// The message file cannot be used.
    #[error("[messages] index: {0}")]
    Messages(MessagesError),
    /// No remote provider can be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
}

// By hand, since `#[from]` makes a source of what the message tells already.
impl From<IndexError> for NearbyError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl From<MessagesError> for NearbyError {
    fn from(error: MessagesError) -> Self {
        Self::Messages(error)
    }
}

/// What WHATSAT asks.
#[derive(Debug)]
pub struct Nearby {
    provider: Provider,
    limits: QuestionLimits,
    is_paused: AtomicBool,
}

#[derive(Debug)]
enum Provider {
    Places(Embedded),
    Messages(Messages),
    Remote(Gate),
}

/// What may be asked about places.
pub const PLACES_LIMITS: QuestionLimits =
    QuestionLimits { radius_km_max: Some(PLACES_RADIUS_KM_MAX), bound_max: PLACES_BOUND_MAX };

/// What may be asked about messages.
pub const MESSAGES_LIMITS: QuestionLimits =
    QuestionLimits { radius_km_max: None, bound_max: MESSAGES_BOUND_MAX };

impl Nearby {
    /// The provider of places that a configuration names; its relative paths start at `folder`.
    ///
    /// # Errors
    /// The index is missing, is no index, is of another version, or damaged; no remote provider can be asked.
    pub fn places(config: &PlacesConfig, folder: &Path, home: Home) -> Result<Self, NearbyError> {
        let index = config.index.as_ref().map(|index| folder.join(index));
        let provider = match config.upstream()? {
            Some(upstream) => Provider::Remote(Gate::new(upstream, config.policy(), config.deadline, home)),
            None => Provider::Places(Embedded::open(index.as_deref())?),
        };
        Ok(Self::new(provider, PLACES_LIMITS))
    }

    /// The provider of messages that a configuration names; its relative paths start at `folder`.
    ///
    /// # Errors
    /// The file is missing, or a line of it is no message; no remote provider can be asked.
    pub fn messages(config: &MessagesConfig, folder: &Path, home: Home) -> Result<Self, NearbyError> {
        let index = config.index.as_ref().map(|index| folder.join(index));
        let provider = match config.upstream()? {
            Some(upstream) => Provider::Remote(Gate::new(upstream, config.policy(), config.deadline, home)),
            None => Provider::Messages(Messages::open(index.as_deref())?),
        };
        Ok(Self::new(provider, MESSAGES_LIMITS))
    }

    const fn new(provider: Provider, limits: QuestionLimits) -> Self {
        Self { provider, limits, is_paused: AtomicBool::new(false) }
    }

    /// What a question may ask for.
    #[must_use]
    pub const fn limits(&self) -> QuestionLimits {
        self.limits
    }

    /// Everything that follows the AT line's own newline, complete. A provider that fails or is paused answers with its
    /// format's own error body.
    pub async fn answer(&self, position: Position, question: Question) -> Vec<u8> {
        let is_paused = self.is_paused.load(Ordering::Relaxed);
        match &self.provider {
            Provider::Remote(gate) => gate.answer(position, question, is_paused).await,
            Provider::Places(_) if is_paused => Page::no_places(Status::UnknownError, PAUSED).answer(0),
            Provider::Messages(_) if is_paused => Page::no_messages(Status::UnknownError, PAUSED).answer(0),
            Provider::Places(places) => places.answer(position, question).await,
            Provider::Messages(messages) => messages.answer(position, question),
        }
    }
}

impl Control for Nearby {
    fn pause(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    fn state(&self) -> ProviderState {
        let (name, remote) = match &self.provider {
            Provider::Places(_) | Provider::Messages(_) => ("embedded", None),
            Provider::Remote(gate) => (gate.name(), Some(gate.state())),
        };
        ProviderState { name, is_paused: self.is_paused.load(Ordering::Relaxed), remote }
    }

    fn stop(&self) {
        if let Provider::Remote(gate) = &self.provider {
            gate.stop();
        }
    }

    fn settle(&self) {
        if let Provider::Remote(gate) = &self.provider {
            gate.settle();
        }
    }
}

/// A folder of the test data, unless it is missing: then a line says so, and the test is over.
#[cfg(test)]
pub(crate) fn test_data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HERD_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(folder);
    let found = path.is_dir().then_some(path);
    if found.is_none() {
        println!("skipped: no test data in {}", root.join(folder).display());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn an_unknown_provider_or_key_is_named_with_the_known_ones() {
        let error = toml::from_str::<PlacesConfig>("provider = \"yelp\"").unwrap_err().to_string();
        assert!(error.contains("`yelp`") && error.contains("`embedded`"), "{error}");
        let error = toml::from_str::<MessagesConfig>("indx = \"x\"").unwrap_err().to_string();
        assert!(error.contains("`indx`") && error.contains("`index`"), "{error}");
    }

    #[test]
    fn a_missing_index_is_an_error_that_names_it() {
        let config = PlacesConfig { index: Some("none.idx".into()), ..PlacesConfig::default() };
        let home = Home { budget_file: PathBuf::new(), clock: Clock::system() };
        let error = Nearby::places(&config, Path::new("nowhere"), home).unwrap_err().to_string();
        assert!(error.contains("nowhere/none.idx"), "{error}");
    }
}
