//! Secrets, of the links and of the providers: where they come from, and that they never show.
//!
//! One is written as `secret = "${VARIABLE}"` or `secret_file = "PATH"`. Nothing here prints its value, errors included.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de::Error};

/// Fewest bytes of a secret: 16 random bytes cannot be guessed, whatever is tried against the handshake. Providers'
/// keys are longer, and one of a few bytes could not be told from other text where it has to be blotted out.
pub const SECRET_BYTES_MIN: usize = 16;

/// A secret text; `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A secret as a configuration writes it, its variables not replaced yet; `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

/// The two keys of which either may give a secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretKeys {
    /// Key of the text.
    pub(crate) text: &'static str,
    /// Key of the file.
    pub(crate) file: &'static str,
}

/// Why there is no [`Secret`]. The configuration or the environment is at fault; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// `${` without its `}`, or no name between them.
    #[error("expected \"${{VARIABLE}}\", found an unfinished \"${{\"")]
    Unfinished,
    /// The environment lacks the variable (or it is not UTF-8).
    #[error("expected the environment variable {0} to be set, it is not")]
    MissingVariable(String),
    /// The file cannot be read.
    #[error("expected a readable file, found {path:?}: {error}")]
    Unreadable {
        /// The file, relative paths already resolved.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Too short to protect anything.
    #[error("expected at least {SECRET_BYTES_MIN} bytes, found {0}")]
    TooShort(usize),
}

impl Secret {
    /// The secret that `text` stands for: every `${VARIABLE}` in it is replaced by what `environment` holds.
    ///
    /// # Errors
    /// A variable is not set or its name is not closed; the result is shorter than [`SECRET_BYTES_MIN`].
    pub fn from_text(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, SecretError> {
        let mut value = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').ok_or(SecretError::Unfinished)?;
            if name.is_empty() {
                return Err(SecretError::Unfinished);
            }
            value.push_str(before);
            value.push_str(&environment(name).ok_or_else(|| SecretError::MissingVariable(name.to_owned()))?);
            rest = tail;
        }
        value.push_str(rest);
        Self::checked(value)
    }

    /// The secret in a file, without the white space that editors leave around it.
    ///
    /// # Errors
    /// The file cannot be read, or holds fewer than [`SECRET_BYTES_MIN`] bytes.
    pub fn from_file(path: PathBuf) -> Result<Self, SecretError> {
        match fs::read_to_string(&path) {
            Ok(text) => Self::checked(text.trim().to_owned()),
            Err(error) => Err(SecretError::Unreadable { path, error }),
        }
    }

    /// The secret that either of two keys gives, relative paths resolved from `folder`; a mistake names the key.
    pub(crate) fn from_either(
        keys: SecretKeys,
        text: Option<&SecretText>,
        file: Option<&Path>,
        folder: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, (&'static str, String)> {
        match (text, file) {
            (Some(_), Some(_)) => {
                Err((keys.file, format!("expected either {} or {}, found both", keys.text, keys.file)))
            }
            (Some(text), None) => Self::from_text(&text.0, environment)
                .map(Some)
                .map_err(|error| (keys.text, error.to_string())),
            (None, Some(path)) => {
                Self::from_file(folder.join(path)).map(Some).map_err(|error| (keys.file, error.to_string()))
            }
            (None, None) => Ok(None),
        }
    }

    fn checked(value: String) -> Result<Self, SecretError> {
        if value.len() < SECRET_BYTES_MIN { Err(SecretError::TooShort(value.len())) } else { Ok(Self(value)) }
    }

    /// The bytes themselves, for the handshake and for requests to the provider only.
    #[must_use]
    pub const fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // serde's own complaint about anything but a text repeats it, and digits without quotes are a secret too.
        String::deserialize(from).map(Self).map_err(|_| D::Error::custom("expected text in quotes"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_the_value_never_shows() {
        let environment = |name: &str| (name == "A").then(|| "0123456789".to_owned());
        let secret = Secret::from_text("${A}-${A}", &environment).unwrap();
        assert_eq!(secret.expose(), b"0123456789-0123456789");
        assert_eq!(format!("{secret:?}"), "***");
        for (text, complaint) in [
            ("${B}", "expected the environment variable B to be set, it is not"),
            ("${A", "expected \"${VARIABLE}\", found an unfinished \"${\""),
            ("${}", "expected \"${VARIABLE}\", found an unfinished \"${\""),
            ("${A}", "expected at least 16 bytes, found 10"),
        ] {
            assert_eq!(Secret::from_text(text, &environment).unwrap_err().to_string(), complaint);
        }
    }
}
