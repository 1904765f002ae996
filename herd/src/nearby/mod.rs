//! What is near a position: the providers behind WHATSAT and the bytes that they answer with.
//!
//! One more provider is one more file, one `mod` line and one arm in `section`. A front-end sees [`Nearby`] only.

pub mod google_style;
pub mod upstream;
pub mod access;
pub mod http;
mod section;
mod redaction;
mod google;
mod google_new;
pub mod embedded;
pub mod messages;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
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
    http::ClientError,
    messages::{Messages, MessagesError},
    upstream::{Inquiry, Upstream},
};
use crate::config::{Secret, SecretText, quantity};

/// The section `[places]` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
}

/// The section `[messages]` of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
        Self {
            provider: PlacesProvider::default(),
            index: None,
            api_key: None,
            api_key_file: None,
            key: None,
            base_url: None,
            deadline: DEADLINE,
        }
    }
}

impl Default for MessagesConfig {
    fn default() -> Self {
        Self {
            provider: MessagesProvider::default(),
            index: None,
            bearer_token: None,
            bearer_token_file: None,
            key: None,
            base_url: None,
            deadline: DEADLINE,
        }
    }
}

/// Why a provider cannot start. The configuration or a file it names is at fault; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum NearbyError {
    /// The place index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The message file cannot be used.
    #[error(transparent)]
    Messages(#[from] MessagesError),
    /// No remote provider can be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What WHATSAT asks.
#[derive(Clone, Debug)]
pub struct Nearby(Provider);

#[derive(Clone, Debug)]
enum Provider {
    Places(Embedded),
    Messages(Messages),
    RemotePlaces(Arc<dyn Upstream>),
    RemoteMessages(Arc<dyn Upstream>),
}

impl Nearby {
    /// The provider of places that a configuration names; its relative paths start at `folder`.
    ///
    /// # Errors
    /// The index is missing, is no index, is of another version, or damaged.
    pub fn places(config: &PlacesConfig, folder: &Path) -> Result<Self, NearbyError> {
        let index = config.index.as_ref().map(|index| folder.join(index));
        Ok(Self(match config.upstream()? {
            Some(upstream) => Provider::RemotePlaces(upstream),
            None => Provider::Places(Embedded::open(index.as_deref())?),
        }))
    }

    /// The provider of messages that a configuration names; its relative paths start at `folder`.
    ///
    /// # Errors
    /// The file is missing, or a line of it is no message.
    pub fn messages(config: &MessagesConfig, folder: &Path) -> Result<Self, NearbyError> {
        let index = config.index.as_ref().map(|index| folder.join(index));
        Ok(Self(match config.upstream()? {
            Some(upstream) => Provider::RemoteMessages(upstream),
            None => Provider::Messages(Messages::open(index.as_deref())?),
        }))
    }

    /// What a question may ask for.
    #[must_use]
    pub const fn limits(&self) -> QuestionLimits {
        match self.0 {
            Provider::Places(_) | Provider::RemotePlaces(_) => {
                QuestionLimits { radius_km_max: Some(PLACES_RADIUS_KM_MAX), bound_max: PLACES_BOUND_MAX }
            }
            Provider::Messages(_) | Provider::RemoteMessages(_) => {
                QuestionLimits { radius_km_max: None, bound_max: MESSAGES_BOUND_MAX }
            }
        }
    }

    /// Everything that follows the AT line's own newline, complete. A provider that fails answers with its format's
    /// own error body.
    pub async fn answer(&self, position: Position, question: Question) -> Vec<u8> {
        match &self.0 {
            Provider::Places(places) => places.answer(position, question).await,
            Provider::Messages(messages) => messages.answer(position, question),
            Provider::RemotePlaces(upstream) | Provider::RemoteMessages(upstream) => {
                let inquiry = Inquiry { at: position, radius_km: question.radius_km };
                let (Ok(page) | Err(page)) = upstream.fetch(inquiry).await;
                page.answer(question.bound)
            }
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
        let error = Nearby::places(&config, Path::new("nowhere")).unwrap_err().to_string();
        assert!(error.contains("nowhere/none.idx"), "{error}");
    }
}
