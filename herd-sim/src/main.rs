//! Runs simulations: `herd-sim [--scenario NAME] [--seeds N | --seed S]`. Prints a line per scenario; at the first
//! violation what it is and the command that replays it, and exits with 1.

use std::process::ExitCode;

use herd_sim::{Report, Scenario, run};

/// What the arguments ask for.
struct Wanted {
    scenario: Option<String>,
    seeds: std::ops::Range<u64>,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the program's output")]
fn main() -> ExitCode {
    let wanted = match wanted(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(what) => {
            eprintln!("{what}\nusage: herd-sim [--scenario NAME] [--seeds N | --seed S]");
            return ExitCode::from(2);
        }
    };
    let scenarios = match Scenario::all() {
        Ok(scenarios) => scenarios,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let is_wanted = |name: &str| wanted.scenario.as_ref().is_none_or(|wanted| wanted == name);
    if !scenarios.iter().any(|scenario| is_wanted(&scenario.name)) {
        let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        eprintln!("no such scenario; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    for scenario in scenarios.iter().filter(|scenario| is_wanted(&scenario.name)) {
        let mut total = Report::default();
        for seed in wanted.seeds.clone() {
            match run(scenario, seed) {
                Ok(report) => total.add(&report),
                Err(violation) => {
                    eprintln!("{violation}");
                    return ExitCode::FAILURE;
                }
            }
        }
        let seeds = wanted.seeds.end - wanted.seeds.start;
        println!("{}: {seeds} seeds: {total}", scenario.name);
    }
    ExitCode::SUCCESS
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted { scenario: None, seeds: 0..10 };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("missing value: {argument}"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("not a number: {text}"));
        match argument.as_str() {
            "--scenario" => wanted.scenario = Some(value()?),
            "--seeds" => wanted.seeds = 0..number(value()?)?,
            "--seed" => {
                let seed = number(value()?)?;
                wanted.seeds = seed..seed.saturating_add(1);
            }
            _ => return Err(format!("unknown argument: {argument}")),
        }
    }
    Ok(wanted)
}
