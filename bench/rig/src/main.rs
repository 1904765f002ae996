//! What herd is measured with: `cargo xtask bench` starts these, each pinned to a core of its own.
//!
//! Not a load generator for people: `herd load` is. This one drives servers of several protocols with the same bytes
//! at the same pace, counts replies instead of reading them, and so costs less than any server. The one thing to know:
//! what it finds is printed as `key value` lines on standard output; a server prints `NAME ADDRESS` once it listens.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the reader is a script or a person")]

mod echo;
mod requests;
mod pour;
mod connection;

use std::process::ExitCode;

use clap::Parser;

/// Parts of a measurement.
#[derive(Debug, Parser)]
enum Command {
    /// Sends back what it receives: what the sockets alone cost
    Echo,
    /// Sends requests flat out and counts the replies
    Pour(pour::Args),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Echo => echo::run(),
        Command::Pour(args) => pour::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rig: {error:#}");
            ExitCode::FAILURE
        }
    }
}
