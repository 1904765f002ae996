//! Reports to one of five servers that flood: what they cost all five, and how long until all have heard of the last.

use super::{
    Options,
    contender::rig,
    herds::Five,
    process::{cpu_seconds, number, output},
    sample::{Figure, Sample},
};

/// One pace.
#[derive(Debug)]
pub(super) struct Row {
    connections: u16,
    window: u16,
    /// CPU seconds per million reports, over all servers.
    pub(super) cost: Sample,
    /// Reports a second, given to one server.
    rate: Sample,
    /// Milliseconds from the last reply until everybody knows.
    pub(super) settled: Sample,
}

/// At 1,000 in flight, and in batches of 16.
///
/// # Errors
/// The herd does not start, or does not agree.
pub(super) fn measure(options: &Options) -> anyhow::Result<[Row; 2]> {
    let row = |connections, window| Row {
        connections,
        window,
        cost: Sample::default(),
        rate: Sample::default(),
        settled: Sample::default(),
    };
    let mut rows = [row(1, 1000), row(50, 16)];
    let five = Five::start()?;
    pour(options, &five, 4, 1000, true)?;
    for round in 1..=options.rounds {
        println!("   round {round} of {}", options.rounds);
        for row in &mut rows {
            let before = used(&five)?;
            let found = pour(options, &five, row.connections, row.window, false)?;
            let requests = number(&found, "requests")?;
            row.cost.add((used(&five)? - before) / requests * 1e6);
            row.rate.add(requests / number(&found, "seconds")?);
            row.settled.add(number(&found, "settled_ms")?);
        }
    }
    Ok(rows)
}

fn used(five: &Five) -> anyhow::Result<f64> {
    five.ids()?.into_iter().map(cpu_seconds).sum()
}

fn pour(
    options: &Options,
    five: &Five,
    connections: u16,
    window: u16,
    fills: bool,
) -> anyhow::Result<String> {
    let mut addresses = five.addresses.iter().map(ToString::to_string);
    let origin = addresses.next().unwrap_or_default();
    let mut command = rig(&["pour", &origin, "--others", &addresses.collect::<Vec<_>>().join(",")]);
    command.args(["--connections", &connections.to_string(), "--window", &window.to_string()]);
    command.args(["--clients", &options.clients.to_string(), "--seconds", &options.seconds.to_string()]);
    if fills {
        command.arg("--fill");
    }
    output(&command)
}

/// As Markdown.
pub(super) fn print(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        format!(
            "| {} x {} | {} | {} | {:.0} % | {} |\n",
            row.connections,
            row.window,
            Figure(row.rate.median()),
            Figure(row.cost.median()),
            row.cost.spread() * 100.0,
            Figure(row.settled.median()),
        )
    });
    format!(
        "\nFive servers of the default preset, every report to the first, every server applying every report; log off, \
         servers on both cores:\n\n\
         | connections x window | reports/s | CPU-s/M, all five | spread | last report everywhere, ms after its reply |\n\
         |---|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}
