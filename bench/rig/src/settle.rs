//! How long after its reply the last report is known everywhere: one more report, and questions until all tell of it.
//!
//! Reports travel a link in the order in which they were accepted, so whoever has heard of the last has heard of all.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};

/// Longest that a herd may take.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Connections to all servers of a herd, made before they are needed.
#[derive(Debug)]
pub(crate) struct Settling {
    origin: BufReader<TcpStream>,
    others: Vec<BufReader<TcpStream>>,
}

impl Settling {
    /// # Errors
    /// One of the servers is not there.
    pub(crate) fn prepare(origin: SocketAddr, others: &[SocketAddr]) -> anyhow::Result<Self> {
        let others = others.iter().copied().map(connect).collect::<Result<_, _>>()?;
        Ok(Self { origin: connect(origin)?, others })
    }

    /// Time from the reply to the last report until every server knows it.
    ///
    /// # Errors
    /// A server is gone, or never hears of it.
    pub(crate) fn wait(mut self) -> anyhow::Result<Duration> {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
        let name = format!("last-{}", clock.as_nanos());
        let seconds = clock.as_secs();
        let report = ask(&mut self.origin, &format!("IAMAT {name} +34-118 {seconds}\n"))?;
        if !report.starts_with("AT ") {
            bail!("refused: {report}");
        }
        let start = Instant::now();
        let question = format!("WHATSAT {name} 0 0\n");
        while !self.others.is_empty() {
            let mut ignorant = Vec::new();
            for mut other in self.others {
                if !knows(&mut other, &question)? {
                    ignorant.push(other);
                }
            }
            self.others = ignorant;
            if start.elapsed() > WAIT_MAX {
                bail!("{} servers have not heard of the last report after {WAIT_MAX:?}", self.others.len());
            }
        }
        Ok(start.elapsed())
    }
}

fn connect(address: SocketAddr) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    Ok(BufReader::new(stream))
}

/// The first line of the reply.
fn ask(server: &mut BufReader<TcpStream>, line: &str) -> anyhow::Result<String> {
    server.get_mut().write_all(line.as_bytes())?;
    let mut reply = String::new();
    server.read_line(&mut reply).context("no reply")?;
    Ok(reply)
}

fn knows(server: &mut BufReader<TcpStream>, question: &str) -> anyhow::Result<bool> {
    if !ask(server, question)?.starts_with("AT ") {
        return Ok(false);
    }
    // What is near follows, up to a blank line.
    let mut line = String::from("AT");
    while line.trim_end() != "" {
        line.clear();
        server.read_line(&mut line).context("no answer")?;
    }
    Ok(true)
}
