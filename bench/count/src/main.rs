//! Does one piece of herd-core's work some rounds over, for whoever counts the instructions: `cargo xtask count`.
//!
//! Nothing is counted or timed in here. The one thing to know: set-up is the same however many rounds follow, and
//! everything follows from constants, so that two runs differ by exactly the work of the rounds between them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the reader is a script or a person")]

mod reports;
mod clients;
mod neighbours;
mod links;
mod pieces;

use std::process::ExitCode;

use anyhow::Context;

use self::{pieces::PIECES, reports::ROUNDS_MAX};

const HELP: &str = "\
count list           the pieces: a name, a tab, the operations of a round
count PIECE ROUNDS   does so many rounds of a piece, 4 at most";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        ["list"] => {
            PIECES.iter().for_each(|piece| println!("{}\t{}", piece.name, piece.operations));
            Ok(())
        }
        [name, rounds] => run(name, rounds),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("count: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, rounds: &str) -> anyhow::Result<()> {
    let piece = PIECES.iter().find(|piece| piece.name == name).context("no such piece")?;
    let rounds = rounds.parse().ok().filter(|&rounds| rounds <= ROUNDS_MAX).context("too many rounds")?;
    let mut work = (piece.prepare)()?;
    (0..rounds).try_for_each(&mut work)
}
