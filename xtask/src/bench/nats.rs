//! NATS: two servers with a route between them.

use super::{
    contender::{Absence, Server, is_installed, program},
    process::{Core, Process},
};

/// The program, which is looked for where programs are.
pub(super) const PROGRAM: &str = "nats-server";

/// Whether it is on this machine.
pub(super) fn presence() -> Result<(), Absence> {
    if is_installed(PROGRAM) { Ok(()) } else { Err(format!("no {PROGRAM} on this machine")) }
}

/// Starts both: clients of one hear what clients of the other say.
///
/// # Errors
/// One does not start, or they do not find each other.
pub(super) fn route() -> anyhow::Result<(Server, Server)> {
    let (first, route) = start(&[])?;
    let (mut second, _) = start(&["--routes", &format!("nats://{route}")])?;
    second.process.announced(|line| line.contains("Route connection created").then_some(()))?;
    Ok((first, second))
}

/// A server, and where other servers connect.
fn start(more: &[&str]) -> anyhow::Result<(Server, String)> {
    // -1 is any port. What it logs goes where an address is looked for.
    let usual = ["-a", "127.0.0.1", "-p", "-1", "--log", "/dev/stdout"];
    let cluster = ["--cluster_name", "bench", "--cluster", "nats://127.0.0.1:-1"];
    let command = program(PROGRAM, &[&usual[..], &cluster, more].concat());
    let mut process = Process::start(PROGRAM, &command, Core::Server)?;
    let mut client = None;
    let route = process.announced(|line| {
        let (what, address) = line.split_once("Listening for ")?.1.split_once(" connections on ")?;
        if what == "client" {
            client = address.parse().ok();
        }
        (what == "route").then(|| address.to_owned())
    })?;
    let address = client.ok_or_else(|| anyhow::anyhow!("{PROGRAM} without an address for clients"))?;
    Ok((Server { process, address }, route))
}
