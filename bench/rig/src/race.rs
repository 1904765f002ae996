//! How long bytes take from one socket to another: a report goes in at one server and is waited for behind another.
//!
//! One report at a time, one a millisecond, in one thread: the clock is read before the write and after the read.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use clap::ValueEnum;
use herd_core::link::LinkEvent;

use crate::{
    nats::{self, Subscriber},
    percentile_us, relay,
    tap::Tap,
};

/// Between two reports.
const PACE: Duration = Duration::from_millis(1);

/// Reports that do not count: links come up, caches fill.
const FIRST: usize = 50;

/// What is between the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// `rig relay`: the bytes come out as they went in
    Relay,
    /// herd: an IAMAT goes in, a neighbour's frame comes out
    Herd,
    /// Redis: PUBLISH goes in, a subscriber's message comes out
    Redis,
    /// NATS: PUB goes in, a subscriber's message comes out
    Nats,
}

/// Times reports on their way.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(value_enum)]
    way: Way,
    /// Where reports go in
    into: SocketAddr,
    /// Where they come out
    from: SocketAddr,
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

/// Where reports come out.
enum Exit {
    Stream(TcpStream),
    Tap(Box<Tap>),
    Subscriber(Subscriber),
}

/// Times, and prints what was found.
///
/// # Errors
/// Somebody on the way is gone.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut entry = connect(args.into, args.way)?;
    let mut exit = Exit::open(args, &mut entry)?;
    let mut latencies = Vec::new();
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < args.seconds {
        let report = report(args.way)?;
        let sent_at = Instant::now();
        entry.get_mut().write_all(&report)?;
        let seen_at = exit.wait(report.len())?;
        latencies.push(u64::try_from((seen_at - sent_at).as_nanos())?);
        if matches!(args.way, Way::Herd | Way::Redis) {
            // The reply, which only the sender waits for.
            entry.read_line(&mut String::new())?;
        }
        thread::sleep(PACE.saturating_sub(sent_at.elapsed()));
    }
    latencies.drain(..FIRST.min(latencies.len()));
    latencies.sort_unstable();
    println!("reports {}", latencies.len());
    println!("p50_us {:.1}", percentile_us(&latencies, 50));
    println!("p99_us {:.1}", percentile_us(&latencies, 99));
    Ok(())
}

fn connect(address: SocketAddr, way: Way) -> anyhow::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    if way == Way::Relay {
        relay::greeted(&mut stream)?;
    }
    let mut stream = BufReader::new(stream);
    if way == Way::Nats {
        nats::greet(&mut stream)?;
    }
    Ok(stream)
}

fn report(way: Way) -> anyhow::Result<Vec<u8>> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    let line = format!(
        "IAMAT client-0000000000001 +34.068930-118.445127 {}.{:09}\n",
        clock.as_secs(),
        clock.subsec_nanos()
    );
    Ok(match way {
        Way::Relay | Way::Herd => line.into_bytes(),
        Way::Redis => format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nh\r\n${}\r\n{line}\r\n", line.len()).into_bytes(),
        Way::Nats => nats::publish(&line),
    })
}

impl Exit {
    fn open(args: &Args, entry: &mut BufReader<TcpStream>) -> anyhow::Result<Self> {
        if args.way == Way::Herd {
            let mut tap = Tap::dial("Second", args.from)?;
            tap.sync()?;
            return Ok(Self::Tap(Box::new(tap)));
        }
        let stream = connect(args.from, args.way)?;
        if args.way == Way::Nats {
            return Ok(Self::Subscriber(Subscriber::new(stream, entry)?));
        }
        // A relay greets once, and nobody else says anything unasked: nothing is left in the buffer.
        let mut stream = stream.into_inner();
        if args.way == Way::Redis {
            stream.write_all(b"SUBSCRIBE h\r\n")?;
            let said = stream.read(&mut [0; 256])?;
            if said == 0 {
                bail!("no subscription");
            }
        }
        Ok(Self::Stream(stream))
    }

    /// Waits for a report of so many bytes: when it was there.
    fn wait(&mut self, bytes: usize) -> anyhow::Result<Instant> {
        match self {
            // A subscriber's message is as long as the command: `message` for `PUBLISH`.
            Self::Stream(stream) => {
                let mut buffer = vec![0; bytes];
                stream.read_exact(&mut buffer).context("a report was lost")?;
                Ok(Instant::now())
            }
            Self::Tap(tap) => {
                while !tap.turn()?.iter().any(|event| matches!(event, LinkEvent::Fresh { .. })) {}
                Ok(tap.received_at)
            }
            Self::Subscriber(subscriber) => subscriber.wait(),
        }
    }
}
