//! What a report costs as the herd grows: with its clients, its servers, and the links of each.
//!
//! The one thing to know: the herds of different sizes run one after the other, not in turn, for they would not fit
//! beside each other; servers with more clients do.

use std::fs;

use anyhow::Context;

use super::{
    Options,
    contender::{rig, workshop},
    footprint::precise,
    herds::{self, Keeps},
    plot::Plot,
    process::{Core, cpu_seconds, number, output},
    sample::{Figure, Sample},
    shape::{Shape, Shaped},
};

/// Clients of a herd of several servers: each server has them all.
const CLIENTS: u64 = 100_000;
/// Servers of the herds in which each has the same number of links.
const MESH: usize = 10;
/// In flight: `connections`, `window`.
const FLOOD: (u16, u16) = (1, 1000);
const BATCHES: (u16, u16) = (50, 16);

/// One picture, and the table beneath it.
#[derive(Debug)]
pub(super) struct Curve {
    /// Its file's name.
    name: &'static str,
    title: &'static str,
    x: &'static str,
    lines: Vec<Line>,
}

/// CPU seconds per million reports by what is on the horizontal axis.
#[derive(Debug)]
struct Line {
    name: String,
    points: Vec<(f64, Sample)>,
}

/// # Errors
/// A server does not start, or does not answer.
pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Curve>> {
    Ok(vec![of_clients(options)?, of_servers(options)?, of_links(options)?])
}

/// One server on a core of its own: all sizes are up at once and asked in turn.
fn of_clients(options: &Options) -> anyhow::Result<Curve> {
    let mut lines = [(4, 1000), BATCHES].map(|load| (load, Vec::<(f64, Sample)>::new()));
    let mut servers = Vec::new();
    for clients in [options.clients / 100, options.clients / 10, options.clients, options.clients * 10] {
        println!("   {clients} clients");
        let server = herds::solo_called(&format!("clients-{clients}"), Keeps::Nothing)?;
        let address = server.address.to_string();
        output(rig(&["pour", &address]).args(load(4, 1000)).args([
            "--fill",
            "--clients",
            &clients.to_string(),
        ]))?;
        for (_, points) in &mut lines {
            points.push((precise(clients), Sample::default()));
        }
        servers.push((clients, server));
    }
    for _ in 0..options.rounds {
        for ((connections, window), points) in &mut lines {
            for ((clients, server), (_, sample)) in servers.iter().zip(points) {
                let id = server.process.id();
                let before = cpu_seconds(id)?;
                let mut pour = rig(&["pour", &server.address.to_string(), "--clients", &clients.to_string()]);
                pour.args(load(*connections, *window)).args(["--seconds", &options.seconds.to_string()]);
                let requests = number(&output(&pour)?, "requests")?;
                sample.add((cpu_seconds(id)? - before) / requests * 1e6);
            }
        }
    }
    let lines = lines.map(|((connections, window), points)| Line {
        name: format!("{connections} x {window}, one server"),
        points,
    });
    Ok(Curve {
        name: "clients",
        title: "Cost of a report by number of clients",
        x: "clients in the table",
        lines: lines.into(),
    })
}

/// A line of servers, on both cores: what each of them spends on a report that the first was given.
fn of_servers(options: &Options) -> anyhow::Result<Curve> {
    let lines = growing(options, &[2, 5, 10, 20], &|count| (Shape::line(count), count), &[FLOOD, BATCHES])?;
    Ok(Curve {
        name: "servers",
        title: "Cost of a report, per server, by number of servers in a line",
        x: "servers, each of which applies every report",
        lines,
    })
}

/// A star, of which only the middle counts, and herds in which every server has as many links.
fn of_links(options: &Options) -> anyhow::Result<Curve> {
    let star = growing(options, &[1, 2, 4, 8], &|links| (Shape::star(links), 1), &[FLOOD])?;
    let mesh = growing(options, &[2, 3, 4, 6, 8], &|links| (Shape::mesh(MESH, links), MESH), &[FLOOD])?;
    let named = |name: &str, lines: Vec<Line>| {
        let name = name.to_owned();
        lines.into_iter().map(move |line| Line { name: format!("{name}, {}", line.name), ..line })
    };
    let lines = named("middle of a star", star).chain(named("each of ten", mesh)).collect();
    Ok(Curve {
        name: "links",
        title: "Cost of a report, per server, by links per server",
        x: "links per server",
        lines,
    })
}

