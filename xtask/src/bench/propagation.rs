//! From a client over two servers to the socket of a third: herd, a raw relay with as many transfers, and Redis with a
//! replica, in turn, everything on one core.

use super::{
    Options,
    contender::{Contender, Server, redis, rig},
    herds::Pair,
    process::{Core, Process, number, output_on},
    sample::{Figure, Sample},
};

/// One way.
#[derive(Debug)]
pub(super) struct Row {
    title: &'static str,
    /// Microseconds.
    pub(super) p50: Sample,
    p99: Sample,
}

/// The ways that were measured: the relay, herd, and Redis if it is there.
#[derive(Debug)]
pub(super) struct Ways {
    pub(super) relay: Row,
    pub(super) herd: Row,
    pub(super) redis: Option<Row>,
}

/// # Errors
/// Somebody does not start, or a report is lost.
pub(super) fn measure(options: &Options) -> anyhow::Result<Ways> {
    let first = relay(&[])?;
    let second = relay(&[&first.address.to_string()])?;
    let pair = Pair::start()?;
    let replicated = match Contender::RedisSet.prepare()? {
        Ok(()) => {
            let primary = redis("primary", &[])?;
            let replica =
                redis("replica", &["--replicaof", "127.0.0.1", &primary.address.port().to_string()])?;
            Some((primary, replica))
        }
        Err(_) => None,
    };
    let mut ways = Ways {
        relay: Row::new("raw relay"),
        herd: Row::new("**herd**, two servers, log off"),
        redis: replicated.is_some().then(|| Row::new("Redis PUBLISH, subscriber on a replica")),
    };
    for round in 1..=options.rounds {
        println!("   round {round} of {}", options.rounds);
        ways.relay.add(options, "relay", &first, second.address)?;
        ways.herd.add(options, "herd", &pair.first, pair.peer)?;
        if let (Some(row), Some((primary, replica))) = (&mut ways.redis, &replicated) {
            row.add(options, "redis", primary, replica.address)?;
        }
    }
    Ok(ways)
}

fn relay(upstream: &[&str]) -> anyhow::Result<Server> {
    let mut process = Process::start("relay", &rig(&[&["relay"], upstream].concat()), Core::Server)?;
    let address = process.announced(|line| line.strip_prefix("relay ")?.parse().ok())?;
    Ok(Server { process, address })
}

impl Row {
    fn new(title: &'static str) -> Self {
        Self { title, p50: Sample::default(), p99: Sample::default() }
    }

    fn add(
        &mut self,
        options: &Options,
        way: &str,
        into: &Server,
        from: std::net::SocketAddr,
    ) -> anyhow::Result<()> {
        let mut race = rig(&["race", way, &into.address.to_string(), &from.to_string()]);
        race.args(["--seconds", &options.seconds.to_string()]);
        let found = output_on(Core::Server, &race)?;
        self.p50.add(number(&found, "p50_us")?);
        self.p99.add(number(&found, "p99_us")?);
        Ok(())
    }
}

impl Ways {
    /// How many times as long as `other` herd takes, at the median.
    pub(super) fn ratio(&self, other: Option<&Row>) -> Option<f64> {
        Some(self.herd.p50.median() / other?.p50.median())
    }

    /// As Markdown.
    pub(super) fn print(&self) -> String {
        let rows =
            [Some(&self.relay), Some(&self.herd), self.redis.as_ref()].into_iter().flatten().map(|row| {
                format!(
                    "| {} | {} | {:.0} % | {} |\n",
                    row.title,
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
