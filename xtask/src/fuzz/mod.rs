//! `cargo xtask fuzz`: random input for every decoder, guided by what of the code it reaches.
//!
//! It builds `fuzz/`, a workspace of its own, runs each target for a while and prints a table. Not where a target is:
//! those are `fuzz/targets`. The one thing to know: what is found goes to `target/fuzz/corpus`; only what `fuzz/README.md`
//! says how to minimise belongs into the repository.

mod run;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{cargo, root};

use self::run::{Outcome, Run};

/// How long each target runs unless told otherwise: what the project promises to stand.
const SECONDS: u64 = 600;

/// What was asked for.
#[derive(Debug)]
struct Request {
    targets: Vec<String>,
    time: Duration,
    jobs: usize,
}

/// Runs some targets, or all.
///
/// # Errors
/// The arguments are wrong, the fuzzer cannot be built, or it found something.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let mut request = Request::read(arguments)?;
    let known = targets()?;
    if let Some(unknown) = request.targets.iter().find(|target| !known.contains(target)) {
        bail!("no such target: {unknown} (there are {})", known.join(", "));
    }
    if request.targets.is_empty() {
        request.targets = known;
    }
    build()?;
    let folder = binaries()?;
    println!("{:14} {:>12} {:>10} {:>8}  findings", "target", "executions", "a second", "edges");
    let queue = Mutex::new(request.targets.iter());
    let findings = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..request.jobs {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(target) = next else { return };
                    let outcome = Run { binary: folder.join(target), target, time: request.time }.finish();
                    let outcome = outcome.unwrap_or_else(|error| Outcome::failed(format!("{error:#}")));
                    println!("{target:14} {outcome}");
                    let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
                    findings.extend(outcome.into_finding());
                }
            });
        }
    });
    match findings.into_inner().unwrap_or_else(PoisonError::into_inner).as_slice() {
        [] => Ok(()),
        findings => bail!("something was found:\n{}", findings.join("\n")),
    }
}

impl Request {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut request = Self { targets: Vec::new(), time: Duration::from_secs(SECONDS), jobs: 1 };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || -> anyhow::Result<u64> {
                let value = arguments.next().with_context(|| format!("no number after {argument}"))?;
                let number = value.parse().ok().filter(|&number| number > 0);
                number.with_context(|| format!("expected a number above 0 after {argument}: {value}"))
            };
            match argument.as_str() {
                "--seconds" => request.time = Duration::from_secs(number()?),
                "--jobs" => request.jobs = usize::try_from(number()?)?,
                option if option.starts_with('-') => bail!("no such option: {option}"),
                target => request.targets.push(target.to_owned()),
            }
        }
        Ok(request)
    }
}

/// The targets in the order of the manifest.
fn targets() -> anyhow::Result<Vec<String>> {
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml"))?;
    let binaries = manifest.split("[[bin]]").skip(1);
    let names = binaries.filter_map(|binary| binary.split('"').nth(1).map(str::to_owned));
    Ok(names.collect())
}

/// Builds all targets with the fuzzer's instruments.
fn build() -> anyhow::Result<()> {
    let tools = root().join("target/tools");
    if !tools.join("bin/cargo-fuzz").exists() {
        println!("installing cargo-fuzz into {}", tools.display());
        succeed(cargo(&["install", "cargo-fuzz", "--quiet", "--locked", "--root"]).arg(&tools))?;
    }
    let mut build = Command::new(tools.join("bin/cargo-fuzz"));
    // Without a sanitizer: all is safe Rust but one mapping of a file, and it is twice as fast.
    build.args(["build", "--sanitizer", "none", "--target-dir"]).arg(root().join("target/fuzz"));
    // The instruments are flags that a stable compiler has but does not show.
    succeed(build.env("RUSTC_BOOTSTRAP", "1").current_dir(root()))
}

/// Where the built targets are, from the root.
fn binaries() -> anyhow::Result<PathBuf> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(Path::new("target/fuzz").join(host).join("release"))
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
