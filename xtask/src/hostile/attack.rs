//! The attacks, each a process that goes on until its standard input ends, and then says how it went.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use herd_core::{secret::HerdKey, server::Name};
use siphasher::sip::SipHasher13;
use socket2::{Domain, Socket, Type};

/// Connections that send half lines.
const SLOW: usize = 2_000;
/// Connections that say nothing.
const IDLE: usize = 10_000;
/// Connections from one address, so that the limit on those does not end an attack before it begins.
const PER_ADDRESS: usize = 1_000;
/// Reports of different clients that each sends in turn.
const BATCH: usize = 1_000;
/// Bytes that are sent or read at once: one call that moves more holds up for as long who asks from the same core.
const PIECE_BYTES: usize = 4 * 1024;

/// A way to harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attack {
    /// Sends at full speed and reads nothing.
    Unread,
    /// Half lines, a byte at a time.
    Slow,
    /// Connections that say nothing.
    Idle,
    /// Connects and is gone, again and again.
    Connects,
    /// One client that sends and reads as fast as it can.
    One,
    /// Twenty of them.
    Twenty,
    /// Two hundred of them.
    Crowd,
    /// Twenty whose clients all fall into one shard.
    Shard,
    /// A neighbour that is stopped, under the load of one client.
    Stopped,
    /// Half a hello at the peers' port, again and again.
    Hellos,
}

impl Attack {
    pub(super) const ALL: [Self; 10] = [
        Self::Unread,
        Self::Slow,
        Self::Idle,
        Self::Connects,
        Self::One,
        Self::Twenty,
        Self::Crowd,
        Self::Shard,
        Self::Stopped,
        Self::Hellos,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Unread => "unread",
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::Connects => "connects",
            Self::One => "one",
            Self::Twenty => "twenty",
            Self::Crowd => "crowd",
            Self::Shard => "shard",
            Self::Stopped => "stopped",
            Self::Hellos => "hellos",
        }
    }

    pub(super) fn named(name: &str) -> anyhow::Result<Self> {
        let known = Self::ALL.iter().map(|attack| attack.name());
        let found = Self::ALL.into_iter().find(|attack| attack.name() == name);
        found.with_context(|| {
            format!("no such attack: {name} (there are {})", known.collect::<Vec<_>>().join(", "))
        })
    }
}

/// What an attack counts.
#[derive(Debug, Default)]
struct Tally {
    /// Lines sent, or connections made.
    done: AtomicU64,
    /// Connections that the server closed.
    closed: AtomicU64,
}

/// Carries out `NAME LINE PEER` until standard input ends.
///
/// # Errors
/// The arguments are wrong or the server does not answer.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [name, line, peer] = arguments else { bail!("expected NAME LINE PEER") };
    let (line, peer): (SocketAddr, SocketAddr) = (line.parse()?, peer.parse()?);
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let tally = Arc::new(Tally::default());
    let mut held = Vec::new();
    match Attack::named(name)? {
        Attack::Unread => again(1, &tally, move |tally| unread(line, tally)),
        Attack::Slow => drip(connections(line, SLOW)?, &tally),
        Attack::Idle => held = connections(line, IDLE)?,
        Attack::Connects => again(2, &tally, move |tally| knock(line, b"", tally)),
        Attack::One | Attack::Stopped => flood(line, 1, usual_ids, &tally)?,
        Attack::Twenty => flood(line, 20, usual_ids, &tally)?,
        Attack::Crowd => flood(line, 200, usual_ids, &tally)?,
        Attack::Shard => flood(line, 20, crowded_ids, &tally)?,
        Attack::Hellos => again(2, &tally, move |tally| knock(peer, b"\x33\x00\x00\x00\x01herd", tally)),
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let closed =
        tally.closed.load(Ordering::Relaxed) + held.iter().filter(|stream| is_closed(stream)).count() as u64;
    println!("{} sent, {closed} closed by the server", tally.done.load(Ordering::Relaxed));
    Ok(())
}

