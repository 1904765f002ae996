//! The herds that ship: complete configuration files, compiled in.
//!
//! They are also examples: each is a valid `--config` file as it stands.

use std::{fmt, path::Path, str::FromStr};

use super::{Config, ConfigError, mistake::suggest};

/// One of the herds that ship.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Goloman, Hands, Holiday, Welsh, Wilkes; places.
    #[default]
    Goloman,
    /// Farmar, Gasol, Hill, Meeks, Young; messages.
    Farmar,
    /// Riley, Jaquez, Juzang, Campbell, Bernard; places.
    Riley,
    /// Bailey, Bona, Campbell, Clark, Jaquez; places.
    Bailey,
}

impl Preset {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Goloman, Self::Farmar, Self::Riley, Self::Bailey];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Goloman => "goloman",
            Self::Farmar => "farmar",
            Self::Riley => "riley",
            Self::Bailey => "bailey",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Goloman => include_str!("../../../herds/goloman.toml"),
            Self::Farmar => include_str!("../../../herds/farmar.toml"),
            Self::Riley => include_str!("../../../herds/riley.toml"),
            Self::Bailey => include_str!("../../../herds/bailey.toml"),
        }
    }

    /// Its configuration; relative paths in it are relative to the current folder.
    ///
    /// # Errors
    /// Only if the file that was compiled in is wrong, which a test excludes.
    pub fn config(self) -> Result<Config, ConfigError> {
        let origin = format!("herds/{}.toml", self.name());
        Config::parse(self.text(), &origin, Path::new(""), &|_| None)
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name);
        let found = Self::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| suggest(text, &names))
    }
}