/// The mean cost over the first servers of each shape, of which there are so many, at each load.
fn growing(
    options: &Options,
    sizes: &[usize],
    shape: &dyn Fn(usize) -> (Shape, usize),
    loads: &[(u16, u16)],
) -> anyhow::Result<Vec<Line>> {
    let line = |(connections, window): &(u16, u16)| Line {
        name: format!("{connections} x {window}"),
        points: Vec::new(),
    };
    let mut lines: Vec<Line> = loads.iter().map(line).collect();
    for &size in sizes {
        let (shape, counted) = shape(size);
        println!("   {}", shape.name);
        let herd = Shaped::start(&shape, Core::Any)?;
        pour(options, &herd, FLOOD, true)?;
        for (&load, line) in loads.iter().zip(&mut lines) {
            let mut sample = Sample::default();
            for _ in 0..options.rounds {
                let before = herd.used()?;
                let requests = number(&pour(options, &herd, load, false)?, "requests")?;
                let used = herd.used()?.into_iter().zip(before).take(counted);
                let used: f64 = used.map(|(after, before)| after - before).sum();
                sample.add(used / precise(u64::try_from(counted)?) / requests * 1e6);
            }
            line.points.push((precise(u64::try_from(size)?), sample));
        }
    }
    Ok(lines)
}

/// Reports to the first server, until all have heard of the last.
fn pour(
    options: &Options,
    herd: &Shaped,
    (connections, window): (u16, u16),
    fills: bool,
) -> anyhow::Result<String> {
    let addresses: Vec<String> = herd.addresses().iter().map(ToString::to_string).collect();
    let (first, others) = addresses.split_first().context("a herd without servers")?;
    let mut command = rig(&["pour", first, "--others", &others.join(",")]);
    command.args(load(connections, window)).args(["--clients", &CLIENTS.min(options.clients).to_string()]);
    command.args(["--seconds", &options.seconds.to_string()]);
    if fills {
        command.arg("--fill");
    }
    output(&command)
}

fn load(connections: u16, window: u16) -> [String; 4] {
    ["--connections".to_owned(), connections.to_string(), "--window".to_owned(), window.to_string()]
}

/// Writes the pictures: where a whole run's are shown, or beside what else a run leaves.
///
/// # Errors
/// There is no room for them.
pub(super) fn draw(curves: &[Curve], is_whole: bool) -> anyhow::Result<()> {
    let folder = if is_whole { crate::root().join("docs/performance") } else { workshop()? };
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for curve in curves {
        let file = folder.join(format!("{}.svg", curve.name));
        fs::write(&file, curve.plot().svg()).with_context(|| format!("cannot write {}", file.display()))?;
        println!("   {}", file.display());
    }
    Ok(())
}

/// As Markdown.
pub(super) fn print(curves: &[Curve]) -> String {
    curves.iter().map(Curve::print).collect()
}

impl Curve {
    fn plot(&self) -> Plot<'_> {
        let line = |line: &'_ Line| line.points.iter().map(|(x, sample)| (*x, sample.median())).collect();
        Plot {
            title: self.title,
            x: self.x,
            y: "CPU seconds per million reports",
            lines: self.lines.iter().map(|of| (of.name.as_str(), line(of))).collect(),
        }
    }

    fn print(&self) -> String {
        let Self { name, title, x, lines } = self;
        let rows = lines.iter().flat_map(|line| line.points.iter().map(move |point| (&line.name, point)));
        let rows = rows.map(|(name, (x, sample))| {
            let spread = sample.spread() * 100.0;
            format!("| {name} | {x} | {} | {spread:.0} % |\n", Figure(sample.median()))
        });
        format!(
            "\n{title} (connections x window; log off):\n\n![{title}](performance/{name}.svg)\n\n\
             | | {x} | CPU-s/M | spread |\n|---|---|---|---|\n{}",
            rows.collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_a_picture_and_its_numbers() {
        let points = [(10.0, [0.2, 0.3, 0.4]), (100.0, [0.4, 0.4, 0.4])];
        let points = points.map(|(x, values)| (x, values.into_iter().collect())).to_vec();
        let lines = vec![Line { name: "4 x 1000".to_owned(), points }];
        let curve = Curve { name: "clients", title: "Cost", x: "clients", lines };
        let text = curve.print();
        assert!(text.contains("![Cost](performance/clients.svg)"), "{text}");
        assert!(
            text.contains("| 4 x 1000 | 10 | 0.300 | 33 % |\n| 4 x 1000 | 100 | 0.400 | 0 % |\n"),
            "{text}"
        );
        assert_eq!(curve.plot().lines, [("4 x 1000", vec![(10.0, 0.3), (100.0, 0.4)])]);
    }
}
