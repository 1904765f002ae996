//! What many runs covered, as a table for people.

use std::{collections::BTreeMap, fmt, time::Duration};

use herd_sim::{Report, scenario::FaultKind};

/// The sum of many runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) took: Duration,
    of_scenarios: BTreeMap<String, u64>,
    /// In how many runs each kind of fault happened.
    with_fault: BTreeMap<FaultKind, u64>,
    total: Report,
}

impl Tally {
    pub(crate) fn add(&mut self, scenario: &str, report: &Report) {
        self.runs += 1;
        match self.of_scenarios.get_mut(scenario) {
            Some(runs) => *runs += 1,
            None => drop(self.of_scenarios.insert(scenario.to_owned(), 1)),
        }
        for kind in report.faults.keys() {
            *self.with_fault.entry(*kind).or_default() += 1;
        }
        self.total.add(report);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, took, total, .. } = self;
        let seconds = took.as_secs_f64().max(0.001);
        let virtual_seconds = Duration::from_millis(total.virtual_ms).as_secs_f64();
        let (pace, ratio) =
            (f64::from(u32::try_from(*runs).unwrap_or(u32::MAX)) / seconds, virtual_seconds / seconds);
        writeln!(f, "{runs} runs in {seconds:.1} s: {pace:.0} a second, {ratio:.0} times as fast as time")?;
        let scenarios: Vec<_> =
            self.of_scenarios.iter().map(|(name, runs)| format!("{name} {runs}")).collect();
        writeln!(f, "scenarios: {}", scenarios.join(", "))?;
        writeln!(f, "{total}")?;
        writeln!(f, "\n| fault | times | in runs |\n|---|---|---|")?;
        for (kind, _) in FaultKind::ALL {
            let of = |counts: &BTreeMap<FaultKind, u64>| counts.get(&kind).copied().unwrap_or_default();
            writeln!(f, "| {kind} | {} | {} |", of(&total.faults), of(&self.with_fault))?;
        }
        writeln!(f, "\n| happened | times |\n|---|---|")?;
        for (what, count) in total.rare() {
            writeln!(f, "| {what} | {count} |")?;
        }
        Ok(())
    }
}
