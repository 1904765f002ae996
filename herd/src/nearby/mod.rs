//! What is near a position: the providers behind WHATSAT and the bytes that they answer with.
//!
//! One more provider is one more file, one `mod` line and one arm of `Provider`. A front-end sees [`Nearby`] only.

pub mod google_style;
pub mod upstream;
pub mod embedded;
pub mod messages;

use std::path::{Path, PathBuf};

use herd_core::{
    command::{Question, QuestionLimits},
    limits::{MESSAGES_BOUND_MAX, PLACES_BOUND_MAX, PLACES_RADIUS_KM_MAX},
    position::Position,
};
use serde::Deserialize;

use self::{
    embedded::{Embedded, IndexError},
    messages::{Messages, MessagesError},
};

/// The section `[places]` of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlacesConfig {
    /// Who answers.
    pub provider: PlacesProvider,
    /// An imported index instead of the built-in places. Rule of thumb: 90 bytes a place, on a local disk; to change it,
    /// import into the same name (that replaces the file as a whole), never write into it.
    pub index: Option<PathBuf>,
}

/// The section `[messages]` of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MessagesConfig {
    /// Who answers.
    pub provider: MessagesProvider,
    /// A file with one message a line instead of the built-in sample; all of it is kept in memory.
    pub index: Option<PathBuf>,
}

/// Providers of places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlacesProvider {
    /// An index of open data on this machine.
    #[default]
    Embedded,
}

/// Providers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessagesProvider {
    /// A file of messages on this machine.
    #[default]
    Embedded,
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
}

/// What WHATSAT asks.
#[derive(Clone, Debug)]
pub struct Nearby(Provider);

#[derive(Clone, Debug)]
enum Provider {
    Places(Embedded),
    Messages(Messages),
}

impl Nearby {
    /// The provider of places that a configuration names; its relative paths start at `folder`.
    ///
    /// # Errors
    /// The index is missing, is no index, is of another version, or damaged.
    pub fn places(config: &PlacesConfig, folder: &Path) -> Result<Self, NearbyError> {
        let index = config.index.as_ref().map(|index| folder.join(index));
        match config.provider {
            PlacesProvider::Embedded => Ok(Self(Provider::Places(Embedded::open(index.as_deref())?))),
        }
    }

    /// The provider of messages that a configuration names; its relative paths start at `folder`.
    ///
    /// # Errors
    /// The file is missing, or a line of it is no message.
    pub fn messages(config: &MessagesConfig, folder: &Path) -> Result<Self, NearbyError> {
        let index = config.index.as_ref().map(|index| folder.join(index));
        match config.provider {
            MessagesProvider::Embedded => Ok(Self(Provider::Messages(Messages::open(index.as_deref())?))),
        }
    }

    /// What a question may ask for.
    #[must_use]
    pub const fn limits(&self) -> QuestionLimits {
        match self.0 {
            Provider::Places(_) => {
                QuestionLimits { radius_km_max: Some(PLACES_RADIUS_KM_MAX), bound_max: PLACES_BOUND_MAX }
            }
            Provider::Messages(_) => QuestionLimits { radius_km_max: None, bound_max: MESSAGES_BOUND_MAX },
        }
    }

    /// Everything that follows the AT line's own newline, complete. A provider that fails answers with its format's
    /// own error body.
    pub async fn answer(&self, position: Position, question: Question) -> Vec<u8> {
        match &self.0 {
            Provider::Places(places) => places.answer(position, question).await,
            Provider::Messages(messages) => messages.answer(position, question),
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
