//! `cargo xtask bench`: builds, starts every contender on loopback, runs the same work against each in turn, several
//! rounds, and writes what came of it into docs/performance.md.
//!
//! The one thing to know: absolute numbers of a shared machine drift by a third, so everything that is compared runs
//! interleaved in one run, server on one core and generator on another.

mod process;
mod sample;
mod contender;
mod herds;
mod iamat;
mod five;
mod propagation;
mod footprint;
mod whatsat;
mod goals;
mod machine;
mod document;
#[cfg(test)]
mod tests;

use std::time::Instant;

use anyhow::{Context, bail};

use self::{contender::Contender, goals::Results, machine::Busy};
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
    /// Only this contender, beside the floor, or only this part.
    only: Option<String>,
    /// Whether docs/performance.md is to say what came of it.
    is_whole: bool,
}

/// The parts that are not about one contender.
const PARTS: [&str; 4] = ["five", "propagation", "whatsat", "footprint"];

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
                    let names: Vec<&str> =
                        Contender::ALL.map(Contender::name).into_iter().chain(PARTS).collect();
                    if !names.contains(&name.as_str()) {
                        bail!("--only wants one of {}, not {name}", names.join(", "));
                    }
                    options.only = Some(name.clone());
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

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == name)
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
    let results = measure(&options, &contenders)?;
    let others = Busy::now()?.others_since(before);
    let mut text = document::preamble(&options, others, start.elapsed(), &absences);
    text.push_str(&results.print());
    if options.is_whole {
        document::write(&text)?;
        println!("== docs/performance.md written");
    } else {
        println!("{text}");
    }
    Ok(())
}

fn measure(options: &Options, contenders: &[Contender]) -> anyhow::Result<Results> {
    let mut results = Results::default();
    if options.only.as_deref().is_none_or(|only| !PARTS.contains(&only)) {
        println!("== reports to one server");
        results.iamat = Some(iamat::measure(options, contenders)?);
    }
    if options.wants("five") {
        println!("== reports to one of five");
        results.five = Some(five::measure(options)?);
    }
    if options.wants("propagation") {
        println!("== from a client over two servers to a third");
        results.ways = Some(propagation::measure(options)?);
    }
    if options.wants("whatsat") {
        println!("== questions to one server");
        results.whatsat = Some(whatsat::measure(options)?);
    }
    if options.wants("footprint") {
        println!("== what a server holds");
        results.footprint = Some(footprint::measure(options)?);
    }
    Ok(results)
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
        if !options.wants(contender.name()) && contender != Contender::Echo {
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
