//! From a client over two servers to the socket of a third: herd, a raw relay with as many transfers, Redis with a
//! replica and NATS over a route, in turn, everything on one core.

use std::net::SocketAddr;

use super::{
    Options,
    absences::Absences,
    contender::{Contender, Server, redis, rig},
    nats,
    process::{Core, Process, number, output_on},
    sample::{Figure, Sample},
    shape::{Shape, Shaped},
};

/// What is between the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Relay,
    Herd,
    Redis,
    Nats,
}

impl Way {
    const ALL: [Self; 4] = [Self::Relay, Self::Herd, Self::Redis, Self::Nats];

    /// In the rig's words.
    const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Herd => "herd",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Relay => "raw relay",
            Self::Herd => "**herd**, two servers, log off",
            Self::Redis => "Redis PUBLISH, subscriber on a replica",
            Self::Nats => "NATS, subscriber on the other of two servers with a route",
        }
    }
}

/// Both servers of a way, where reports go in, and where they come out.
struct Ends {
    _servers: Vec<Server>,
    into: SocketAddr,
    from: SocketAddr,
}

/// What was found of one way.
#[derive(Debug)]
struct Row {
    way: Way,
    /// Microseconds.
    p50: Sample,
    p99: Sample,
}

/// The ways that were measured.
#[derive(Debug)]
pub(super) struct Ways(Vec<Row>);

/// # Errors
/// A report is lost. Who does not start is absent.
pub(super) fn measure(options: &Options, absences: &mut Absences) -> anyhow::Result<Ways> {
    let mut ways = Vec::new();
    for way in Way::ALL {
        if let Some(ends) = absences.unless_present(way.name(), start(way)) {
            ways.push((Row { way, p50: Sample::default(), p99: Sample::default() }, ends));
        }
    }
    for round in 1..=options.rounds {
        println!("   round {round} of {}", options.rounds);
        for (row, ends) in &mut ways {
            row.add(options, ends)?;
        }
    }
    Ok(Ways(ways.into_iter().map(|(row, _)| row).collect()))
}

/// Starts both servers; an absence is somebody who is not on this machine.
fn start(way: Way) -> anyhow::Result<Result<Ends, String>> {
    let (first, second) = match way {
        Way::Relay => {
            let first = relay(&[])?;
            let second = relay(&[&first.address.to_string()])?;
            (first, second)
        }
        Way::Herd => {
            let Shaped { servers, peers } = Shaped::start(&Shape::pair(), Core::Server)?;
            return Ok(match (servers.first(), peers.get(1)) {
                (Some(first), Some(&from)) => Ok(Ends { into: first.address, from, _servers: servers }),
                _ => Err("no such herd".to_owned()),
            });
        }
        Way::Redis => {
            if let Err(absence) = Contender::RedisSet.prepare()? {
                return Ok(Err(absence));
            }
            let primary = redis("primary", &[])?;
            let port = primary.address.port().to_string();
            let replica = redis("replica", &["--replicaof", "127.0.0.1", &port])?;
            (primary, replica)
        }
        Way::Nats => {
            if let Err(absence) = nats::presence() {
                return Ok(Err(absence));
            }
            nats::route()?
        }
    };
    Ok(Ok(Ends { into: first.address, from: second.address, _servers: vec![first, second] }))
}

fn relay(upstream: &[&str]) -> anyhow::Result<Server> {
    let mut process = Process::start("relay", &rig(&[&["relay"], upstream].concat()), Core::Server)?;
    let address = process.announced(|line| line.strip_prefix("relay ")?.parse().ok())?;
    Ok(Server { process, address })
}

impl Row {
    fn add(&mut self, options: &Options, ends: &Ends) -> anyhow::Result<()> {
        let mut race = rig(&["race", self.way.name(), &ends.into.to_string(), &ends.from.to_string()]);
        race.args(["--seconds", &options.seconds.to_string()]);
        let found = output_on(Core::Server, &race)?;
        self.p50.add(number(&found, "p50_us")?);
        self.p99.add(number(&found, "p99_us")?);
        Ok(())
    }
}

impl Ways {
    /// How many times as long as `other` herd takes, at the median.
    pub(super) fn ratio(&self, other: Way) -> Option<f64> {
        let median = |way| Some(self.0.iter().find(|row| row.way == way)?.p50.median());
        Some(median(Way::Herd)? / median(other)?)
    }

    /// As Markdown.
    pub(super) fn print(&self) -> String {
        let rows = self.0.iter().map(|row| {
            format!(
                "| {} | {} | {:.0} % | {} |\n",
                row.way.title(),
                Figure(row.p50.median()),
                row.p50.spread() * 100.0,
                Figure(row.p99.median()),
            )
        });
        format!(
            "\nFrom a client over two servers to the socket of a neighbour, three transfers, one report a millisecond, \
             everything on one core:\n\n| | p50 us | spread | p99 us |\n|---|---|---|---|\n{}",
            rows.collect::<String>()
        )
    }
}
