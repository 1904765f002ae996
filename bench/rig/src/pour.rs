//! The generator: so many connections, on each a batch of requests, the next one when all its replies are here.
//!
//! One thread and one loop; each read and each write is as large as the socket allows, replies are counted and not
//! parsed, so that its own cost per request stays below that of what it measures. It prints that cost.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use mio::{Events, Interest, Poll, Token};

use crate::{
    connection::Connection,
    percentile_us,
    requests::{Crowd, Language, Requests},
    settle::Settling,
};

/// Bytes of one read: the replies to a thousand requests and more.
const READ_BYTES: usize = 256 * 1024;
/// Silence after which a server counts as dead.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Sends requests flat out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server
    address: SocketAddr,
    #[arg(long, value_enum, default_value = "iamat")]
    language: Language,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Requests of one batch: that many are in flight on each connection
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    window: u16,
    /// How long to go on
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How much to send, however long it takes, instead
    #[arg(long)]
    requests: Option<u64>,
    /// Clients that report, at random
    #[arg(long, default_value_t = 1_000_000)]
    clients: u64,
    /// Places in which the clients are, instead of anywhere
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    spots: Option<u64>,
    /// Each client reports once, in turn, however long it takes
    #[arg(long, conflicts_with = "requests")]
    fill: bool,
    /// Servers that are to hear of every report: how long after the last reply that takes
    #[arg(long, value_delimiter = ',')]
    others: Vec<SocketAddr>,
}

/// What a run came to.
#[derive(Debug, Default)]
struct Found {
    requests: u64,
    seconds: f64,
    cpu_seconds: f64,
    refused: usize,
    /// Of each batch, in nanoseconds.
    latencies: Vec<u64>,
    /// Until all others have heard of everything.
    settled: Option<Duration>,
}

/// Pours, and prints what was found.
///
/// # Errors
/// The server is not there, or does not answer as it should.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut found = pour(args)?;
    if found.refused > 0 {
        bail!("{} requests were refused", found.refused);
    }
    println!("requests {}", found.requests);
    println!("seconds {:.6}", found.seconds);
    println!("cpu_seconds {:.6}", found.cpu_seconds);
    found.latencies.sort_unstable();
    println!("p50_us {:.1}", percentile_us(&found.latencies, 50));
    println!("p99_us {:.1}", percentile_us(&found.latencies, 99));
    if let Some(settled) = found.settled {
        println!("settled_ms {:.3}", settled.as_secs_f64() * 1e3);
    }
    Ok(())
}

fn pour(args: &Args) -> anyhow::Result<Found> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    let time = u64::try_from(since_1970.as_nanos()).context("a clock after 2554")?;
    let requests =
        Requests::new(args.language, Crowd { clients: args.clients, spots: args.spots }, args.fill, time);
    let mut run = Run::new(args, requests)?;
    let settling = match args.others.as_slice() {
        [] => None,
        others => Some(Settling::prepare(args.address, others)?),
    };
    let cpu_before = own_cpu_seconds()?;
    run.go()?;
    run.found.cpu_seconds = own_cpu_seconds()? - cpu_before;
    run.found.settled = settling.map(Settling::wait).transpose()?;
    Ok(run.found)
}

struct Run<'a> {
    args: &'a Args,
    requests: Requests,
    connections: Vec<(Connection, Instant)>,
    poll: Poll,
    /// Connections with replies to come.
    busy: usize,
    found: Found,
}

impl<'a> Run<'a> {
    fn new(args: &'a Args, requests: Requests) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for number in 0..usize::from(args.connections) {
            let mut connection = Connection::open(args.address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(connection.stream(), Token(number), interest)?;
            connections.push((connection, Instant::now()));
        }
        Ok(Self { args, requests, connections, poll, busy: 0, found: Found::default() })
    }

    fn go(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        for number in 0..self.connections.len() {
            self.busy += usize::from(self.begin(number, start, start)?);
        }
        let mut events = Events::with_capacity(self.connections.len());
        let mut buffer = vec![0; READ_BYTES];
        while self.busy > 0 {
            self.poll.poll(&mut events, Some(SILENCE_MAX))?;
            if events.is_empty() {
                bail!("no reply for {SILENCE_MAX:?}");
            }
            for event in &events {
                self.turn(event, &mut buffer, start)?;
            }
        }
        self.found.seconds = start.elapsed().as_secs_f64();
        Ok(())
    }

    fn turn(&mut self, event: &mio::event::Event, buffer: &mut [u8], start: Instant) -> anyhow::Result<()> {
        let number = event.token().0;
        let Some((connection, began)) = self.connections.get_mut(number) else { return Ok(()) };
        if connection.is_idle() {
            return Ok(());
        }
        connection.send(self.requests.bytes())?;
        self.found.refused += connection.receive(buffer, self.args.language, event.is_read_closed())?;
        if connection.is_idle() {
            let now = Instant::now();
            self.found.latencies.push(u64::try_from((now - *began).as_nanos()).unwrap_or(u64::MAX));
            self.busy -= usize::from(!self.begin(number, start, now)?);
        }
        Ok(())
    }

    /// Begins a connection's next batch, unless the work is done.
    fn begin(&mut self, number: usize, start: Instant, now: Instant) -> anyhow::Result<bool> {
        let window = u64::from(self.args.window);
        let count = if let Some(all) = self.args.fill.then_some(self.args.clients).or(self.args.requests) {
            window.min(all.saturating_sub(self.found.requests))
        } else if (now - start).as_secs_f64() < self.args.seconds {
            window
        } else {
            0
        };
        let Some((connection, began)) = self.connections.get_mut(number).filter(|_| count > 0) else {
            return Ok(false);
        };
        *began = now;
        self.found.requests += count;
        let count = usize::try_from(count).context("a window beyond memory")?;
        let batch = self.requests.take(count);
        connection.begin(self.requests.bytes(), batch, count)?;
        Ok(true)
    }
}

/// What this thread has used of its core.
fn own_cpu_seconds() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("no scheduler statistics")?;
    let nanoseconds: u64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
}
