//! Runs simulations on all cores and prints what they covered; of each violation what it is, made small, and the command
//! that replays it. Exits with 1 if there is one.

mod arguments;
mod batch;
mod shrink;
mod tally;

use std::process::ExitCode;

use herd_sim::{Catalogue, Violation};

use arguments::Arguments;
use batch::{Batch, Outcome};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the program's output")]
fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("{what}\nusage: herd-sim {}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let catalogue = match Catalogue::read() {
        Ok(catalogue) => catalogue,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let names: Vec<_> = catalogue.names().collect();
    if let Some(unknown) = arguments.scenario.as_ref().filter(|name| !names.contains(&name.as_str())) {
        eprintln!("no such scenario: {unknown}; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    let batch = Batch::new(&catalogue, &arguments);
    if arguments.shows {
        println!("{:#?}", batch.scenario(arguments.seeds.start));
    }
    let Outcome { tally, violations } = batch.run(|progress| eprintln!("{progress}"));
    for violation in violations.values() {
        eprintln!("{violation}");
        if let Some(smaller) = smaller(&catalogue, &arguments, violation) {
            eprintln!("\nmade smaller: {smaller}");
        }
        eprintln!();
    }
    if tally.runs > 0 {
        println!("{tally}");
    }
    if violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    let failed = violations.len() as u64;
    let wanted = arguments.seeds.end.saturating_sub(arguments.seeds.start);
    eprintln!("{failed} of {} runs failed, {wanted} were asked for", failed + tally.runs);
    ExitCode::FAILURE
}

fn smaller(catalogue: &Catalogue, arguments: &Arguments, violation: &Violation) -> Option<Box<Violation>> {
    if !arguments.shrinks {
        return None;
    }
    let scenario = catalogue.get(&violation.scenario, violation.seed)?.into_owned();
    shrink::shrink(&scenario, violation, arguments.jobs)
}
