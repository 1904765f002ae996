//! Scenarios that nobody wrote: each seed draws its own small herd, load, network, bounds and faults.
//!
//! Small and short, so that there can be many: what takes a large herd or a long time has a scenario of its own.

use crate::{
    chance::Chance,
    scenario::{Bounds, Clients, Cut, Fault, FaultKind, Limits, NetworkPlan, Scenario},
    topology::Preset,
};

const SHAPES: [Preset; 9] = [
    Preset::Goloman,
    Preset::Farmar,
    Preset::Riley,
    Preset::Bailey,
    Preset::Line,
    Preset::Ring,
    Preset::Star,
    Preset::Clique,
    Preset::Random,
];

/// The scenario of a seed.
pub(crate) fn draw(name: &str, seed: u64) -> Scenario {
    let mut rng = Chance::of(seed).stream("swarm");
    let (topology, servers) = shape(&mut rng);
    let duration_ms = rng.u64(1000..7000);
    let limits = limits(&mut rng);
    let clients = clients(servers, &mut rng);
    let network = network(&mut rng);
    let faults = faults(duration_ms, &mut rng);
    let sets_clocks = |fault: &&Fault| matches!(fault.kind, FaultKind::ClockJump | FaultKind::Replace);
    let jump_ms = faults.iter().filter(sets_clocks).map(|fault| fault.amount).max().unwrap_or_default();
    let settle_ms = match limits {
        // Reports that expire are dropped shard by shard, each within 16 s, and by clocks that are apart.
        Limits { ttl_ms: Some(ttl_ms), .. } => ttl_ms + 20_000 + 2 * jump_ms,
        // A report from before others that had to go is told by comparing only: a hop in 5 s.
        Limits { clients_max: Some(_), .. } => 7000 + 5000 * servers as u64,
        _ => 5000,
    };
    let mut scenario = Scenario {
        name: name.to_owned(),
        cut: Cut::default(),
        about: String::new(),
        weight: 0,
        topology,
        servers,
        edges: Vec::new(),
        duration_ms,
        settle_ms,
        limits,
        clients,
        network,
        faults,
        bounds: Bounds::default(),
    };
    // What a herd in a row knows goes from neighbour to neighbour, each way in six crossings.
    let (_, latency_ms) = scenario.network.latency_ms;
    scenario.settle_ms += 2 * scenario.copy_ms() + 6 * latency_ms * servers as u64;
    scenario
}

fn shape(rng: &mut fastrand::Rng) -> (Preset, usize) {
    let servers = match rng.u8(..100) {
        0 => rng.usize(21..=50),
        1..4 => rng.usize(9..=20),
        4..30 => rng.usize(6..=8),
        _ => rng.usize(2..=5),
    };
    let topology = SHAPES.get(rng.usize(..SHAPES.len())).copied().unwrap_or_default();
    // All with all is a great many links.
    (if servers > 8 && topology == Preset::Clique { Preset::Random } else { topology }, servers)
}

fn limits(rng: &mut fastrand::Rng) -> Limits {
    let mut limits = Limits::default();
    match rng.u8(..20) {
        0 => limits.ttl_ms = Some(rng.u64(6000..12_000)),
        1 => limits.clients_max = Some(rng.usize(8..60)),
        2..7 => limits.clock_offset_ms = rng.u64(1..5000),
        7 => limits.clock_offset_ms = 120_000,
        _ => {}
    }
    limits.is_durable = rng.u8(..4) == 0;
    if rng.u8(..3) == 0 {
        limits.log_bytes_max = Some(rng.usize(200..4000));
    }
    limits
}

fn clients(servers: usize, rng: &mut fastrand::Rng) -> Clients {
    let rate = if servers > 8 { 20 } else { 80 };
    let count = if rng.u8(..4) == 0 { 100 } else { 20 };
    let mut percent = |most: u8| if rng.bool() { 0 } else { rng.u8(..=most) };
    let (stale_percent, equal_percent, future_percent) = (percent(20), percent(30), percent(10));
    let clock_jump_percent = percent(10);
    Clients {
        count: rng.usize(1..=count),
        reports_per_second: rng.u64(5..=rate),
        id_bytes: if rng.u8(..20) == 0 { (200, 3000) } else { (2, 24) },
        stale_percent,
        equal_percent,
        future_percent,
        clock_offset_ms: if rng.u8(..3) == 0 { rng.u64(1..90_000) } else { 0 },
        clock_jump_percent,
        until_ms: None,
    }
}

fn network(rng: &mut fastrand::Rng) -> NetworkPlan {
    let longest = [1, 5, 20, 60, 150];
    let longest = longest.get(rng.usize(..longest.len())).copied().unwrap_or(1);
    let mut plan = NetworkPlan { latency_ms: (rng.u64(..=longest), longest), ..NetworkPlan::default() };
    if rng.u8(..6) == 0 {
        plan.bytes_per_second = rng.u64(20_000..300_000);
    }
    if rng.u8(..3) == 0 {
        plan.buffer_bytes = rng.usize(1000..30_000);
    }
    plan
}

/// Some kinds of faults, each once or again and again. Every tenth herd has none.
fn faults(duration_ms: u64, rng: &mut fastrand::Rng) -> Vec<Fault> {
    let kinds = if rng.u8(..10) == 0 { 0 } else { rng.usize(1..=5) };
    let mut fault = || {
        let (kind, _) = *FaultKind::ALL.get(rng.usize(..FaultKind::ALL.len()))?;
        let mut fault = Fault::new(kind, rng.u64(..duration_ms));
        fault.every_ms = rng.bool().then(|| rng.u64(200..3000));
        let longest = if rng.bool() { 500 } else { 5000 };
        fault.lasts_ms = (rng.u8(..10) > 0).then(|| (rng.u64(..100), longest));
        // Of some all at once.
        fault.count = if rng.u8(..3) == 0 { rng.usize(2..=8) } else { 1 };
        if kind == FaultKind::Slow {
            fault.amount = rng.u64(1000..20_000);
        } else if kind == FaultKind::SlowDisk {
            fault.amount = rng.u64(20..1500);
        } else if matches!(kind, FaultKind::ClockJump | FaultKind::Replace) {
            fault.amount = rng.u64(1..10_000);
        }
        Some(fault)
    };
    (0..kinds).filter_map(|_| fault()).collect()
}