/// Connects from one of many addresses of this machine.
fn connect(server: SocketAddr, number: usize) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let [high, low] = u16::try_from(number / PER_ADDRESS + 1)?.to_be_bytes();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0)).into())?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

fn connections(server: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    (0..count).map(|number| connect(server, number)).collect()
}

/// Does something in some threads for ever.
fn again(
    threads: usize,
    tally: &Arc<Tally>,
    work: impl Fn(&Tally) -> anyhow::Result<()> + Clone + Send + 'static,
) {
    for _ in 0..threads {
        let (tally, work) = (Arc::clone(tally), work.clone());
        thread::spawn(move || {
            loop {
                if work(&tally).is_err() {
                    tally.closed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
}

/// Sends until the server has enough of it.
fn unread(server: SocketAddr, tally: &Tally) -> anyhow::Result<()> {
    let mut stream = connect(server, 0)?;
    for time in 0.. {
        stream.write_all(&reports(&usual_ids(0), time))?;
        tally.done.fetch_add(BATCH as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Connects, says something, and is gone without a farewell.
fn knock(server: SocketAddr, words: &[u8], tally: &Tally) -> anyhow::Result<()> {
    let mut stream = connect(server, 0)?;
    stream.write_all(words)?;
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    tally.done.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// A byte of a line that never ends on one connection after the other, each about once a second.
fn drip(mut streams: Vec<TcpStream>, tally: &Arc<Tally>) {
    let tally = Arc::clone(tally);
    thread::spawn(move || {
        loop {
            for stream in &mut streams {
                match stream.write_all(b"I") {
                    Ok(()) => tally.done.fetch_add(1, Ordering::Relaxed),
                    Err(_) => tally.closed.fetch_add(1, Ordering::Relaxed),
                };
                thread::sleep(Duration::from_micros(500));
            }
        }
    });
}

/// Connections that send reports and read the replies, as fast as both go.
fn flood(
    server: SocketAddr,
    count: usize,
    ids: fn(usize) -> Vec<String>,
    tally: &Arc<Tally>,
) -> anyhow::Result<()> {
    for number in 0..count {
        let mut stream = connect(server, number)?;
        let mut replies = stream.try_clone()?;
        let ids = ids(number);
        let tally = Arc::clone(tally);
        let sent = Arc::clone(&tally);
        thread::spawn(move || {
            for time in 0.. {
                let reports = reports(&ids, time);
                if reports.chunks(PIECE_BYTES).any(|piece| stream.write_all(piece).is_err()) {
                    return;
                }
                sent.done.fetch_add(BATCH as u64, Ordering::Relaxed);
            }
        });
        thread::spawn(move || {
            let mut buffer = vec![0; PIECE_BYTES];
            while replies.read(&mut buffer).is_ok_and(|read| read > 0) {}
            tally.closed.fetch_add(1, Ordering::Relaxed);
            let _ = replies.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

fn reports(ids: &[String], time: u64) -> Vec<u8> {
    ids.iter().flat_map(|id| format!("IAMAT {id} +34.068930-118.445127 {time}\n").into_bytes()).collect()
}

fn usual_ids(number: usize) -> Vec<String> {
    (0..BATCH).map(|id| format!("attacker-{number}-{id}")).collect()
}

/// IDs that a herd without a secret has in its first shard: its key follows from its name.
fn crowded_ids(number: usize) -> Vec<String> {
    let [first, second] =
        Name::new("hostile").map(|name| HerdKey::derive(&name, None).placement()).unwrap_or_default();
    let hasher = SipHasher13::new_with_keys(first, second);
    let ids = (0_u64..).map(|id| format!("crowd-{number}-{id}"));
    ids.filter(|id| hasher.hash(id.as_bytes()) >> 56 == 0).take(BATCH).collect()
}

fn is_closed(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    let mut peek = [0];
    !matches!(stream.peek(&mut peek), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
