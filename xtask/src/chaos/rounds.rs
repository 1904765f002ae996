//! The faults, each a few seconds of something going wrong and its mending.
//!
//! A round ends when all is mended; what has to hold from then on is judged elsewhere, alike for all of them.

use std::time::{Duration, Instant};

use super::{
    herd::{name, wipe},
    network::{SERVERS, neighbours},
    stage::Stage,
    table::Noticed,
};

/// Longest time to agreement after a cut of at most 10 s, and after anything else.
const AFTER_SHORT: Duration = Duration::from_secs(3);
const AFTER_ANY: Duration = Duration::from_secs(5);
/// The same when nothing was wrong: far less than comparing tables takes to make up for what links forget.
const AFTER_NOTHING: Duration = Duration::from_millis(500);
/// Longest time until a restarted server is linked again.
const LINKED_MAX: Duration = Duration::from_secs(6);
/// What a slow link carries: 64 kbit/s, a tenth of what the load needs.
const SLOW_RATE: u64 = 8000;
/// A mean phone network.
const DELAY: Duration = Duration::from_millis(150);
/// Reports a second while a neighbour is stopped.
const FLOOD_RATE: usize = 100_000;

/// One fault.
#[derive(Clone, Copy)]
pub(super) struct Round {
    pub(super) name: &'static str,
    pub(super) play: fn(&mut Stage<'_>) -> anyhow::Result<Fault>,
}

/// A fault that came and went.
#[derive(Debug)]
pub(super) struct Fault {
    /// What was done, to whom.
    pub(super) what: String,
    pub(super) healed_at: Instant,
    /// Longest time to agreement.
    pub(super) promised: Duration,
    /// When neighbours noticed, where they have to.
    pub(super) noticed: Option<Noticed>,
}

/// All of them, in the order of a usual run.
pub(super) const ROUNDS: [Round; 17] = [
    Round { name: "calm", play: stay_calm },
    Round { name: "kill-one", play: |stage| kill(stage, 1) },
    Round { name: "kill-two", play: |stage| kill(stage, 2) },
    Round { name: "kill-all", play: |stage| kill(stage, SERVERS.len()) },
    Round { name: "wipe", play: lose_disk },
    Round { name: "restart", play: restart_all },
    Round { name: "stop-short", play: |stage| stop(stage, 1000, 2500) },
    Round { name: "stop-long", play: |stage| stop(stage, 7500, 8500) },
    Round { name: "stop-flood", play: stop_and_flood },
    Round { name: "cut", play: cut_edge },
    Round { name: "one-way", play: cut_one_way },
    Round { name: "isolate", play: |stage| isolate(stage, 6000, 9000, AFTER_SHORT) },
    Round { name: "isolate-long", play: |stage| isolate(stage, 22_000, 28_000, AFTER_ANY) },
    Round { name: "slow", play: slow },
    Round { name: "loss", play: lose_packets },
    Round { name: "delay", play: delay },
    Round { name: "flap", play: flap },
];

impl Fault {
    fn healed(what: String, promised: Duration) -> Self {
        Self { what, healed_at: Instant::now(), promised, noticed: None }
    }

    /// This machine or this binary cannot do it.
    fn not_played(why: &str) -> Self {
        Self::healed(format!("not played: {why}"), AFTER_ANY)
    }

