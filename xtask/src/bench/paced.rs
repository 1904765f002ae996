//! Reports at their time to one of five servers, and how late each is in the hands of a neighbour of another.

use super::{
    Options,
    contender::rig,
    process::{Core, number, output, output_on},
    sample::{Figure, Sample},
    shape::{Shape, Shaped},
};

/// Reports a second.
pub(super) const RATES: [u32; 3] = [1_000, 10_000, 200_000];
/// The servers where reports come out, by their number in the default preset, and how many hops from the first.
const EXITS: [(usize, &str, u8); 2] = [(2, "Holiday", 1), (3, "Welsh", 2)];

/// One rate, to one exit; microseconds.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) hops: u8,
    pub(super) rate: u32,
    pub(super) p50: Sample,
    pub(super) p99: Sample,
    /// How late reports were sent.
    sent_late: Sample,
    /// Reports that did not arrive, over all rounds.
    missing: f64,
}

/// # Errors
/// The herd does not start, or does not answer.
pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let five = Shaped::start(&Shape::five(&EXITS.map(|(server, ..)| server)), Core::Any)?;
    let addresses: Vec<String> = five.addresses().iter().map(ToString::to_string).collect();
    let Some((into, others)) = addresses.split_first() else { return Ok(Vec::new()) };
    let clients = options.clients.to_string();
    let fill = ["pour", into, "--others", &others.join(","), "--clients", &clients, "--fill"];
    output(&rig(&[&fill[..], &["--connections", "4", "--window", "1000"]].concat()))?;
    let mut rows = Vec::new();
    for (server, name, hops) in EXITS {
        let Some(from) = five.peers.get(server) else { continue };
        for rate in RATES {
            println!("   {hops} hops, {rate} a second");
            let mut row = Row::new(hops, rate);
            for _ in 0..options.rounds {
                let mut paced = rig(&["paced", into, name, &from.to_string(), "--clients", &clients]);
                paced.args(["--rate", &rate.to_string(), "--seconds", &options.seconds.to_string()]);
                row.add(&output_on(Core::Any, &paced)?)?;
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

impl Row {
    fn new(hops: u8, rate: u32) -> Self {
        let [p50, p99, sent_late] = [(); 3].map(|()| Sample::default());
        Self { hops, rate, p50, p99, sent_late, missing: 0.0 }
    }

    fn add(&mut self, found: &str) -> anyhow::Result<()> {
        self.p50.add(number(found, "p50_us")?);
        self.p99.add(number(found, "p99_us")?);
        self.sent_late.add(number(found, "sent_late_p99_us")?);
        self.missing += number(found, "missing")?;
        Ok(())
    }
}

/// As Markdown.
pub(super) fn print(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        format!(
            "| {} | {} | {} | {:.0} % | {} | {} | {} |\n",
            row.hops,
            Figure(row.rate.into()),
            Figure(row.p50.median()),
            row.p50.spread() * 100.0,
            Figure(row.p99.median()),
            Figure(row.sent_late.median()),
            row.missing,
        )
    });
    format!(
        "\nThe same five, reports due at even times (open loop), from when a report was due at the first server to the \
         socket of a neighbour of another; log off, everything on both cores:\n\n\
         | hops | reports/s | p50 us | spread | p99 us | of which sent late, p99 us | lost |\n\
         |---|---|---|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}
