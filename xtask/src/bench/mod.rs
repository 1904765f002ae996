//! `cargo xtask bench`: builds, starts every contender on loopback, runs the same work against each in turn, several
//! rounds, and writes what came of it into docs/performance.md.
//!
//! The one thing to know: absolute numbers of a shared machine drift by a third, so everything that is compared runs
//! interleaved in one run, server on one core and generator on another.

mod process;
mod sample;
mod absences;
mod contender;
mod nats;
mod herds;
mod shape;
mod iamat;
mod five;
mod propagation;
mod paced;
mod footprint;
mod pauses;
mod whatsat;
mod questions;
mod curves;
mod plot;
mod goals;
mod machine;
mod document;
#[cfg(test)]
mod tests;

use std::time::Instant;

use anyhow::{Context, bail};

use self::{absences::Absences, contender::Contender, goals::Results, machine::Busy};
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
const PARTS: [&str; 8] =
    ["five", "propagation", "paced", "whatsat", "questions", "footprint", "pauses", "curves"];

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

/// Measures. A whole run writes docs/performance.md, any other only prints. What fails is named there, and the rest
/// measured all the same.
///
/// # Errors
/// Wrong arguments, or something that is there does not work.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    println!("== build");
    build()?;
    let mut run = Run { options: &options, start: Instant::now(), absences: Absences::default() };
    let contenders = run.present();
    let before = Busy::now()?;
    let results = run.measure(&contenders);
    let others = Busy::now()?.others_since(before);
    if let Some(curves) = &results.curves {
        curves::draw(curves, options.is_whole)?;
    }
    let mut text = document::preamble(&options, others, run.start.elapsed(), &run.absences);
    text.push_str(&results.print());
    if options.is_whole {
        document::write(&text)?;
        println!("== docs/performance.md written, {}", run.elapsed());
    } else {
        println!("{text}");
    }
    match run.absences.failed() {
        [] => Ok(()),
        failed => bail!("not all could be measured: {}", failed.join(", ")),
    }
}

/// One run.
struct Run<'a> {
    options: &'a Options,
    start: Instant,
    absences: Absences,
}

impl Run<'_> {
    fn measure(&mut self, contenders: &[Contender]) -> Results {
        let mut results = Results::default();
        if self.options.only.as_deref().is_none_or(|only| !PARTS.contains(&only)) {
            println!("== reports to one server, {}", self.elapsed());
            results.iamat = Some(iamat::measure(self.options, contenders, &mut self.absences));
        }
        results.five = self.part("five", "reports to one of five", |run| five::measure(run.options));
        results.ways = self.part("propagation", "from a client over two servers to a third", |run| {
            propagation::measure(run.options, &mut run.absences)
        });
        results.paced =
            self.part("paced", "the same in five, at even times", |run| paced::measure(run.options));
        results.whatsat =
            self.part("whatsat", "questions to one server", |run| whatsat::measure(run.options));
        results.questions =
            self.part("questions", "the same at even times", |run| questions::measure(run.options));
        results.footprint =
            self.part("footprint", "what a server holds", |run| footprint::measure(run.options));
        results.pauses = self.part("pauses", "while a table grows", |run| pauses::measure(run.options));
        results.curves = self.part("curves", "as the herd grows", |run| curves::measure(run.options));
        results
    }

    /// One part, if it is wanted and works.
    fn part<T>(
        &mut self,
        name: &str,
        title: &str,
        measure: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> Option<T> {
        if !self.options.wants(name) {
            return None;
        }
        println!("== {title}, {}", self.elapsed());
        let found = measure(self);
        self.absences.unless_failed(name, found)
    }

    /// Who takes part.
    fn present(&mut self) -> Vec<Contender> {
        let wants =
            |contender: &Contender| self.options.wants(contender.name()) || *contender == Contender::Echo;
        let wanted = Contender::ALL.into_iter().filter(wants);
        let absences = &mut self.absences;
        wanted
            .filter(|contender| absences.unless_present(contender.name(), contender.prepare()).is_some())
            .collect()
    }

    /// Minutes and seconds since the start.
    fn elapsed(&self) -> String {
        let seconds = self.start.elapsed().as_secs();
        format!("after {}:{:02} min", seconds / 60, seconds % 60)
    }
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
