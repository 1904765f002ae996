//! Many runs on many threads. Each seed is a run of its own, so threads change nothing but the time it takes; of several
//! violations the one with the least seed is told.

use std::{
    borrow::Cow,
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
    /// No seed from here on is needed: there is a violation before.
    end: AtomicU64,
    total: Mutex<Total>,
}

#[derive(Debug)]
struct Total {
    tally: Tally,
    violation: Option<Box<Violation>>,
    told: Instant,
}

/// How far a batch has come.
#[derive(Debug)]
pub(crate) struct Progress {
    runs: u64,
    of: u64,
    took: Duration,
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
            total: Mutex::new(Total { tally: Tally::default(), violation: None, told: began }),
        }
    }

    /// Runs all, or up to the first violation.
    pub(crate) fn run(self, tell: impl Fn(Progress) + Sync) -> Result<Tally, Box<Violation>> {
        thread::scope(|scope| {
            for _ in 0..self.arguments.jobs.max(1) {
                scope.spawn(|| self.work(&tell));
            }
        });
        let total = self.total.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut tally = total.tally;
        tally.took = self.began.elapsed();
        total.violation.map_or(Ok(tally), Err)
    }

    fn work(&self, tell: impl Fn(Progress)) {
        loop {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end.load(Ordering::Relaxed) {
                return;
            }
            let scenario = self.scenario(seed);
            let outcome = run(&scenario, seed);
            let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(report) => total.tally.add(&scenario.name, &report),
                Err(violation) => {
                    self.end.fetch_min(seed, Ordering::Relaxed);
                    if total.violation.as_ref().is_none_or(|known| seed < known.seed) {
                        total.violation = Some(violation);
                    }
                }
            }
            if total.told.elapsed() > TOLD_EVERY {
                total.told = Instant::now();
                let seeds = &self.arguments.seeds;
                let (runs, of) = (total.tally.runs, seeds.end - seeds.start);
                tell(Progress { runs, of, took: self.began.elapsed() });
            }
        }
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
        let Self { runs, of, took } = self;
        write!(f, "{runs} of {of} runs in {:.0} s", took.as_secs_f64())
    }
}
