//! Questions to one server: 20 places within 50 km of a random client, from an index of made-up places, and from the cache
//! of what a provider said.
//!
//! The index is made once and kept in `target/bench`.

use std::path::PathBuf;

use super::{
    Options,
    contender::{Server, rig, workshop},
    herds::{herd, with_places, with_provider},
    process::{Core, Process, cpu_seconds, number, output},
    sample::{Figure, Sample},
};

/// Places in the index.
const PLACES: u64 = 1_000_000;

/// Places in which the clients are that ask what the server has in its cache.
const SPOTS: &str = "1000";

/// What was found.
#[derive(Debug)]
pub(super) struct Whatsat {
    from_index: Cost,
    from_cache: Cost,
}

/// What questions cost.
#[derive(Debug, Default)]
struct Cost {
    /// CPU seconds per million questions.
    cpu: Sample,
    /// Questions a second on one core.
    rate: Sample,
}

/// # Errors
/// The index cannot be made, or a server does not answer.
pub(super) fn measure(options: &Options) -> anyhow::Result<Whatsat> {
    println!("   from an index");
    let from_index = Cost::measure(options, &with_places(&index()?, Core::Server)?, &[])?;
    println!("   from the cache");
    let mut provider = Process::start("provider", &rig(&["provider"]), Core::Generator)?;
    let address = provider.announced(|line| line.rsplit(' ').next()?.parse().ok())?;
    let from_cache = Cost::measure(options, &with_provider(address)?, &["--spots", SPOTS])?;
    Ok(Whatsat { from_index, from_cache })
}

impl Cost {
    /// What it costs a `server` to be asked by clients that are in `places`.
    fn measure(options: &Options, server: &Server, places: &[&str]) -> anyhow::Result<Self> {
        let (address, clients) = (server.address.to_string(), options.clients.to_string());
        let pour = |how: &[&str]| {
            let mut command = rig(&["pour", &address, "--clients", &clients]);
            output(command.args(["--seconds", &options.seconds.to_string()]).args(how))
        };
        pour(&[&["--fill", "--connections", "4", "--window", "1000"], places].concat())?;
        let mut found = Self::default();
        for round in 0..=options.rounds {
            let before = cpu_seconds(server.process.id())?;
            let told = pour(&["--language", "whatsat", "--connections", "50", "--window", "16"])?;
            let used = cpu_seconds(server.process.id())? - before;
            // The first round maps the index into memory, or fills the cache.
            if round > 0 {
                found.cpu.add(used / number(&told, "requests")? * 1e6);
                found.rate.add(number(&told, "requests")? / number(&told, "seconds")?);
            }
        }
        Ok(found)
    }

    /// Questions a second if two cores did nothing else.
    fn rate_on_two_cores(&self) -> f64 {
        2e6 / self.cpu.median()
    }

    fn print(&self) -> String {
        format!(
            "{} questions/s on one core, {} CPU-s/M (spread {:.0} %)",
            Figure(self.rate.median()),
            Figure(self.cpu.median()),
            self.cpu.spread() * 100.0,
        )
    }
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
    /// Questions a second if two cores did nothing else: out of the index, and out of the cache.
    pub(super) fn rates_on_two_cores(&self) -> [f64; 2] {
        [&self.from_index, &self.from_cache].map(Cost::rate_on_two_cores)
    }

    /// As Markdown.
    pub(super) fn print(&self) -> String {
        format!(
            "\nWHATSAT, 20 places within 50 km, 50 connections, 16 at a time, log off. Out of 1,000,000 places all over the \
             world: {}. Out of the cache, clients in {SPOTS} places, a provider that answers at once with 20 places of 1.2 KB \
             each: {}.\n",
            self.from_index.print(),
            self.from_cache.print(),
        )
    }
}
