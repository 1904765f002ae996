//! The outcome of a run as it is told: for people, and as JSON, whose keys and units are a promise.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    net::SocketAddr,
    sync::atomic::Ordering,
};

use serde::Serialize;

use super::{
    End, Outcome, Plan, Traffic,
    across::{Crossing, Crossings},
    histogram::Histogram,
};
use crate::digits::counted;

/// A run.
#[derive(Debug, Serialize)]
pub(crate) struct LoadSummary {
    servers: Vec<SocketAddr>,
    connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<usize>,
    /// Requests a second that were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    /// How many times as fast as it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    clients: u64,
    /// Of 100 requests so many are a WHATSAT.
    whatsat: u8,
    replies: u64,
    compared: u64,
    wrong: u64,
    missing: u64,
    /// Requests that were due in an open loop and not sent before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsent: Option<u64>,
    /// Connections that ended before the run did.
    hung_up: u64,
    seconds: f64,
    replies_per_second: f64,
    latency_us: Percentiles,
    /// How late the generator itself was, in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness_us: Option<Percentiles>,
    /// The generator's CPU time.
    cpu_s_per_million: f64,
    /// That of all processes asked about together.
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

/// How reports crossed the herd.
#[derive(Debug, Serialize)]
pub(crate) struct AcrossSummary {
    origin: String,
    servers: Vec<CrossingSummary>,
    /// All servers that are as many hops away together, if hops are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hops: Vec<HopsSummary>,
}

#[derive(Debug, Serialize)]
struct CrossingSummary {
    server: SocketAddr,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hops: Option<usize>,
    seen: u64,
    missing: u64,
    from_send_us: Percentiles,
    from_reply_us: Percentiles,
    round_us: Percentiles,
}

#[derive(Debug, Serialize)]
struct HopsSummary {
    hops: usize,
    seen: u64,
    from_send_us: Percentiles,
    from_reply_us: Percentiles,
}

impl LoadSummary {
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    pub(crate) fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let tally = &outcome.tally;
        let is_open_loop = plan.traffic.is_open_loop();
        let took = match plan.end {
            // Who keeps to a rate may have nothing to say at the end.
            End::After(time) if is_open_loop && !plan.stop.load(Ordering::Relaxed) => {
                outcome.took.max(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
            }
            End::After(_) | End::Requests(_) => outcome.took,
        };
        let seconds = took as f64 / 1e9;
        // Nanoseconds over replies are milliseconds over millions.
        let per_million = |cpu: u64| cpu as f64 / 1e3 / tally.answered.max(1) as f64;
        let known: Option<Vec<u64>> = outcome.cpu_of.iter().map(|(_, cpu)| *cpu).collect();
        let process =
            |&(pid, cpu): &(u32, Option<u64>)| ProcessCpu { pid, cpu_s_per_million: cpu.map(per_million) };
        let (rate, speed, clients, whatsat) = match &plan.traffic {
            Traffic::Crowd { crowd, rate } => (*rate, None, crowd.clients.into(), crowd.questions_percent),
            Traffic::Replay { tracks, speed } => (None, *speed, tracks.clients() as u64, 0),
        };
        Self {
            servers: plan.servers.clone(),
            connections: plan.connections,
            window: (!is_open_loop).then_some(plan.window),
            rate,
            speed,
            clients,
            whatsat,
            replies: tally.answered,
            compared: tally.compared,
            wrong: tally.wrong,
            missing: tally.missing,
            unsent: is_open_loop.then_some(tally.unsent),
            hung_up: tally.hung_up,
            seconds,
            replies_per_second: if seconds > 0.0 { tally.answered as f64 / seconds } else { 0.0 },
            latency_us: Percentiles::new(&tally.latency),
            lateness_us: is_open_loop.then(|| Percentiles::new(&tally.lateness)),
            cpu_s_per_million: per_million(outcome.cpu),
            servers_cpu_s_per_million: known
                .filter(|all| !all.is_empty())
                .map(|all| per_million(all.iter().sum())),
            processes: outcome.cpu_of.iter().map(process).collect(),
        }
    }
}

impl AcrossSummary {
    /// `hops` tells how far a server is from the origin, by their names.
    pub(crate) fn new(crossings: &Crossings, hops: &dyn Fn(&str, &str) -> Option<usize>) -> Self {
        let mut by_hops: BTreeMap<usize, [Histogram; 2]> = BTreeMap::new();
        let mut servers = Vec::new();
        for crossing in &crossings.others {
            let Crossing { server, name, from_send, from_reply, round, missing } = crossing;
            let hops = hops(&crossings.origin, name);
            if let Some(hops) = hops {
                let [send, reply] = by_hops.entry(hops).or_insert_with(|| [(); 2].map(|()| Histogram::new()));
                send.add(from_send);
                reply.add(from_reply);
            }
            servers.push(CrossingSummary {
                server: *server,
                name: name.clone(),
                hops,
                seen: from_send.count(),
                missing: *missing,
                from_send_us: Percentiles::new(from_send),
                from_reply_us: Percentiles::new(from_reply),
                round_us: Percentiles::new(round),
            });
        }
        let hops = by_hops.into_iter().map(|(hops, [send, reply])| HopsSummary {
            hops,
            seen: send.count(),
            from_send_us: Percentiles::new(&send),
            from_reply_us: Percentiles::new(&reply),
        });
        Self { origin: crossings.origin.clone(), servers, hops: hops.collect() }
    }

