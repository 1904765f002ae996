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
mod settle;
mod relay;
mod tap;
mod nats;
mod race;
mod paced;
mod grow;
mod idle;
mod provider;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;

/// Parts of a measurement.
#[derive(Debug, Parser)]
enum Command {
    /// Sends back what it receives: what the sockets alone cost
    Echo,
    /// Sends requests flat out and counts the replies
    Pour(pour::Args),
    /// Sends what it hears on one connection to all the others
    Relay {
        /// One more connection, which it makes itself
        upstream: Option<SocketAddr>,
    },
    /// Times reports from one socket to another
    Race(race::Args),
    /// Times reports that are due at their time, from a client to a neighbour
    Paced(paced::Args),
    /// Times what growing does to single reports, without a server
    Grow {
        #[arg(long, default_value_t = 10_000_000)]
        clients: u64,
    },
    /// Times how long a neighbour that knows nothing takes to know all
    Fill {
        /// The server's name
        neighbour: String,
        /// Where its neighbours connect
        address: SocketAddr,
    },
    /// Writes made-up places as GeoNames has them
    Places {
        file: PathBuf,
        #[arg(long, default_value_t = 1_000_000)]
        count: u64,
    },
    /// Answers every question about places with the same page, as Google would
    Provider,
    /// Holds connections that keep silent, until standard input ends
    Idle {
        /// The server
        address: SocketAddr,
        #[arg(long, default_value_t = 10_000)]
        connections: u32,
    },
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Echo => echo::run(),
        Command::Pour(args) => pour::run(&args),
        Command::Relay { upstream } => relay::run(upstream),
        Command::Race(args) => race::run(&args),
        Command::Paced(args) => paced::run(&args),
        Command::Grow { clients } => grow::run(clients),
        Command::Fill { neighbour, address } => tap::fill(&neighbour, address),
        Command::Places { file, count } => requests::write_places(&file, count),
        Command::Provider => provider::run(),
        Command::Idle { address, connections } => idle::hold(address, connections),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rig: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Of latencies in nanoseconds.
fn percentile_us(sorted: &[u64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    Duration::from_nanos(sorted.get(at).copied().unwrap_or_default()).as_secs_f64() * 1e6
}
