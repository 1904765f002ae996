//! Reports to one server: every contender under the same load, in turn, round after round.
//!
//! All of them run all the time, each on the same core; those that are not asked have nothing to do. So whatever else
//! the machine does befalls all alike.

use super::{
    Options,
    absences::Absences,
    contender::{Contender, Server, rig},
    process::{cpu_seconds, number, output},
    sample::{Figure, Sample},
};

/// How many at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) connections: u16,
    pub(super) window: u16,
}

/// The loads of the table.
pub(super) const LOADS: [Load; 3] = [
    Load { connections: 50, window: 1 },
    Load { connections: 50, window: 16 },
    Load { connections: 4, window: 1000 },
];

/// One contender under one load.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// CPU seconds of the server per million requests.
    pub(super) cost: Sample,
    /// Of the generator likewise.
    pub(super) own_cost: Sample,
    /// Requests a second.
    pub(super) rate: Sample,
    /// Of a batch, in microseconds.
    pub(super) p50: Sample,
    pub(super) p99: Sample,
}

/// All contenders under all loads.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<(Contender, [Cell; LOADS.len()])>,
}

/// Measures `contenders`, which are prepared; who does not start or stops answering is left out from there on.
pub(super) fn measure(options: &Options, contenders: &[Contender], absences: &mut Absences) -> Table {
    let mut rows: Vec<(Contender, [Cell; LOADS.len()])> = Vec::new();
    let mut servers = Vec::new();
    for &contender in contenders {
        println!("   {}: {} clients report once", contender.name(), options.clients);
        if let Some(server) = absences.unless_failed(contender.name(), start(options, contender)) {
            servers.push(Some(server));
            rows.push((contender, Default::default()));
        }
    }
    for round in 0..=options.rounds {
        println!("   round {round} of {}{}", options.rounds, if round == 0 { " (not counted)" } else { "" });
        for (at, load) in LOADS.iter().enumerate() {
            for (held, (contender, cells)) in servers.iter_mut().zip(&mut rows) {
                let Some(server) = held else { continue };
                // Some compile while they run: what they do at first says nothing.
                let mut unused = Cell::default();
                let counted = cells.get_mut(at).filter(|_| round > 0).unwrap_or(&mut unused);
                let done = once(options, *contender, server, *load, counted);
                if absences.unless_failed(contender.name(), done).is_none() {
                    *held = None;
                }
            }
        }
    }
    let is_up = servers.iter().map(Option::is_some);
    Table { rows: rows.into_iter().zip(is_up).filter_map(|(row, is_up)| is_up.then_some(row)).collect() }
}

fn start(options: &Options, contender: Contender) -> anyhow::Result<Server> {
    let server = contender.start("Solo", &[])?;
    pour(options, contender, &server, Load { connections: 4, window: 1000 }, true)?;
    Ok(server)
}

fn once(
    options: &Options,
    contender: Contender,
    server: &Server,
    load: Load,
    cell: &mut Cell,
) -> anyhow::Result<()> {
    let before = cpu_seconds(server.process.id())?;
    let found = pour(options, contender, server, load, false)?;
    let used = cpu_seconds(server.process.id())? - before;
    let millions = number(&found, "requests")? / 1e6;
    cell.cost.add(used / millions);
    cell.own_cost.add(number(&found, "cpu_seconds")? / millions);
    cell.rate.add(millions * 1e6 / number(&found, "seconds")?);
    cell.p50.add(number(&found, "p50_us")?);
    cell.p99.add(number(&found, "p99_us")?);
    Ok(())
}

fn pour(
    options: &Options,
    contender: Contender,
    server: &Server,
    load: Load,
    fills: bool,
) -> anyhow::Result<String> {
    let mut command = rig(&["pour", &server.address.to_string(), "--language", contender.language()]);
    command.args(["--connections", &load.connections.to_string(), "--window", &load.window.to_string()]);
    command.args(["--clients", &options.clients.to_string(), "--seconds", &options.seconds.to_string()]);
    if fills {
        command.arg("--fill");
    }
    output(&command)
}

impl Table {
    /// A contender's cell; `None` if it was not measured.
    pub(super) fn cell(&self, contender: Contender, load: usize) -> Option<&Cell> {
        self.rows.iter().find(|(other, _)| *other == contender)?.1.get(load)
    }

    /// How many times what `other` costs `contender` costs.
    pub(super) fn ratio(&self, contender: Contender, other: Contender, load: usize) -> Option<f64> {
        let (one, other) = (self.cell(contender, load)?, self.cell(other, load)?);
        Some(one.cost.median() / other.cost.median())
    }

    /// One table for each load, as Markdown.
    pub(super) fn print(&self) -> String {
        (0..LOADS.len()).map(|load| self.print_load(load)).collect()
    }

    fn print_load(&self, load: usize) -> String {
        let Some(Load { connections, window }) = LOADS.get(load) else { return String::new() };
        let pace = if *window == 1 { "one at a time".to_owned() } else { format!("{window} at a time") };
        let header = "| | requests/s | server CPU-s/M | spread | times the floor | p50 us | p99 us | generator CPU-s/M |\n\
                      |---|---|---|---|---|---|---|---|\n";
        let rows = self.rows.iter().filter_map(|(contender, cells)| {
            let cell = cells.get(load)?;
            let floor = self.ratio(*contender, Contender::Echo, load);
            Some(format!(
                "| {} | {} | {} | {:.0} % | {} | {} | {} | {} |\n",
                contender.title(),
                Figure(cell.rate.median()),
                Figure(cell.cost.median()),
                cell.cost.spread() * 100.0,
                floor.map_or_else(|| "-".to_owned(), |ratio| Figure(ratio).to_string()),
                Figure(cell.p50.median()),
                Figure(cell.p99.median()),
                Figure(cell.own_cost.median()),
            ))
        });
        format!("\n{connections} connections, {pace}:\n\n{header}{}", rows.collect::<String>())
    }
}
