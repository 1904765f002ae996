//! The arguments of `cargo xtask chaos`.

use std::time::Duration;

use anyhow::{Context, bail};
use fastrand::Rng;

use super::rounds::{ROUNDS, Round};

/// A run without arguments ends within five minutes: no round begins later than this.
const TIME_MAX: Duration = Duration::from_secs(260);

#[derive(Debug)]
pub(super) struct Options {
    pub(super) seed: u64,
    /// No round begins later.
    pub(super) time_max: Duration,
    /// Rounds go on until then, in any order.
    pub(super) is_endless: bool,
    /// Only this one.
    round: Option<String>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options =
            Self { seed: fastrand::u64(..1_000_000), time_max: TIME_MAX, is_endless: false, round: None };
        for pair in arguments.chunks(2) {
            let [key, value] = pair else { bail!("{} needs a value", pair.concat()) };
            match key.as_str() {
                "--seed" => options.seed = value.parse().context("--seed")?,
                "--minutes" => {
                    let minutes: u32 = value.parse().context("--minutes")?;
                    options.time_max = Duration::from_secs(60) * minutes;
                    options.is_endless = true;
                }
                "--round" => options.round = Some(value.clone()),
                _ => bail!("no such option: {key}"),
            }
        }
        if let Some(round) = &options.round
            && !ROUNDS.iter().any(|known| known.name == round)
        {
            let names: Vec<&str> = ROUNDS.iter().map(|round| round.name).collect();
            bail!("no such round: {round}; there are {}", names.join(", "));
        }
        Ok(options)
    }

    /// The rounds of one pass.
    pub(super) fn rounds(&self, rng: &mut Rng) -> Vec<&'static Round> {
        let is_wanted = |round: &&Round| self.round.as_ref().is_none_or(|wanted| wanted == round.name);
        let mut rounds: Vec<&Round> = ROUNDS.iter().filter(is_wanted).collect();
        if self.is_endless {
            rng.shuffle(&mut rounds);
        }
        rounds
    }

    /// The command that does the same to the same servers again.
    pub(super) fn replay(&self) -> String {
        let round = self.round.as_ref().map(|round| format!(" --round {round}")).unwrap_or_default();
        let minutes = self.time_max.as_secs() / 60;
        let minutes = if self.is_endless { format!(" --minutes {minutes}") } else { String::new() };
        format!("again with: cargo xtask chaos --seed {}{minutes}{round}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Options> {
        Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_run_can_be_told_again() {
        for text in ["--seed 7", "--seed 7 --minutes 2", "--seed 7 --round cut"] {
            let replay = parse(text).unwrap().replay();
            assert_eq!(replay, format!("again with: cargo xtask chaos {text}"));
        }
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for wrong in ["--seed", "--seed x", "--round bang", "--fast 1", "x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
