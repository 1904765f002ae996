//! How long a growing table keeps a report waiting: one client after the other reports to a node, nothing else happens.
//!
//! It is the node of `herd-core` without a server around it, in one thread, timed by that thread's CPU clock: what other
//! processes do to the machine is not in it, page faults are.

use std::time::{Duration, Instant};

use anyhow::Context;
use herd_core::{
    command::{ClientId, Command, Iamat},
    node::{Node, NodeSettings},
    position::Location,
    secret::HerdKey,
    server::Name,
    time::{ClientTime, Timestamp},
};
use rustix::time::{ClockId, clock_gettime};

/// When all of this happens, on every clock: in seconds.
const SECONDS: u64 = 1_520_023_934;

/// Lets `clients` clients report once each, and prints the longest that one of them took.
///
/// # Errors
/// The name or the clock is not what it was.
pub(crate) fn run(clients: u64) -> anyhow::Result<()> {
    let name = Name::new("Solo")?;
    let key = HerdKey::derive(&Name::new("bench")?, None);
    let node = Node::new(NodeSettings::new(name, 1, 1, key));
    let clock = Timestamp::from_nanos(SECONDS * 1_000_000_000);
    let location = Location::parse(b"+34.068930-118.445127").context("a location")?;
    let time = format!("{SECONDS}.000000000");
    let time = ClientTime::parse(time.as_bytes()).context("a time")?;
    let (mut longest, mut longest_by_wall) = (Duration::ZERO, Duration::ZERO);
    let mut answers = Vec::new();
    let start = Instant::now();
    for number in 0..clients {
        let id = format!("client-{number:013}");
        let client = ClientId::new(id.as_bytes()).context("an ID")?;
        let command = [Command::Iamat(Iamat::new(client, location, time))];
        answers.clear();
        let (began, began_at) = (cpu_time()?, Instant::now());
        node.apply(&command, clock, &mut answers);
        longest_by_wall = longest_by_wall.max(began_at.elapsed());
        longest = longest.max(cpu_time()?.saturating_sub(began));
    }
    println!("seconds {:.6}", start.elapsed().as_secs_f64());
    println!("longest_ms {:.4}", longest.as_secs_f64() * 1e3);
    println!("longest_by_wall_ms {:.4}", longest_by_wall.as_secs_f64() * 1e3);
    Ok(())
}

/// What this thread has used of its core.
fn cpu_time() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::ThreadCPUTime).try_into()?)
}
