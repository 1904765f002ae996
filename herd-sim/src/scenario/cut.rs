//! A scenario made smaller: what shrinking leaves out, as it stands in the command that replays a run.

use std::fmt;

use super::{FaultKind, Scenario};

/// What is left out of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Kinds of faults that do not happen.
    pub without: Vec<FaultKind>,
    /// Only so many servers.
    pub servers: Option<usize>,
    /// Only so many clients.
    pub clients: Option<usize>,
    /// Clients fall silent, and all faults are healed, by this time.
    pub until_ms: Option<u64>,
}

impl Cut {
    /// Smaller ones still, the most drastic first, for a scenario of which this much is left out already.
    #[must_use]
    pub fn smaller(&self, scenario: &Scenario, servers: usize) -> Vec<Self> {
        let mut all = Vec::new();
        let halved =
            |now: usize, least: usize| [now / 2, now * 3 / 4, now.saturating_sub(1)].map(|n| n.max(least));
        for servers in halved(servers, 2).into_iter().filter(|&fewer| fewer < servers) {
            all.push(Self { servers: Some(servers), ..self.clone() });
        }
        let mut kinds: Vec<_> = scenario.faults.iter().map(|fault| fault.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds.into_iter().filter(|kind| !self.without.contains(kind)) {
            all.push(Self { without: [self.without.as_slice(), &[kind]].concat(), ..self.clone() });
        }
        let (clients, until_ms) = (scenario.clients.count, scenario.duration_ms);
        for clients in halved(clients, 1).into_iter().filter(|&fewer| fewer < clients) {
            all.push(Self { clients: Some(clients), ..self.clone() });
        }
        for until_ms in
            [until_ms / 2, until_ms * 3 / 4, until_ms * 9 / 10].into_iter().filter(|&ms| ms < until_ms)
        {
            all.push(Self { until_ms: Some(until_ms.max(100)), ..self.clone() });
        }
        all.retain(|cut| cut != self);
        all.dedup();
        all
    }

    /// Leaves out what it says.
    pub(crate) fn apply(&self, scenario: &mut Scenario) {
        scenario.faults.retain(|fault| !self.without.contains(&fault.kind));
        scenario.clients.count =
            self.clients.map_or(scenario.clients.count, |n| n.min(scenario.clients.count));
        scenario.duration_ms = self.until_ms.map_or(scenario.duration_ms, |ms| ms.min(scenario.duration_ms));
    }
}

/// As arguments of the command.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.without.is_empty() {
            let names: Vec<_> = self.without.iter().map(ToString::to_string).collect();
            write!(f, " --without {}", names.join(","))?;
        }
        let numbers = [
            ("servers", self.servers.map(|n| n as u64)),
            ("clients", self.clients.map(|n| n as u64)),
            ("until", self.until_ms),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                write!(f, " --{name} {number}")?;
            }
        }
        Ok(())
    }
}
