//! Questions at even times to one server on both cores, out of the same index as in `whatsat`: how long the answers take,
//! counted from when each question was due. `herd load` asks, on the same cores.

use anyhow::Context;

use super::{
    Options,
    herds::{herd, with_places},
    process::{Core, output_on},
    sample::{Figure, Sample},
    whatsat,
};

/// Questions a second: half of what two cores are to answer.
const RATE: u32 = 50_000;

/// What was found; milliseconds.
#[derive(Debug, Default)]
pub(super) struct Questions {
    pub(super) p99: Sample,
    p50: Sample,
}

/// # Errors
/// The index cannot be made, or the server does not answer.
pub(super) fn measure(options: &Options) -> anyhow::Result<Questions> {
    let server = with_places(&whatsat::index()?, Core::Any)?;
    let (address, clients) = (server.address.to_string(), options.clients.to_string());
    let (rate, duration) = (RATE.to_string(), format!("{:.0}ms", options.seconds * 1e3));
    let asks =
        ["--whatsat", "100", "--radius", "50", "--bound", "20", "--rate", &rate, "--duration", &duration];
    let command = herd(
        &[&["load", &address, "--json", "--connections", "50", "--clients", &clients], &asks[..]].concat(),
    );
    let mut found = Questions::default();
    for round in 0..=options.rounds {
        println!("   round {round} of {}{}", options.rounds, if round == 0 { " (not counted)" } else { "" });
        let told = output_on(Core::Any, &command)?;
        // The first round maps the index into memory.
        if round > 0 {
            found.p50.add(latency_us(&told, "p50")? / 1e3);
            found.p99.add(latency_us(&told, "p99")? / 1e3);
        }
    }
    Ok(found)
}

/// A percentile of what `herd load --json` tells.
fn latency_us(json: &str, key: &str) -> anyhow::Result<f64> {
    let found = || {
        let latencies = json.split_once("\"latency_us\":{")?.1.split('}').next()?;
        let value = latencies.split_once(&format!("\"{key}\":"))?.1;
        value.split(',').next()?.parse().ok()
    };
    found().with_context(|| format!("no {key} in {json:?}"))
}

impl Questions {
    /// As Markdown.
    pub(super) fn print(&self) -> String {
        format!(
            "\nThe same questions at even times, {} a second (open loop), server and generator on both cores: p50 {} ms, \
             p99 {} ms (spread {:.0} %), from when each was due.\n",
            Figure(RATE.into()),
            Figure(self.p50.median()),
            Figure(self.p99.median()),
            self.p99.spread() * 100.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_that_of_the_answers() {
        let json =
            r#"{"lateness_us":{"p50":9.0},"latency_us":{"p50":138.2,"p90":1.5,"max":2.5},"missing":0}"#;
        assert_eq!(latency_us(json, "p50").unwrap(), 138.2);
        assert_eq!(latency_us(json, "p90").unwrap(), 1.5);
        assert!(latency_us(json, "p99").is_err());
    }
}
