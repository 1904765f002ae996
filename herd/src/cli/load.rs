//! `herd load`: what to send as options, progress for a person, the outcome as text or JSON.

use std::{
    io::{self, IsTerminal, Write},
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::builder::RangedU64ValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Failure;
use crate::{
    config::quantity,
    load::{
        self, End, Outcome, Plan,
        crowd::{CrowdPlan, id_bytes_min},
        histogram::Histogram,
    },
};

/// How long a run is if nothing says so.
const DURATION: Duration = Duration::from_secs(10);
/// Requests in flight while clients are made known before a run.
const FILL_WINDOW: usize = 1000;
/// Most connections: as many as a process may have files open on large systems.
const CONNECTIONS_MAX: u64 = 1 << 20;
/// Most requests in flight on a connection: with their texts 100 MiB.
const WINDOW_MAX: u64 = 1 << 20;
/// Longest ID: what fits a line with the rest of the request.
const ID_BYTES_MAX: u64 = 65_000;

/// Arguments of `herd load`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The servers, for example 127.0.0.1:12000; they share the connections
    #[arg(required = true, value_name = "ADDR")]
    servers: Vec<String>,
    /// Connections in all
    #[arg(long, short, value_name = "C", default_value_t = 50, value_parser = at_least_one(CONNECTIONS_MAX))]
    connections: u64,
    /// Requests sent at once on each connection; the next when all are answered
    #[arg(long, short, value_name = "W", default_value_t = 1, value_parser = at_least_one(WINDOW_MAX))]
    window: u64,
    /// Requests a second in all, whether the servers keep up or not [default: as fast as they answer]
    #[arg(long, short, value_name = "R", conflicts_with = "window", value_parser = rate)]
    rate: Option<f64>,
    /// How long, for example 30s or 5m [default: 10s]
    #[arg(long, short, value_name = "S", conflicts_with = "requests", value_parser = quantity::parse_span)]
    duration: Option<Duration>,
    /// How many requests
    #[arg(long, short = 'n', value_name = "N", value_parser = at_least_one(u64::MAX))]
    requests: Option<u64>,
    /// Made-up clients; each request is of one of them by chance
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,
    /// Length of their IDs
    #[arg(long, value_name = "B", default_value_t = 20, value_parser = at_least_one(ID_BYTES_MAX))]
    id_bytes: u64,
    /// One report of every client first, which is not measured
    #[arg(long)]
    fill: bool,
    /// Compare every reply word for word [default: one in 97]
    #[arg(long)]
    verify: bool,
    /// Without any reply for so long those that are out count as missing
    #[arg(long, value_name = "S", default_value = "10s", value_parser = quantity::parse_span)]
    patience: Duration,
    /// Threads
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// A server's process on this machine, to tell its CPU time as well; may be repeated
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pid: Vec<u32>,
    /// What chance follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Of so many replies one is compared: a prime, so that it is no window's same place each time.
const SAMPLE_EVERY: u32 = 97;

fn at_least_one(max: u64) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=max)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (1e-3..=1e9).contains(&rate) { Ok(rate) } else { Err("expected 0.001 to 1000000000".to_owned()) }
}

/// Runs `herd load`.
///
/// # Errors
/// A server cannot be reached, or replies are missing or wrong.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let plan = args.plan()?;
    if args.fill {
        let crowd = CrowdPlan { is_in_order: true, questions_percent: 0, ..plan.crowd };
        let end = End::Requests(plan.crowd.clients.into());
        let fill = Plan { crowd, end, rate: None, window: FILL_WINDOW, pids: Vec::new(), ..plan.clone() };
        check(&watched(&fill, "fill")?)?;
    }
    let outcome = watched(&plan, "load")?;
    let mut out = io::stdout().lock();
    let summary = Summary::new(&plan, &outcome);
    if args.json {
        let json = serde_json::to_string(&summary).context("JSON")?;
        writeln!(out, "{json}")?;
    } else {
        summary.print(&mut out)?;
    }
    check(&outcome)
}

impl Args {
    fn plan(&self) -> Result<Plan, Failure> {
        let id_bytes = usize::try_from(self.id_bytes).unwrap_or(usize::MAX);
        let least = id_bytes_min(self.clients);
        if id_bytes < least {
            let clients = self.clients;
            return Err(Failure::Wrong(anyhow!(
                "{clients} clients need IDs of {least} bytes, not {id_bytes}"
            )));
        }
        let connections = usize::try_from(self.connections).unwrap_or(usize::MAX);
        Ok(Plan {
            servers: self.servers.iter().map(|server| resolve(server)).collect::<Result<_, _>>()?,
            connections,
            window: usize::try_from(self.window).unwrap_or(usize::MAX),
            rate: self.rate,
            end: match self.requests {
                Some(count) => End::Requests(count),
                None => End::After(self.duration.unwrap_or(DURATION)),
            },
            crowd: CrowdPlan {
                clients: self.clients,
                id_bytes,
                questions_percent: 0,
                question: (10, 5),
                seed: self.seed,
                is_in_order: false,
            },
            sample_every: if self.verify { 1 } else { SAMPLE_EVERY },
            patience: self.patience,
            threads: self.threads.min(u32::try_from(connections).unwrap_or(u32::MAX)).min(self.clients),
            pids: self.pid.clone(),
        })
    }
}

