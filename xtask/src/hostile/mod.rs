//! `cargo xtask hostile`: what clients that mean no good cost those that do.
//!
//! A real server, on one core; on another the clients that ask one at a time in a quiet rate, and before their threads
//! nobody comes; in a process of its own whoever attacks, in what is left of that core. Rounds without and with an attack
//! take turns, so that what else the machine does meets both; no core ever sleeps, because waking one takes longer than
//! an answer does, and an attack would spare others just that. Not a test: it takes minutes and judges by numbers.

mod apart;
mod attack;
mod awake;
mod clients;
mod cores;
mod server;

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{cargo, root};

pub(crate) use self::attack::run as attack;
use self::{
    attack::Attack,
    awake::Awake,
    clients::{Clients, Latencies},
    cores::{CLIENT_CORE, SERVER_CORE, Turn, on_core, settle},
    server::Herd,
};

/// Others may wait so many times as long as without an attack, 99 times of 100.
const RATIO_MAX: f64 = 3.0;

/// What was asked for.
#[derive(Debug)]
struct Request {
    attacks: Vec<Attack>,
    /// What to attack in place of the herd of this tree.
    program: Option<PathBuf>,
    rounds: usize,
    time: Duration,
}

/// Attacks a server in all ways or some, and prints what that cost.
///
/// # Errors
/// The arguments are wrong, something could not be started, or others waited for too long.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let request = Request::read(arguments)?;
    if request.program.is_none() {
        let build =
            cargo(&["build", "--release", "--package", "herd"]).status().context("cannot start cargo")?;
        if !build.success() {
            bail!("herd cannot be built");
        }
    }
    settle();
    let _awake = Awake::start(&[SERVER_CORE, CLIENT_CORE])?;
    println!("p50, p99 and longest in microseconds, of {} rounds; memory in MiB", request.rounds);
    println!(
        "{:10} {:>6} {:>6} {:>7}   {:>6} {:>6} {:>7}  {:>6} {:>8} {:>7}  notes",
        "attack", "quiet", "", "", "under", "attack", "", "ratio", "samples", "memory"
    );
    let mut failed = Vec::new();
    for attack in &request.attacks {
        let ratio = measure(*attack, &request)?;
        if ratio > RATIO_MAX {
            failed.push(format!("{} {ratio:.1}", attack.name()));
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("others wait for too long: {}", failed.join(", ")) }
}

/// Prints a line about one attack; how much longer others wait under it.
fn measure(attack: Attack, request: &Request) -> anyhow::Result<f64> {
    let built = root().join("target/release/herd");
    let mut herd = Herd::start(request.program.as_deref().unwrap_or(&built))?;
    let mut clients = Clients::connect(herd.line())?;
    // The first requests meet an empty table and cold caches.
    let _ = clients.ask(request.time)?;
    let (mut quiet, mut under) = (Latencies::default(), Latencies::default());
    let (mut notes, mut noticed) = (String::new(), Duration::ZERO);
    let before = herd.memory_mib()?;
    let mut most = before;
    for _ in 0..request.rounds {
        quiet.add(clients.ask(request.time)?);
        let running = Running::start(attack, &herd)?;
        let stopped = (attack == Attack::Stopped).then(|| herd.stop_neighbour()).transpose()?;
        under.add(clients.ask(request.time)?);
        most = most.max(herd.memory_mib()?);
        if let Some(stopped) = stopped {
            noticed = noticed.max(herd.wait_until_noticed(stopped)?);
            most = most.max(herd.memory_mib()?);
            herd.wake_neighbour()?;
        }
        notes = running.stop()?;
        // Its end is not quiet: thousands of connections close at once.
        let _ = clients.ask(request.time / 2)?;
    }
    if attack == Attack::Stopped {
        notes = format!("{notes}; noticed within {} ms", noticed.as_millis());
    }
    let ratio = under.p99() / quiet.p99();
    println!(
        "{:10} {quiet}   {under}  {ratio:>6.2} {:>8} {:>3}+{:<3}  {notes}",
        attack.name(),
        under.samples(),
        before,
        most.saturating_sub(before),
    );
    Ok(ratio)
}

/// An attack under way.
struct Running(Child);

impl Running {
    fn start(attack: Attack, herd: &Herd) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let mut command = on_core(CLIENT_CORE, Turn::BeforeOthers, &this);
        command
            .args(["hostile-attack", attack.name()])
            .arg(herd.line().to_string())
            .arg(herd.peer().to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.as_mut().context("no output to read")?;
        let mut ready = [0; 6];
        std::io::Read::read_exact(out, &mut ready).context("the attack did not begin")?;
        Ok(Self(child))
    }

    /// Ends it: what it says of how it went.
    fn stop(mut self) -> anyhow::Result<String> {
        drop(self.0.stdin.take());
        let out = self.0.stdout.take().context("no output to read")?;
        let notes = BufReader::new(out).lines().collect::<Result<Vec<_>, _>>()?;
        self.0.wait()?;
        Ok(notes.join("; "))
    }
}

impl Request {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut request =
            Self { attacks: Vec::new(), program: None, rounds: 30, time: Duration::from_millis(700) };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("nothing after {argument}"));
            let number = |value: &String| -> anyhow::Result<u64> {
                let number = value.parse().ok().filter(|&number| number > 0);
                number.with_context(|| format!("expected a number above 0 after {argument}: {value}"))
            };
            match argument.as_str() {
                "--rounds" => request.rounds = usize::try_from(number(value()?)?)?,
                "--millis" => request.time = Duration::from_millis(number(value()?)?),
                "--program" => request.program = Some(value()?.into()),
                name => request.attacks.push(Attack::named(name)?),
            }
        }
        if request.attacks.is_empty() {
            request.attacks = Attack::ALL.to_vec();
        }
        Ok(request)
    }
}
