//! Many runs on many threads. Each seed is a run of its own, so threads change nothing but the time it takes.
//!
//! A violation ends its own run only, and all when there are as many as are wanted: every seed below the last is done then.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use herd_sim::{Catalogue, Scenario, Violation, run};

use crate::{arguments::Arguments, tally::Tally};

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    catalogue: &'a Catalogue,
    arguments: &'a Arguments,
    began: Instant,
    next: AtomicU64,
    /// No seed from here on is begun.
    end: AtomicU64,
    total: Mutex<Total>,
}

#[derive(Debug)]
struct Total {
    outcome: Outcome,
    told: Instant,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The sum of all runs that held.
    pub(crate) tally: Tally,
    /// How others failed, by seed.
    pub(crate) violations: BTreeMap<u64, Box<Violation>>,
}

/// How far a batch has come.
#[derive(Debug)]
pub(crate) struct Progress {
    runs: u64,
    of: u64,
    took: Duration,
    /// Which of them failed.
    failed: Vec<u64>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue, arguments: &'a Arguments) -> Self {
        let Range { start, end } = arguments.seeds;
        let began = Instant::now();
        Self {
            catalogue,
            arguments,
            began,
            next: AtomicU64::new(start),
            end: AtomicU64::new(end),
            total: Mutex::new(Total { outcome: Outcome::default(), told: began }),
        }
    }

    /// Runs all, or until enough have failed.
    pub(crate) fn run(self, tell: impl Fn(Progress) + Sync) -> Outcome {
        thread::scope(|scope| {
            for _ in 0..self.arguments.jobs.max(1) {
                scope.spawn(|| self.work(&tell));
            }
        });
        let mut outcome = self.total.into_inner().unwrap_or_else(PoisonError::into_inner).outcome;
        outcome.tally.took = self.began.elapsed();
        outcome
    }

    fn work(&self, tell: impl Fn(Progress)) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end.load(Ordering::Relaxed) {
                return;
            }
            let scenario = self.scenario(seed);
            let result = run(&scenario, seed);
            let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
            let Outcome { tally, violations } = &mut total.outcome;
            match result {
                Ok(report) => tally.add(&scenario.name, &report),
                Err(violation) => drop(violations.insert(seed, violation)),
            }
            if violations.len() >= self.arguments.violations_max {
                self.end.store(0, Ordering::Relaxed);
            }
            if total.told.elapsed() > TOLD_EVERY {
                total.told = Instant::now();
                tell(self.progress(&total.outcome));
            }
        }
    }

    fn progress(&self, outcome: &Outcome) -> Progress {
        let Range { start, end } = self.arguments.seeds;
        let failed: Vec<_> = outcome.violations.keys().copied().collect();
        let runs = outcome.tally.runs + failed.len() as u64;
        Progress { runs, of: end - start, took: self.began.elapsed(), failed }
    }

    /// The scenario of a seed.
    pub(crate) fn scenario(&self, seed: u64) -> Cow<'_, Scenario> {
        let named = self.arguments.scenario.as_ref().and_then(|name| self.catalogue.get(name, seed));
        let scenario = named.unwrap_or_else(|| self.catalogue.draw(seed));
        if self.arguments.cut == herd_sim::Cut::default() {
            return scenario;
        }
        Cow::Owned(scenario.into_owned().reduced(self.arguments.cut.clone()))
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, of, took, failed } = self;
        write!(f, "{runs} of {of} runs in {:.0} s", took.as_secs_f64())?;
        if failed.is_empty() { Ok(()) } else { write!(f, ", failed: seeds {failed:?}") }
    }
}