    fn noticed(self, noticed: Noticed) -> Self {
        Self { noticed: Some(noticed), ..self }
    }
}

/// Links have to carry everything by themselves.
fn stay_calm(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    stage.pass(Duration::from_secs(3))?;
    Ok(Fault::healed("nothing".to_owned(), AFTER_NOTHING))
}

fn kill(stage: &mut Stage<'_>, number: usize) -> anyhow::Result<Fault> {
    let victims = stage.victims(number);
    stage.kill(&victims)?;
    let time = stage.time(500, 2500);
    stage.pass(time)?;
    let names: Vec<&str> = victims.iter().map(|&victim| name(victim)).collect();
    let whom = if number == SERVERS.len() { "all five".to_owned() } else { names.join(" and ") };
    let fault = Fault::healed(format!("kill -9 of {whom}, back after {time:.1?}"), AFTER_ANY);
    stage.herd().start(&victims)?;
    Ok(fault)
}

fn lose_disk(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let victim = stage.victim();
    stage.kill(&[victim])?;
    wipe(&stage.herd().data(victim))?;
    stage.pass(Duration::from_secs(1))?;
    let fault = Fault::healed(format!("kill -9 of {}, its data wiped", name(victim)), AFTER_ANY);
    stage.herd().start(&[victim])?;
    Ok(fault)
}

fn restart_all(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let victims = stage.victims(SERVERS.len());
    for &victim in &victims {
        stage.herd().stop(victim)?;
        stage.herd().start(&[victim])?;
        stage.wait_for_links(LINKED_MAX)?;
        stage.pass(Duration::from_millis(200))?;
    }
    Ok(Fault::healed("SIGTERM and start of all five, one by one".to_owned(), AFTER_SHORT))
}

fn stop(stage: &mut Stage<'_>, least_ms: u64, most_ms: u64) -> anyhow::Result<Fault> {
    let (victim, time) = (stage.victim(), stage.time(least_ms, most_ms));
    let stopped_at = Instant::now();
    stage.herd().pause(victim)?;
    stage.pass(time)?;
    let noticed = stage.noticed_by_neighbours(stopped_at, victim);
    stage.herd().resume(victim)?;
    let fault = Fault::healed(format!("SIGSTOP of {} for {time:.1?}", name(victim)), AFTER_SHORT);
    Ok(if time > AFTER_SHORT { fault.noticed(noticed) } else { fault })
}

fn stop_and_flood(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    const TIME: Duration = Duration::from_secs(3);
    let victim = stage.victim();
    let flooded = stage.rng.choice(neighbours(victim).collect::<Vec<_>>()).unwrap_or_default();
    stage.herd().pause(victim)?;
    let flood = || stage.load.flood(flooded, FLOOD_RATE, TIME);
    let reports = stage.herd().network.place(flooded).within(flood)?;
    stage.pass(Duration::ZERO)?;
    stage.herd().resume(victim)?;
    let rate = reports as f64 / TIME.as_secs_f64() / 1000.0;
    let what = format!("SIGSTOP of {}, {rate:.0},000 reports/s to {} for 3 s", name(victim), name(flooded));
    Ok(Fault::healed(what, AFTER_SHORT))
}

fn cut_edge(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let ((a, b), time) = (stage.edge(), stage.time(5000, 9000));
    let network = &stage.herd().network;
    let cut_at = Instant::now();
    network.cut(a, b)?;
    network.cut(b, a)?;
    stage.pass(time)?;
    let noticed = stage.noticed(cut_at, &[(a, b), (b, a)]);
    network.mend(a, b)?;
    network.mend(b, a)?;
    let what = format!("{} and {} cut for {time:.1?}", name(a), name(b));
    Ok(Fault::healed(what, AFTER_SHORT).noticed(noticed))
}

fn cut_one_way(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let ((from, to), time) = (stage.edge(), stage.time(5000, 9000));
    let network = &stage.herd().network;
    let cut_at = Instant::now();
    network.cut(from, to)?;
    stage.pass(time)?;
    let noticed = stage.noticed(cut_at, &[(to, from)]);
    network.mend(from, to)?;
    let what = format!("cut from {} to {} only, {time:.1?}", name(from), name(to));
    Ok(Fault::healed(what, AFTER_SHORT).noticed(noticed))
}

fn isolate(stage: &mut Stage<'_>, least_ms: u64, most_ms: u64, promised: Duration) -> anyhow::Result<Fault> {
    let (victim, time) = (stage.victim(), stage.time(least_ms, most_ms));
    let network = &stage.herd().network;
    let cut_at = Instant::now();
    network.isolate(victim)?;
    stage.pass(time)?;
    let noticed = stage.noticed_by_neighbours(cut_at, victim);
    network.rejoin(victim)?;
    Ok(Fault::healed(format!("{} alone for {time:.1?}", name(victim)), promised).noticed(noticed))
}

fn slow(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let victim = stage.victim();
    if let Err(error) = stage.herd().network.slow(victim, SLOW_RATE) {
        return Ok(Fault::not_played(&format!("{error:#}")));
    }
    stage.pass(Duration::from_secs(8))?;
    stage.herd().network.slow(victim, 0)?;
    Ok(Fault::healed(format!("{} at 64 kbit/s for 8 s", name(victim)), AFTER_SHORT))
}

/// All packets of an edge vanish for a moment, again and again: a third of the time.
fn lose_packets(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let (a, b) = stage.edge();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        let (lost, passed) = (stage.time(20, 80), stage.time(40, 160));
        let network = &stage.herd().network;
        network.cut(a, b)?;
        network.cut(b, a)?;
        stage.pass(lost)?;
        network.mend(a, b)?;
        network.mend(b, a)?;
        stage.pass(passed)?;
    }
    let what = format!("a third of all packets between {} and {} lost for 8 s", name(a), name(b));
    Ok(Fault::healed(what, AFTER_SHORT))
}

fn delay(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let edge = stage.edge();
    let herd = stage.herd();
    herd.direct(&herd.network.delay(edge, DELAY)?)?;
    stage.pass(Duration::from_secs(8))?;
    herd.direct(&herd.network.delay(edge, Duration::ZERO)?)?;
    let what = format!("{} and {} 75 to 150 ms apart for 8 s", name(edge.0), name(edge.1));
    Ok(Fault::healed(what, AFTER_SHORT))
}

fn flap(stage: &mut Stage<'_>) -> anyhow::Result<Fault> {
    let victim = stage.victim();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        let (down, up) = (stage.time(150, 300), stage.time(150, 300));
        stage.herd().network.isolate(victim)?;
        stage.pass(down)?;
        stage.herd().network.rejoin(victim)?;
        stage.pass(up)?;
    }
    Ok(Fault::healed(format!("{} off and on every 150 to 300 ms for 8 s", name(victim)), AFTER_SHORT))
}
