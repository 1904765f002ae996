//! What the command line asks for.

use std::{num::NonZero, ops::Range, thread};

use herd_sim::{Cut, scenario::FaultKind};

pub(crate) const USAGE: &str = "[--seeds N | --seeds FIRST..END | --seed S] [--scenario X] [--jobs N] [--violations N] [--no-shrink] [--show]\n\
     \u{20}                [--without FAULT,..] [--servers N] [--clients N] [--until MS]";

/// Runs when nobody says how many.
const SEEDS: u64 = 1000;

/// Violations after which it is enough, when nobody says so: one cause may show in most runs, and each takes up to half a
/// minute to make smaller.
const VIOLATIONS_MAX: usize = 16;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// One scenario instead of all.
    pub(crate) scenario: Option<String>,
    pub(crate) seeds: Range<u64>,
    /// Threads.
    pub(crate) jobs: usize,
    /// After so many violations no further run is begun.
    pub(crate) violations_max: usize,
    /// Whether a violation is made smaller.
    pub(crate) shrinks: bool,
    /// Whether the first scenario is printed.
    pub(crate) shows: bool,
    pub(crate) cut: Cut,
}

impl Arguments {
    /// Reads them; says what is wrong with them.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let jobs = thread::available_parallelism().map_or(1, NonZero::get);
        let mut wanted = Self {
            scenario: None,
            seeds: 0..SEEDS,
            jobs,
            violations_max: VIOLATIONS_MAX,
            shrinks: true,
            shows: false,
            cut: Cut::default(),
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("missing value: {argument}"));
            match argument.as_str() {
                "--scenario" => wanted.scenario = Some(value()?),
                "--seeds" => {
                    let seeds = value()?;
                    let (first, end) = seeds.split_once("..").unwrap_or(("0", &seeds));
                    wanted.seeds = number(first)?..number(end)?;
                }
                "--seed" => {
                    let seed: u64 = number(&value()?)?;
                    wanted.seeds = seed..seed.saturating_add(1);
                }
                "--jobs" => wanted.jobs = number(&value()?)?,
                "--violations" => wanted.violations_max = number(&value()?)?,
                "--show" => wanted.shows = true,
                "--no-shrink" => wanted.shrinks = false,
                "--without" => {
                    let kinds = value()?;
                    let kinds = kinds.split(',').map(|kind| FaultKind::try_from(kind.to_owned()));
                    wanted.cut.without =
                        kinds.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                }
                "--servers" => wanted.cut.servers = Some(number(&value()?)?),
                "--clients" => wanted.cut.clients = Some(number(&value()?)?),
                "--until" => wanted.cut.until_ms = Some(number(&value()?)?),
                _ => return Err(format!("unknown argument: {argument}")),
            }
        }
        Ok(wanted)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}
