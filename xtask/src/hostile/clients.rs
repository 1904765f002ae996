//! Clients that mean no harm: each asks one thing at a time, a thousand times a second all together.

use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::cores::{AS_USUAL, FIRST, set_own};

/// Threads that ask; each has some connections that it uses in turn.
const THREADS: usize = 4;
const CONNECTIONS_PER_THREAD: usize = 10;
/// Between two requests of a thread, in the mean: evenly spread up to twice as long. With equal pauses threads that once
/// waited for the same thing ask in the same moment for ever after.
const PAUSE: Duration = Duration::from_millis(4);

/// The clients, connected.
pub(super) struct Clients(Vec<Vec<Client>>);

struct Client {
    id: String,
    stream: BufReader<TcpStream>,
}

impl Clients {
    pub(super) fn connect(server: SocketAddr) -> anyhow::Result<Self> {
        let client = |number: usize| -> anyhow::Result<Client> {
            let stream = TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            Ok(Client { id: format!("quiet-{number}"), stream: BufReader::new(stream) })
        };
        let thread = |thread: usize| {
            let first = thread * CONNECTIONS_PER_THREAD;
            (first..first + CONNECTIONS_PER_THREAD).map(client).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self((0..THREADS).map(thread).collect::<Result<_, _>>()?))
    }

    /// Has them ask for a while: how long each answer took.
    pub(super) fn ask(&mut self, time: Duration) -> anyhow::Result<Vec<Duration>> {
        // Threads inherit it. Not for good: who is first and waits for the end of a process may keep it from ending.
        set_own(FIRST);
        let until = Instant::now() + time;
        let outcomes: Vec<anyhow::Result<Vec<Duration>>> = thread::scope(|scope| {
            let ask = |clients: &'_ mut Vec<Client>| ask_until(clients, until);
            let threads = self.0.iter_mut().map(|clients| scope.spawn(move || ask(clients)));
            let threads: Vec<_> = threads.collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a client failed")))
            };
            threads.into_iter().map(join).collect()
        });
        set_own(AS_USUAL);
        let latencies = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(latencies.concat())
    }
}

fn ask_until(clients: &mut [Client], until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut time = 0_u64;
    loop {
        for client in &mut *clients {
            let start = Instant::now();
            if start >= until {
                return Ok(latencies);
            }
            time += 1;
            let line = format!("IAMAT {} +34.068930-118.445127 {time}\n", client.id);
            client.stream.get_mut().write_all(line.as_bytes())?;
            let mut reply = String::new();
            client.stream.read_line(&mut reply)?;
            latencies.push(start.elapsed());
            anyhow::ensure!(reply.starts_with("AT "), "no answer to {line:?}: {reply:?}");
            thread::sleep(PAUSE.mul_f64(2.0 * fastrand::f64()));
        }
    }
}

/// How long answers took in all rounds. What a shared machine does comes in bursts that fill some rounds and spare others:
/// over all of them attacks and quiet meet as many.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn add(&mut self, round: Vec<Duration>) {
        self.0.extend(round);
        self.0.sort_unstable();
    }

    pub(super) const fn samples(&self) -> usize {
        self.0.len()
    }

    pub(super) fn p99(&self) -> f64 {
        self.percentile(99)
    }

    /// In microseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, longest] = [50, 99, 100].map(|percent| self.percentile(percent));
        write!(f, "{median:6.0} {p99:6.0} {longest:7.0}")
    }
}
