//! `cargo xtask test`: the steps in their order, each with a heading and its time, up to the first that fails.
//!
//! Not the place for a rule: a step is a cargo command or a call. The last line is the sum over all test binaries.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};

use crate::{
    cargo, count, simulate,
    tally::{Line, Tally},
    tidy,
};

/// Runs of simulated herds: half a minute on two cores, and as much to build the simulator.
const SIMULATED: u64 = 4000;

/// Runs all steps.
///
/// # Errors
/// The first step that failed.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut tally = Tally::default();
    let outcome = steps(&mut tally);
    if tally.has_run() {
        println!("\n{tally}");
    }
    outcome
}

fn steps(tally: &mut Tally) -> anyhow::Result<()> {
    step("format", || succeed(cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", || {
        succeed(cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
    })?;
    step("tidy", tidy::run)?;
    step("tests: unit, properties, transcripts, end to end, simulation", || test(tally))?;
    step("simulation", || simulate(&["--seeds".to_owned(), SIMULATED.to_string()]))?;
    step("docs", || {
        let mut doc = cargo(&["doc", "--quiet", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "--deny warnings");
        succeed(doc)
    })?;
    step("instructions, for information", || count::run(&[]))
}

fn step(name: &str, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    println!("\n== {name}");
    let start = Instant::now();
    let outcome = work().with_context(|| format!("step {name:?}"));
    let verdict = if outcome.is_ok() { "done" } else { "failed" };
    println!("== {verdict} in {:.1} s", start.elapsed().as_secs_f64());
    outcome
}

fn succeed(mut command: Command) -> anyhow::Result<()> {
    let shown = shown(&command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// Runs all tests, also behind one that fails, and passes on what they print but for the output of those that pass.
fn test(tally: &mut Tally) -> anyhow::Result<()> {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    let shown = shown(&command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let mut output = BufReader::new(child.stdout.take().context("no output to read")?);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        // A test may print anything.
        let text = String::from_utf8_lossy(&line);
        if tally.read(text.trim_end()) == Line::Shown {
            print!("{text}");
        }
        line.clear();
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{shown}` ended with {status}: {tally}");
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    format!("cargo {}", arguments.join(" "))
}