fn resolve(server: &str) -> Result<SocketAddr, Failure> {
    let example = "expected an address such as 127.0.0.1:12000";
    let mut found = server
        .to_socket_addrs()
        .map_err(|error| Failure::Wrong(anyhow!("{example}, found {server:?}: {error}")))?;
    found.next().ok_or_else(|| Failure::AtWork(anyhow!("{server} has no address")))
}

/// Runs, with a progress bar if a person looks at standard error.
fn watched(plan: &Plan, what: &'static str) -> Result<Outcome, Failure> {
    let bar = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let End::Requests(count) = plan.end {
        bar.set_length(count);
    }
    let style = "{msg} {elapsed} {human_pos} replies, {per_sec}";
    bar.set_style(ProgressStyle::with_template(style).context("progress bar")?);
    bar.set_message(what);
    let outcome = load::run(plan, &|answered| bar.set_position(answered));
    bar.finish_and_clear();
    outcome.map_err(|error| Failure::AtWork(error.into()))
}

/// Whether all replies came and were right.
fn check(outcome: &Outcome) -> Result<(), Failure> {
    let tally = &outcome.tally;
    if tally.wrong == 0 && tally.missing == 0 {
        return Ok(());
    }
    let fault = tally.first_fault.clone().unwrap_or_default();
    Err(Failure::AtWork(anyhow!("{} replies missing, {} wrong: {fault}", tally.missing, tally.wrong)))
}

/// The outcome as it is told; names and units are a promise.
#[derive(Debug, Serialize)]
struct Summary {
    servers: Vec<SocketAddr>,
    connections: usize,
    window: Option<usize>,
    rate: Option<f64>,
    clients: u32,
    replies: u64,
    compared: u64,
    wrong: u64,
    missing: u64,
    seconds: f64,
    replies_per_second: f64,
    latency_us: Percentiles,
    /// How late the generator itself was, in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness_us: Option<Percentiles>,
    /// CPU-seconds per million replies.
    cpu_s_per_million: f64,
    /// Likewise, of all processes asked about together.
    #[serde(skip_serializing_if = "Option::is_none")]
    servers_cpu_s_per_million: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    processes: Vec<ProcessCpu>,
}

#[derive(Debug, Serialize)]
struct ProcessCpu {
    pid: u32,
    /// None if the process or its figure is not there.
    cpu_s_per_million: Option<f64>,
}

/// Microseconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Percentiles {
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
    fn new(histogram: &Histogram) -> Self {
        let at = |per_mille| histogram.percentile(per_mille) as f64 / 1e3;
        Self { p50: at(500), p90: at(900), p99: at(990), p999: at(999), max: histogram.max() as f64 / 1e3 }
    }

    fn print(&self, out: &mut impl Write, what: &str) -> io::Result<()> {
        let Self { p50, p90, p99, p999, max } = self;
        writeln!(out, "{what:<9} p50 {p50:.1} us, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1}")
    }
}

impl Summary {
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let tally = &outcome.tally;
        let seconds = outcome.took as f64 / 1e9;
        // Nanoseconds over replies are milliseconds over millions.
        let per_million = |cpu: u64| cpu as f64 / 1e3 / tally.answered.max(1) as f64;
        let known: Option<Vec<u64>> = outcome.cpu_of.iter().map(|(_, cpu)| *cpu).collect();
        Self {
            servers: plan.servers.clone(),
            connections: plan.connections,
            window: plan.rate.is_none().then_some(plan.window),
            rate: plan.rate,
            clients: plan.crowd.clients,
            replies: tally.answered,
            compared: tally.compared,
            wrong: tally.wrong,
            missing: tally.missing,
            seconds,
            replies_per_second: if seconds > 0.0 { tally.answered as f64 / seconds } else { 0.0 },
            latency_us: Percentiles::new(&tally.latency),
            lateness_us: plan.rate.map(|_| Percentiles::new(&tally.lateness)),
            cpu_s_per_million: per_million(outcome.cpu),
            servers_cpu_s_per_million: known
                .filter(|all| !all.is_empty())
                .map(|all| per_million(all.iter().sum())),
            processes: outcome
                .cpu_of
                .iter()
                .map(|&(pid, cpu)| ProcessCpu { pid, cpu_s_per_million: cpu.map(per_million) })
                .collect(),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { connections, replies, seconds, replies_per_second, compared, wrong, missing, .. } = self;
        let how = match (self.rate, self.window) {
            (Some(rate), _) => format!("{rate} requests a second"),
            (None, window) => format!("window {}", window.unwrap_or_default()),
        };
        writeln!(out, "{connections} connections, {how}, {} clients", self.clients)?;
        writeln!(out, "replies   {replies} in {seconds:.3} s, {replies_per_second:.0} a second")?;
        writeln!(out, "checked   {compared} word for word, {wrong} wrong, {missing} missing")?;
        self.latency_us.print(out, "latency")?;
        if let Some(lateness) = &self.lateness_us {
            lateness.print(out, "lateness")?;
        }
        writeln!(out, "cpu       {:.4} s per million here", self.cpu_s_per_million)?;
        for ProcessCpu { pid, cpu_s_per_million: cpu } in &self.processes {
            match cpu {
                Some(cpu) => writeln!(out, "cpu       {cpu:.4} s per million, process {pid}")?,
                None => writeln!(out, "cpu       not known, process {pid}")?,
            }
        }
        Ok(())
    }
}
