//! `herd load`: what to send as options, progress for a person, the outcome as text or JSON.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use clap::builder::RangedU64ValueParser;
use herd_core::{limits::MESSAGES_BOUND_MAX, position::Location};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use super::{Failure, HerdArgs, complain, output::output};
use crate::{
    config::{Config, Preset, quantity},
    load::{
        self, End, Outcome, Plan, Traffic,
        across::{self, AcrossPlan, Crossing, Crossings},
        crowd::{CrowdPlan, id_bytes_min},
        summary::{AcrossSummary, LoadSummary},
        track::Tracks,
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
    /// Send recorded tracks instead: GPX, GeoLife (.plt) and OwnTracks (.rec), with their own places and times; behind the servers
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["rate", "clients", "id_bytes", "fill", "seed"])]
    replay: Vec<PathBuf>,
    /// So many times as fast as they happened [default: as fast as they are answered]
    #[arg(long, value_name = "X", requires = "replay", conflicts_with = "window", value_parser = rate)]
    speed: Option<f64>,
    /// Of 100 requests so many ask what is near a client; every client is made known first
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100), conflicts_with = "replay")]
    whatsat: u8,
    /// How far around they ask, in kilometres; of places up to 50
    #[arg(long, value_name = "KM", default_value_t = 10, requires = "whatsat")]
    radius: u32,
    /// How many they ask for; places up to 20
    #[arg(long, value_name = "N", default_value_t = 5, requires = "whatsat", value_parser = clap::value_parser!(u8).range(..=i64::from(MESSAGES_BOUND_MAX)))]
    bound: u8,
    /// Clients are within 50 km of this location, for example +34.068930-118.445127 [default: all over the globe]
    #[arg(long, value_name = "LOCATION", allow_hyphen_values = true, conflicts_with = "replay")]
    around: Option<String>,
    /// Measure how long reports to the first server take to these (commas between, or given again); load is then only what --rate asks for
    #[arg(long, value_name = "ADDR", value_delimiter = ',', conflicts_with_all = ["window", "requests", "replay", "whatsat"])]
    across: Vec<String>,
    /// One such report so often
    #[arg(long, value_name = "TIME", default_value = "10ms", requires = "across", value_parser = quantity::parse_span)]
    every: Duration,
    /// The herd that ships that these servers are, to tell hops
    #[arg(long, requires = "across")]
    preset: Option<Preset>,
    /// Likewise, by its configuration
    #[arg(long, value_name = "FILE", requires = "across", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// How long, for example 30s or 5m [default: 10s; with --replay until the last point]
    #[arg(long, short, value_name = "TIME", conflicts_with = "requests", value_parser = quantity::parse_span)]
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
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = quantity::parse_span)]
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

/// What is told, as one object.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    load: Option<LoadSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    across: Option<AcrossSummary>,
}

/// Runs `herd load`.
///
/// # Errors
/// A server cannot be reached, a file cannot be read, or replies are missing or wrong.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let plan = args.plan()?;
    let hops = args.hops()?;
    raise_file_limit();
    if let Traffic::Crowd { crowd, .. } = &plan.traffic
        && (args.fill || args.whatsat > 0)
    {
        let end = End::Requests(crowd.clients.into());
        let crowd = CrowdPlan { is_in_order: true, questions_percent: 0, ..*crowd };
        let traffic = Traffic::Crowd { crowd, rate: None };
        let fill = Plan { traffic, end, window: FILL_WINDOW, pids: Vec::new(), ..plan.clone() };
        check(&watched(&fill, "fill")?)?;
    }
    let (outcome, crossings) = args.measure(&plan)?;
    let told = Told {
        load: outcome.as_ref().map(|outcome| LoadSummary::new(&plan, outcome)),
        across: crossings.as_ref().map(|crossings| AcrossSummary::new(crossings, &hops)),
    };
    told.print(args.json)?;
    if args.preset.is_some() || args.config.is_some() {
        told.across.iter().flat_map(AcrossSummary::unlinked).for_each(|(from, to)| {
            complain(&format!("the configuration has no way from {from} to {to}: its hops are not known"));
        });
    }
    outcome.as_ref().map_or(Ok(()), check)?;
    crossings.as_ref().map_or(Ok(()), check_crossings)
}

impl Told {
    fn print(&self, is_json: bool) -> Result<(), Failure> {
        let mut out = output();
        if is_json {
            writeln!(out, "{}", serde_json::to_string(self).context("JSON")?)?;
            return Ok(());
        }
        if let Some(load) = &self.load {
            write!(out, "{load}")?;
        }
        if let Some(across) = &self.across {
            write!(out, "{across}")?;
        }
        Ok(())
    }
}

impl Args {
    fn plan(&self) -> Result<Plan, Failure> {
        if let (false, None, Some(second)) = (self.across.is_empty(), self.rate, self.servers.get(1)) {
            return Err(Failure::Wrong(anyhow!(
                "--across puts load on servers only with --rate, and takes several with commas between, found {second:?}"
            )));
        }
        let traffic = self.traffic()?;
        let connections = usize::try_from(self.connections).unwrap_or(usize::MAX);
        let clients = match &traffic {
            Traffic::Crowd { crowd, .. } => crowd.clients,
            Traffic::Replay { tracks, .. } => u32::try_from(tracks.clients()).unwrap_or(u32::MAX),
        };
        let end = match (self.requests, self.duration) {
            (Some(count), _) => End::Requests(count),
            (None, Some(duration)) => End::After(duration),
            (None, None) if self.replay.is_empty() => End::After(DURATION),
            (None, None) => End::Requests(u64::MAX),
        };
        Ok(Plan {
            servers: self.servers.iter().map(|server| resolve(server)).collect::<Result<_, _>>()?,
            connections,
            window: usize::try_from(self.window).unwrap_or(usize::MAX),
            end,
            traffic,
            sample_every: if self.verify { 1 } else { SAMPLE_EVERY },
            patience: self.patience,
            threads: self.threads.min(u32::try_from(connections).unwrap_or(u32::MAX)).min(clients),
            pids: self.pid.clone(),
            stop: ending()?,
        })
    }

