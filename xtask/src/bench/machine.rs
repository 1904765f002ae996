//! Where it was measured: the machine, what else it did meanwhile, and the versions of all that took part.

use std::fs;

use anyhow::Context;

use super::{nats, process::version};

/// CPU time of the whole machine, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Busy {
    used: f64,
    all: f64,
    own: f64,
}

impl Busy {
    /// Up to now: `own` seconds of it are this measurement's.
    ///
    /// # Errors
    /// The system keeps no such statistics.
    pub(super) fn now() -> anyhow::Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("no statistics of the machine")?;
        let line = text.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; in hundredths of a second.
        let fields = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
        let idle: f64 = ticks.iter().skip(3).take(2).sum();
        let all: f64 = ticks.iter().sum();
        Ok(Self { used: (all - idle) / 100.0, all: all / 100.0, own: own_seconds()? })
    }

    /// Cores that others kept busy from `earlier` to now, on average.
    pub(super) fn others_since(self, earlier: Self) -> f64 {
        let cores = std::thread::available_parallelism()
            .map_or(1.0, |cores| f64::from(u32::try_from(cores.get()).unwrap_or(u32::MAX)));
        let seconds = (self.all - earlier.all) / cores;
        let others = (self.used - earlier.used) - (self.own - earlier.own);
        if seconds > 0.0 { (others / seconds).max(0.0) } else { 0.0 }
    }
}

/// What this process and its children that ended have used.
fn own_seconds() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/self/stat").context("no statistics of this process")?;
    // The command's name, which may hold anything, ends with the last parenthesis; utime is the 12th field after it.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(4);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

/// The machine as a line of text.
pub(super) fn description() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
            .unwrap_or_else(|| "unknown".to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kib: f64 =
        value(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    format!(
        "{cores} cores, {}, {:.0} GiB, Linux {}, TCP {}",
        value(&read("/proc/cpuinfo"), "model name"),
        kib / 1024.0 / 1024.0,
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/sys/net/ipv4/tcp_congestion_control").trim(),
    )
}

/// What took part, by the first line that each prints of itself.
pub(super) fn versions() -> String {
    let asked: [(&str, &[&str]); 7] = [
        ("git", &["describe", "--always", "--dirty"]),
        ("rustc", &["--version"]),
        ("redis-server", &["--version"]),
        (nats::PROGRAM, &["--version"]),
        ("python3", &["--version"]),
        ("node", &["--version"]),
        ("java", &["-version"]),
    ];
    let told = |(program, arguments): (&str, &[&str])| {
        let line = version(program, arguments).ok()?;
        Some(match program {
            "git" => format!("herd {line}"),
            "node" => format!("Node.js {line}"),
            "redis-server" => line.split(" sha=").next()?.to_owned(),
            _ => line,
        })
    };
    let twisted =
        fs::read_to_string(crate::root().join("bench/twisted/requirements.txt")).unwrap_or_default();
    let mut versions: Vec<String> = asked.into_iter().filter_map(told).collect();
    versions.push(twisted.trim().replace("==", " "));
    versions.join("; ")
}
