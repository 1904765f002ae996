//! `cargo xtask chaos`: five real servers under load, while everything that can go wrong around them does.
//!
//! What it judges by is written down here a second time, without the code under test. It removes whatever it makes,
//! however it ends. The one thing to know: faults are serial, the load is not.

mod agreement;
mod at_line;
mod client;
mod herd;
mod ledger;
mod load;
mod network;
mod options;
mod place;
mod process;
mod relay;
mod rounds;
mod stage;
mod table;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use fastrand::Rng;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{cargo, root};
use agreement::Agreement;
use herd::Herd;
use ledger::Ledger;
use load::Load;
use network::{Network, SERVERS, routed::Routed, wired::Wired};
use options::Options;
use rounds::Round;
use stage::Stage;
use table::{HEAD, Row};

/// Load before a fault.
const BEFORE: Duration = Duration::from_secs(1);
/// Longest wait for all links, before the first round and after each.
const LINKED_MAX: Duration = Duration::from_secs(15);
/// Longest time for all that was ever acknowledged to be asked for at the end: half a million questions.
const FINAL_MAX: Duration = Duration::from_secs(60);

/// Runs the rounds.
///
/// # Errors
/// A promise was broken, or the rounds cannot be played.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    let is_interrupted = Arc::<AtomicBool>::default();
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted)).context("cannot wait for Ctrl-C")?;
    }
    fastrand::seed(options.seed);
    let herd = Herd::new(network()?, build()?)?;
    println!("{}\nseed {}\n\n{HEAD}", herd.network.describe(), options.seed);
    herd.start(&(0..SERVERS.len()).collect::<Vec<_>>())?;
    let (ledger, stop) = (Ledger::default(), AtomicBool::new(false));
    let load = Load::new(&herd, &ledger, &stop);
    let mut stage = Stage { load: &load, rng: Rng::with_seed(options.seed), is_interrupted };
    let played = thread::scope(|scope| {
        let load = &load;
        // Also when a round panics: nobody may be left to wait for.
        let _over = Over(&stop);
        for server in 0..SERVERS.len() {
            let (mut reporting, mut watching) = (stage.rng.fork(), stage.rng.fork());
            scope.spawn(move || load.report(server, &mut reporting));
            scope.spawn(move || load.watch(server, &mut watching));
        }
        play(&mut stage, &options)
    });
    if played.is_err() {
        herd.last_words().iter().for_each(|words| println!("  {words}"));
    }
    let rows = played?;
    let all = finish(&load);
    conclude(&herd, &rows, &all, &options)
}

/// Ends the load.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Plays round after round and prints the rows.
fn play(stage: &mut Stage<'_>, options: &Options) -> anyhow::Result<Vec<Row>> {
    let began = Instant::now();
    stage.wait_for_links(LINKED_MAX)?;
    let mut rows = Vec::new();
    loop {
        for round in options.rounds(&mut stage.rng) {
            if began.elapsed() > options.time_max {
                println!("\nout of time before {:?}", round.name);
                return Ok(rows);
            }
            let row = perform(stage, round)
                .with_context(|| format!("round {:?}, seed {}", round.name, options.seed))?;
            println!("{row}");
            row.violations().iter().for_each(|violation| println!("  VIOLATED: {violation}"));
            rows.push(row);
        }
        if !options.is_endless {
            return Ok(rows);
        }
    }
}

fn perform(stage: &mut Stage<'_>, round: &Round) -> anyhow::Result<Row> {
    let (load, began) = (stage.load, Instant::now());
    let acknowledged = load.ledger.acknowledged();
    load.herd.take_memory_peak();
    stage.pass(BEFORE)?;
    let fault = (round.play)(stage)?;
    let generation = load.ledger.turn();
    let agreement = agreement::wait(load, Some(generation), fault.healed_at);
    stage.wait_for_links(LINKED_MAX)?;
    let ups =
        (0..SERVERS.len()).flat_map(|server| load.herd.links(server, began)).filter(|event| event.is_up);
    Ok(Row {
        round: round.name,
        fault: fault.what,
        acknowledged: load.ledger.acknowledged() - acknowledged,
        seen: load.take_seen(),
        agreement,
        promised: fault.promised,
        memory_peak: load.herd.take_memory_peak(),
        // Both ends tell.
        relinked: ups.count().div_ceil(2),
        noticed: fault.noticed,
        complaints: load.herd.complaints(),
    })
}

/// Asks every server for every client of the whole run once more.
fn finish(load: &Load<'_>) -> Row {
    let agreement: Agreement = agreement::wait(load, None, Instant::now());
    Row {
        round: "all",
        fault: format!("the last report of all {} clients", agreement.clients),
        acknowledged: load.ledger.acknowledged(),
        seen: load.take_seen(),
        agreement,
        promised: FINAL_MAX,
        memory_peak: load.herd.take_memory_peak(),
        complaints: load.herd.complaints(),
        ..Row::default()
    }
}

fn conclude(herd: &Herd, rows: &[Row], all: &Row, options: &Options) -> anyhow::Result<()> {
    println!("{all}");
    let violated = rows.iter().chain([all]).map(|row| row.violations().len()).sum::<usize>();
    let sum = |count: fn(&Row) -> u64| rows.iter().map(count).sum::<u64>();
    println!(
        "\n{} rounds, {} reports acknowledged, {} lost, {} wrong, {} of {} requests unanswered; {}",
        rows.len(),
        all.acknowledged,
        sum(|row| row.agreement.lost) + all.agreement.lost,
        sum(|row| row.seen.wrong) + all.seen.wrong,
        sum(|row| row.seen.unanswered),
        sum(|row| row.seen.requests),
        options.replay()
    );
    if violated > 0 {
        all.violations().iter().for_each(|violation| println!("  VIOLATED: {violation}"));
        herd.last_words().iter().for_each(|words| println!("  {words}"));
        bail!("{violated} promises broken; {}", options.replay());
    }
    Ok(())
}

/// Namespaces if they are allowed.
fn network() -> anyhow::Result<Box<dyn Network>> {
    match Routed::new() {
        Ok(routed) => Ok(Box::new(routed)),
        Err(error) => {
            println!("no network namespaces ({error:#}): links go through relays instead");
            Ok(Box::new(Wired::new()?))
        }
    }
}

fn build() -> anyhow::Result<PathBuf> {
    let status = cargo(&["build", "--quiet", "--release", "--package", "herd"]).status();
    if !status.context("cannot start cargo")?.success() {
        bail!("herd does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release/herd"))
}
