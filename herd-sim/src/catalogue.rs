//! All scenarios that there are: those in files, and the swarm, which every seed draws anew.

use std::{borrow::Cow, fs, path::Path};

use crate::{
    chance::Chance,
    scenario::{Scenario, ScenarioError},
    swarm,
};

/// The name of the family of scenarios that is drawn.
const SWARM: &str = "swarm";

/// Runs of the swarm among those of the scenarios in files, see [`Scenario::weight`].
const SWARM_WEIGHT: u32 = 96_000;

/// See the module.
#[derive(Clone, Debug)]
pub struct Catalogue(Vec<Scenario>);

impl Catalogue {
    /// Reads the project's scenarios.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read() -> Result<Self, ScenarioError> {
        let mut all = Vec::new();
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))? {
            let path = entry?.path();
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if path.extension().is_some_and(|extension| extension == "toml") {
                all.push(Scenario::parse(&name, &fs::read_to_string(&path)?)?);
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(all))
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scenario| scenario.name.as_str()).chain([SWARM])
    }

    /// The scenario of a name; of the swarm the one that the seed draws.
    #[must_use]
    pub fn get(&self, name: &str, seed: u64) -> Option<Cow<'_, Scenario>> {
        if name == SWARM {
            return Some(Cow::Owned(swarm::draw(SWARM, seed)));
        }
        self.0.iter().find(|scenario| scenario.name == name).map(Cow::Borrowed)
    }

    /// Any scenario, cheap ones more often.
    #[must_use]
    pub fn draw(&self, seed: u64) -> Cow<'_, Scenario> {
        let total: u32 = self.0.iter().map(|scenario| scenario.weight).sum();
        let mut left = Chance::of(seed).stream("catalogue").u32(..total + SWARM_WEIGHT);
        for scenario in &self.0 {
            match left.checked_sub(scenario.weight) {
                Some(rest) => left = rest,
                None => return Cow::Borrowed(scenario),
            }
        }
        Cow::Owned(swarm::draw(SWARM, seed))
    }
}
