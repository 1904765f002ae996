//! Clients that mean no harm: each asks one thing at a time, a thousand times a second all together.

use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Threads that ask; each has some connections that it uses in turn.
const THREADS: usize = 4;
const CONNECTIONS_PER_THREAD: usize = 10;
/// Between two requests of a thread.
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
            thread::sleep(PAUSE);
        }
    }
}

/// How long answers took, round by round.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<Vec<Duration>>);

impl Latencies {
    pub(super) fn add(&mut self, mut round: Vec<Duration>) {
        round.sort_unstable();
        self.0.push(round);
    }

    pub(super) fn samples(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    pub(super) fn p99(&self) -> f64 {
        self.median_of(99)
    }

    /// The median over the rounds of a percentile, in microseconds.
    fn median_of(&self, percent: usize) -> f64 {
        let of_round = |round: &Vec<Duration>| {
            let at = (round.len() * percent / 100).min(round.len().saturating_sub(1));
            round.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
        };
        let mut rounds: Vec<f64> = self.0.iter().map(of_round).collect();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, longest] = [50, 99, 100].map(|percent| self.median_of(percent));
        write!(f, "{median:6.0} {p99:6.0} {longest:7.0}")
    }
}
