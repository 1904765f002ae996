//! Questions to one server: 20 places within 50 km of a random client, from an index of made-up places.
//!
//! The index is made once and kept in `target/bench`.

use std::path::PathBuf;

use super::{
    Options,
    contender::{rig, workshop},
    herds::{herd, with_places},
    process::{Core, cpu_seconds, number, output},
    sample::{Figure, Sample},
};

/// Places in the index.
const PLACES: u64 = 1_000_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Whatsat {
    /// CPU seconds per million questions.
    pub(super) cost: Sample,
    /// Questions a second on one core.
    rate: Sample,
}

/// # Errors
/// The index cannot be made, or the server does not answer.
pub(super) fn measure(options: &Options) -> anyhow::Result<Whatsat> {
    let server = with_places(&index()?, Core::Server)?;
    let address = server.address.to_string();
    let pour = |how: &[&str]| {
        let mut command = rig(&["pour", &address, "--clients", &options.clients.to_string()]);
        output(command.args(["--seconds", &options.seconds.to_string()]).args(how))
    };
    pour(&["--fill", "--connections", "4", "--window", "1000"])?;
    let mut found = Whatsat::default();
    for round in 0..=options.rounds {
        let before = cpu_seconds(server.process.id())?;
        let told = pour(&["--language", "whatsat", "--connections", "50", "--window", "16"])?;
        let used = cpu_seconds(server.process.id())? - before;
        // The first round maps the index into memory.
        if round > 0 {
            found.cost.add(used / number(&told, "requests")? * 1e6);
            found.rate.add(number(&told, "requests")? / number(&told, "seconds")?);
        }
    }
    Ok(found)
}

/// Where the index is, which is made if it is not there.
///
/// # Errors
/// It cannot be made.
pub(super) fn index() -> anyhow::Result<PathBuf> {
    let index = workshop()?.join("places.idx");
    if !index.exists() {
        let rows = workshop()?.join("places.tsv");
        output(&rig(&["places", &rows.to_string_lossy(), "--count", &PLACES.to_string()]))?;
        output(&herd(&["places", "import", &rows.to_string_lossy(), "-o", &index.to_string_lossy()]))?;
        std::fs::remove_file(rows)?;
    }
    Ok(index)
}

impl Whatsat {
    /// Questions a second if two cores did nothing else.
    pub(super) fn rate_on_two_cores(&self) -> f64 {
        2e6 / self.cost.median()
    }

    /// As Markdown.
    pub(super) fn print(&self) -> String {
        format!(
            "\nWHATSAT, 20 places within 50 km out of 1,000,000 all over the world, 50 connections, 16 at a time, log off: {} \
             questions/s on one core, {} CPU-s/M (spread {:.0} %).\n",
            Figure(self.rate.median()),
            Figure(self.cost.median()),
            self.cost.spread() * 100.0,
        )
    }
}
