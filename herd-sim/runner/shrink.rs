//! Makes a scenario that fails smaller, for as long as it still fails: fewer faults, servers, clients, less time.
//!
//! Any violation will do: a smaller one of another kind is as good a place to start looking.

use std::{
    thread,
    time::{Duration, Instant},
};

use herd_sim::{Cut, Scenario, Violation, run};

/// Time that making it smaller may take.
const TIME_MAX: Duration = Duration::from_secs(30);

/// The violation of the smallest scenario found that still fails, if one is smaller than the first.
pub(crate) fn shrink(scenario: &Scenario, first: &Violation, jobs: usize) -> Option<Box<Violation>> {
    let deadline = Instant::now() + TIME_MAX;
    let mut best: Option<Box<Violation>> = None;
    while let Some(smaller) = step(scenario, best.as_deref().unwrap_or(first), jobs, deadline) {
        best = Some(smaller);
    }
    best
}

/// The first that still fails of those a little smaller.
fn step(scenario: &Scenario, from: &Violation, jobs: usize, deadline: Instant) -> Option<Box<Violation>> {
    let reduced = scenario.clone().reduced(from.cut.clone());
    let cuts = from.cut.smaller(&reduced, from.servers);
    let mut rounds = cuts.chunks(jobs.max(1)).take_while(|_| Instant::now() < deadline);
    rounds.find_map(|cuts| first_failure(scenario, from.seed, cuts))
}

/// Tries some at once.
fn first_failure(scenario: &Scenario, seed: u64, cuts: &[Cut]) -> Option<Box<Violation>> {
    thread::scope(|scope| {
        let tries: Vec<_> = cuts
            .iter()
            .map(|cut| scope.spawn(|| run(&scenario.clone().reduced(cut.clone()), seed).err()))
            .collect();
        let outcomes: Vec<_> = tries.into_iter().map(|attempt| attempt.join().ok().flatten()).collect();
        outcomes.into_iter().flatten().next()
    })
}