    /// What to send, and when.
    fn traffic(&self) -> Result<Traffic, Failure> {
        if !self.replay.is_empty() {
            let tracks = Tracks::read(&self.replay).map_err(|error| Failure::AtWork(error.into()))?;
            if tracks.left_out() > 0 {
                let what = "no time or place, out of range, before 1970, or broken lines";
                complain(&format!("left out of the tracks: {} ({what})", tracks.left_out()));
            }
            for file in tracks.untold() {
                complain(&format!("nothing of {} can be sent", file.display()));
            }
            return Ok(Traffic::Replay { tracks: Arc::new(tracks), speed: self.speed });
        }
        let id_bytes = usize::try_from(self.id_bytes).unwrap_or(usize::MAX);
        let (clients, least) = (self.clients, id_bytes_min(self.clients));
        if id_bytes < least {
            return Err(Failure::Wrong(anyhow!(
                "{clients} clients need IDs of {least} bytes, not {id_bytes}"
            )));
        }
        let around = |text: &String| {
            let location = Location::parse(text.as_bytes());
            location.map(|location| location.position()).ok_or_else(|| {
                Failure::Wrong(anyhow!("expected a location such as +34.068930-118.445127, found {text:?}"))
            })
        };
        let crowd = CrowdPlan {
            clients,
            id_bytes,
            questions_percent: self.whatsat,
            question: (self.radius, self.bound),
            around: self.around.as_ref().map(around).transpose()?,
            seed: self.seed,
            is_in_order: false,
        };
        Ok(Traffic::Crowd { crowd, rate: self.rate })
    }

    /// How far servers are apart, by their names, as far as that is known.
    fn hops(&self) -> Result<impl Fn(&str, &str) -> Option<usize>, Failure> {
        let config = if self.preset.is_some() || self.config.is_some() {
            let herd = HerdArgs { preset: self.preset, config: self.config.clone(), port_base: None };
            Some(herd.load()?)
        } else {
            None
        };
        Ok(move |from: &str, to: &str| {
            let config: &Config = config.as_ref()?;
            let position = |name: &str| config.servers.iter().position(|server| server.name.as_str() == name);
            *config.hops_from(position(from)?).get(position(to)?)?
        })
    }

    /// The load, the crossings, or both at once.
    fn measure(&self, plan: &Plan) -> Result<(Option<Outcome>, Option<Crossings>), Failure> {
        let (Some(&origin), false) = (plan.servers.first(), self.across.is_empty()) else {
            return Ok((Some(watched(plan, "load")?), None));
        };
        let across = AcrossPlan {
            origin,
            others: self.across.iter().map(|server| resolve(server)).collect::<Result<_, _>>()?,
            every: self.every,
            duration: self.duration.unwrap_or(DURATION),
            patience: self.patience,
            seed: self.seed,
            stop: Arc::clone(&plan.stop),
        };
        thread::scope(|scope| {
            let probing = scope.spawn(|| across::measure(&across));
            let outcome = self.rate.map(|_| watched(plan, "load")).transpose()?;
            let crossings = probing.join().map_err(|_| anyhow!("the thread that asks ended in a panic"))?;
            Ok((outcome, Some(crossings.map_err(|error| Failure::AtWork(error.into()))?)))
        })
    }
}

/// Set by the first Ctrl-C or SIGTERM: what is out is waited for, and what was measured is told. The next one ends at once.
fn ending() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_default(signal, Arc::clone(&stop)).context("signals")?;
        flag::register(signal, Arc::clone(&stop)).context("signals")?;
    }
    Ok(stop)
}

/// Connections are files.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        complain(&format!("cannot raise the limit on open files: {error}"));
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
    let style = ProgressStyle::with_template("{msg} {elapsed} {human_pos} replies, {rate} a second");
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // Where it cannot be written nobody looks.
        let _ = write!(out, "{:.0}", state.per_sec());
    };
    bar.set_style(style.context("progress bar")?.with_key("rate", rate));
    bar.set_message(what);
    let outcome = load::run(plan, &|answered| bar.set_position(answered));
    bar.finish_and_clear();
    outcome.map_err(|error| Failure::AtWork(error.into()))
}

/// Whether all reports were seen.
fn check_crossings(crossings: &Crossings) -> Result<(), Failure> {
    let missing: u64 = crossings.others.iter().map(|crossing| crossing.missing).sum();
    match crossings.others.iter().find(|crossing| crossing.missing > 0) {
        None => Ok(()),
        Some(Crossing { name, server, .. }) => Err(Failure::AtWork(anyhow!(
            "{missing} reports not seen in time, for example at {name} ({server})"
        ))),
    }
}

/// Whether all replies came and were right.
fn check(outcome: &Outcome) -> Result<(), Failure> {
    let tally = &outcome.tally;
    let faults: Vec<String> = [
        (tally.missing, "missing reply", "missing replies"),
        (tally.wrong, "wrong reply", "wrong replies"),
        (tally.hung_up, "connection that ended early", "connections that ended early"),
    ]
    .into_iter()
    .filter(|&(count, ..)| count > 0)
    .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
    .collect();
    if faults.is_empty() {
        return Ok(());
    }
    let first = tally.first_fault.clone().unwrap_or_default();
    Err(Failure::AtWork(anyhow!("{}; the first {first}", faults.join(", "))))
}