    /// The origin, and each server whose distance from there is not known.
    pub(crate) fn unlinked(&self) -> impl Iterator<Item = (&str, &str)> {
        let unlinked = self.servers.iter().filter(|server| server.hops.is_none());
        unlinked.map(|server| (self.origin.as_str(), server.name.as_str()))
    }
}

impl Percentiles {
    #[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days")]
    fn new(histogram: &Histogram) -> Self {
        let at = |per_mille| histogram.percentile(per_mille) as f64 / 1e3;
        Self { p50: at(500), p90: at(900), p99: at(990), p999: at(999), max: histogram.max() as f64 / 1e3 }
    }
}

impl Display for Percentiles {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, p999, max } = self;
        let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(|&micros| Micros(micros));
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, max {max}")
    }
}

/// Microseconds, in a unit in which they are read with ease.
struct Micros(f64);

impl Display for Micros {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            micros if micros < 1e3 => write!(f, "{micros:.1} us"),
            micros if micros < 1e6 => write!(f, "{:.2} ms", micros / 1e3),
            micros => write!(f, "{:.2} s", micros / 1e6),
        }
    }
}

impl Display for LoadSummary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { connections, replies, seconds, replies_per_second, compared, wrong, missing, .. } = self;
        write!(f, "{}, ", counted(*connections, "connection"))?;
        match (self.window, self.rate, self.speed) {
            (Some(window), ..) => write!(f, "window {window}")?,
            (None, Some(rate), _) => write!(f, "{rate} requests a second")?,
            (None, None, speed) => write!(f, "{} times as fast as it happened", speed.unwrap_or(1.0))?,
        }
        write!(f, ", {}", counted(self.clients, "client"))?;
        match self.whatsat {
            0 => writeln!(f)?,
            percent => writeln!(f, ", {percent} % WHATSAT")?,
        }
        let decimals = if *replies_per_second < 100.0 { 1 } else { 0 };
        writeln!(f, "replies   {replies} in {seconds:.3} s, {replies_per_second:.decimals$} a second")?;
        writeln!(f, "faults    {wrong} wrong, {missing} missing; {compared} compared word for word")?;
        if self.hung_up > 0 {
            let connections = counted(*connections, "connection");
            writeln!(f, "hung up   {} of {connections} before the run was over", self.hung_up)?;
        }
        if let Some(unsent @ 1..) = self.unsent {
            writeln!(f, "not sent  {unsent} that were due")?;
        }
        writeln!(f, "latency   {}", self.latency_us)?;
        if let Some(lateness) = &self.lateness_us {
            writeln!(f, "lateness  {lateness}")?;
        }
        writeln!(f, "cpu       {:.4} s per million here", self.cpu_s_per_million)?;
        for ProcessCpu { pid, cpu_s_per_million } in &self.processes {
            match cpu_s_per_million {
                Some(cpu) => writeln!(f, "cpu       {cpu:.4} s per million, process {pid}")?,
                None => writeln!(f, "cpu       not known, process {pid}")?,
            }
        }
        Ok(())
    }
}

impl Display for AcrossSummary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for CrossingSummary { name, hops, seen, missing, from_send_us, from_reply_us, round_us, .. } in
            &self.servers
        {
            write!(f, "{} -> {name}", self.origin)?;
            if let Some(hops) = hops {
                write!(f, ", {}", counted(*hops, "hop"))?;
            }
            writeln!(f, ": {} seen, {missing} missing", counted(*seen, "report"))?;
            writeln!(f, "  from reply  {from_reply_us}")?;
            writeln!(f, "  from send   {from_send_us}")?;
            writeln!(f, "  a round     {round_us}")?;
        }
        let is_several = |summary: &&HopsSummary| {
            self.servers.iter().filter(|server| server.hops == Some(summary.hops)).count() > 1
        };
        for HopsSummary { hops, seen, from_reply_us, .. } in self.hops.iter().filter(is_several) {
            writeln!(f, "{}: {} seen", counted(*hops, "hop"), counted(*seen, "report"))?;
            writeln!(f, "  from reply  {from_reply_us}")?;
        }
        Ok(())
    }
}
