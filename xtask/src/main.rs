//! What CI and people run, with nothing to install but cargo: `cargo xtask test`, `sim`, `bench`.
//!
//! Not a build system: every step is a cargo command that can be pasted, but for `tidy`, which is the few rules that
//! no lint knows.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a command that talks to a person")]

#[cfg(target_os = "linux")]
mod chaos;
mod broken;
mod check;
mod fuzz;
#[cfg(target_os = "linux")]
mod hostile;
mod tally;
mod tidy;
mod bench;
mod count;
mod excerpt;

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};

const HELP: &str = "\
cargo xtask test                 everything that must hold: format, clippy, tidy, tests, docs
cargo xtask tidy                 only the rules that no lint knows
cargo xtask sim [--seeds N | --seed S] [--scenario X]
                                 whole herds, each in one thread from one seed; violations are made smaller
cargo xtask sim --broken [VARIANT..]
                                 breaks copies of the core on purpose and sees the simulation notice
cargo xtask fuzz [TARGET..] [--seconds N] [--jobs N]
                                 random input for every decoder, 600 seconds each unless told otherwise
cargo xtask bench [--quick] [--only NAME] [--seconds S]
                                 herd beside others, measured; a whole run writes docs/performance.md
cargo xtask count [--against REV]
                                 instructions for each piece of herd-core's work, beside the previous commit's
cargo xtask chaos [--seed S] [--round NAME] [--minutes M]
                                 five real servers under load and under faults (Linux; as root more of them)
cargo xtask hostile [ATTACK..] [--rounds N] [--millis N] [--program F]
                                 what floods and the like cost the clients of a real server";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("", &[][..]), |(c, rest)| (c.as_str(), rest));
    let outcome = match (command, rest) {
        ("test", []) => check::run(),
        ("tidy", []) => tidy::run(),
        ("sim", [flag, names @ ..]) if flag == "--broken" => broken::run(names),
        ("sim", rest) => simulate(rest),
        ("fuzz", rest) => fuzz::run(rest),
        ("bench", rest) => bench::run(rest),
        ("count", rest) => count::run(rest),
        #[cfg(target_os = "linux")]
        ("chaos", rest) => chaos::run(rest),
        #[cfg(target_os = "linux")]
        ("hostile", rest) => hostile::run(rest),
        // One attack, for `hostile`.
        #[cfg(target_os = "linux")]
        ("hostile-attack", rest) => hostile::attack(rest),
        ("" | "help" | "--help" | "-h", _) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("no such task: cargo xtask {}\n\n{HELP}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nfailed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Optimised: a simulated hour is to take seconds.
fn simulate(arguments: &[String]) -> anyhow::Result<()> {
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "herd-sim", "--"]);
    let status = command.args(arguments).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the simulation found something ({status})");
    }
    Ok(())
}

/// Cargo in the root of the workspace.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // What `cargo run` tells us of ourselves would have build scripts of others run again, and all that rests on them.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    command
}

/// The root of the workspace.
fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}
