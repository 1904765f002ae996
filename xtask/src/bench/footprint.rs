//! What a server holds: memory per client and per idle connection, and how long a whole table takes to an empty
//! neighbour.
//!
//! The log of recent reports is a ring of fixed size. It is filled before anything is counted, so that what is counted
//! is the clients.

use std::net::SocketAddr;

use super::{
    Options,
    contender::rig,
    herds,
    process::{Core, Process, number, output, resident_bytes},
    sample::{Figure, Sample},
};

/// Reports that fill the log's ring: 64 MiB of some 50 bytes each, and some more.
const RING_REPORTS: &str = "2000000";
/// Idle connections.
const CONNECTIONS: u32 = 10_000;

/// What was found.
#[derive(Debug)]
pub(super) struct Footprint {
    /// Bytes per client, by number of clients.
    pub(super) clients: Vec<(u64, f64)>,
    /// Bytes per connection that keeps silent.
    pub(super) idle: f64,
    /// Milliseconds for a table of so many clients.
    pub(super) table: (u64, Sample),
    /// Bytes per record on the way.
    pub(super) record: Sample,
}

/// # Errors
/// A server does not start or does not answer.
pub(super) fn measure(options: &Options) -> anyhow::Result<Footprint> {
    println!("   clients");
    let (server, peer) = herds::with_tap()?;
    let id = server.process.id();
    // Of one client those of several connections would be too late for news, and the ring half empty.
    pour(server.address, &["--clients", "1000", "--requests", RING_REPORTS])?;
    let before = resident_bytes(id)?;
    let mut clients = Vec::new();
    let (mut table, mut record) = (Sample::default(), Sample::default());
    for count in [options.clients, 10 * options.clients] {
        pour(server.address, &["--clients", &count.to_string(), "--fill"])?;
        clients.push((count, (resident_bytes(id)? - before) / precise(count)));
        if count == options.clients {
            for _ in 0..options.rounds {
                let found = output(&rig(&["fill", "Solo", &peer.to_string()]))?;
                table.add(number(&found, "seconds")? * 1e3);
                record.add(number(&found, "bytes")? / precise(count));
            }
        }
    }
    drop(server);
    println!("   idle connections");
    Ok(Footprint { clients, idle: idle()?, table: (options.clients, table), record })
}

fn idle() -> anyhow::Result<f64> {
    let server = herds::solo(herds::Keeps::Nothing)?;
    let id = server.process.id();
    let before = resident_bytes(id)?;
    let command = rig(&["idle", &server.address.to_string(), "--connections", &CONNECTIONS.to_string()]);
    let mut holder = Process::start("idle", &command, Core::Generator)?;
    holder.announced(|line| line.starts_with("held").then_some(()))?;
    Ok((resident_bytes(id)? - before) / f64::from(CONNECTIONS))
}

fn pour(address: SocketAddr, how: &[&str]) -> anyhow::Result<String> {
    let mut command = rig(&["pour", &address.to_string(), "--connections", "4", "--window", "1000"]);
    output(command.args(how))
}

/// Counts are far below 2^52, up to which floats are exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn precise(count: u64) -> f64 {
    count as f64
}

impl Footprint {
    /// As Markdown.
    pub(super) fn print(&self) -> String {
        let clients = self.clients.iter().map(|(count, bytes)| {
            let count = Figure(precise(*count));
            format!("| memory (RSS) per client, 20-byte IDs, {count} clients | {} bytes |\n", Figure(*bytes))
        });
        let (count, table) = &self.table;
        format!(
            "\nWhat a server holds:\n\n| | |\n|---|---|\n{}| memory (RSS) per idle connection, {} of them | {} bytes |\n\
             | a whole table of {} to an empty neighbour, from dialling to agreement | {} ms |\n\
             | bytes per record on the way | {} |\n",
            clients.collect::<String>(),
            Figure(f64::from(CONNECTIONS)),
            Figure(self.idle),
            Figure(precise(*count)),
            Figure(table.median()),
            Figure(self.record.median()),
        )
    }
}
