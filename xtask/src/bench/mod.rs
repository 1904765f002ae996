//! `cargo xtask bench`: builds, starts every contender on loopback, runs the same work against each in turn, several
//! rounds, and writes what came of it into docs/performance.md.
//!
//! The one thing to know: absolute numbers of a shared machine drift by a third, so everything that is compared runs
//! interleaved in one run, server on one core and generator on another.

mod process;
mod sample;
mod contender;
mod iamat;
mod goals;
mod machine;
mod document;
#[cfg(test)]
mod tests;

use std::time::Instant;

use anyhow::{Context, bail};

use self::{contender::Contender, goals::Goals, machine::Busy};
use crate::cargo;

/// How much to measure.
#[derive(Clone, Debug, PartialEq)]
struct Options {
    /// Rounds over all contenders.
    rounds: usize,
    /// Seconds of one measurement.
    seconds: f64,
    /// Clients that report.
    clients: u64,
    /// Only this contender, beside the floor.
    only: Option<Contender>,
    /// Whether docs/performance.md is to say what came of it.
    is_whole: bool,
}

impl Options {
    /// From the command line: `[--quick] [--only NAME] [--seconds S]`.
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self { rounds: 5, seconds: 1.0, clients: 1_000_000, only: None, is_whole: true };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--quick" => {
                    options = Self { rounds: 3, seconds: 0.3, clients: 100_000, is_whole: false, ..options }
                }
                "--seconds" => options.seconds = value()?.parse().context("--seconds wants a number")?,
                "--only" => {
                    let name = value()?;
                    let names = Contender::ALL.map(Contender::name).join(", ");
                    let found = Contender::ALL.into_iter().find(|contender| contender.name() == name);
                    options.only =
                        Some(found.with_context(|| format!("no contender {name}: there are {names}"))?);
                    options.is_whole = false;
                }
                _ => bail!("what is {argument}? cargo xtask bench [--quick] [--only NAME] [--seconds S]"),
            }
        }
        if !(0.05..=60.0).contains(&options.seconds) {
            bail!("--seconds is out of 0.05..=60: {}", options.seconds);
        }
        Ok(options)
    }
}

/// Measures. A whole run writes docs/performance.md, any other only prints.
///
/// # Errors
/// Wrong arguments, or something that is there does not work.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    println!("== build");
    build()?;
    let start = Instant::now();
    let (contenders, absences) = present(&options)?;
    let before = Busy::now()?;
    println!("== reports to one server");
    let iamat = iamat::measure(&options, &contenders)?;
    let goals = Goals { iamat: &iamat };
    let others = Busy::now()?.others_since(before);
    let mut text = document::preamble(&options, others, start.elapsed(), &absences);
    text.push_str(&goals.print());
    text.push_str(&iamat.print());
    if options.is_whole {
        document::write(&text)?;
        println!("== docs/performance.md written");
    } else {
        println!("{text}");
    }
    Ok(())
}

fn build() -> anyhow::Result<()> {
    let status = cargo(&["build", "--quiet", "--release", "--package", "herd", "--package", "rig"])
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo build: {status}");
    }
    Ok(())
}

/// Who takes part, and who is absent and why.
fn present(options: &Options) -> anyhow::Result<(Vec<Contender>, Vec<String>)> {
    let (mut contenders, mut absences) = (Vec::new(), Vec::new());
    for contender in Contender::ALL {
        if options.only.is_some_and(|only| only != contender) && contender != Contender::Echo {
            continue;
        }
        match contender.prepare()? {
            Ok(()) => contenders.push(contender),
            Err(absence) => {
                println!("   absent: {}: {absence}", contender.name());
                absences.push(format!("{} ({absence})", contender.name()));
            }
        }
    }
    Ok((contenders, absences))
}
