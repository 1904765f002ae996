//! How things go wrong, and how they heal: turns the faults of a scenario into what happens to servers and connections.

use crate::{
    queue::Event,
    scenario::{Fault, FaultKind, millis},
    world::World,
};

/// The end of a fault.
#[derive(Clone, Debug)]
pub(crate) enum Healing {
    /// A dead server comes back, empty.
    Restart(usize),
    /// A stopped server goes on.
    Resume(usize),
    /// Ways between servers are open again.
    Unblock(Vec<(usize, usize)>),
    /// An edge is as fast as the others.
    Quicken((usize, usize)),
}

impl World {
    /// Begins the scenario's fault of this number, and plans its end and its next time.
    pub(crate) fn begin_fault(&mut self, number: usize) {
        let Some(fault) = self.scenario.faults.get(number).cloned() else { return };
        let end = millis(self.scenario.duration_ms);
        let now = self.fabric.now;
        let heals_at = match fault.lasts_ms {
            Some((least, most)) => now + millis(self.fabric.rng.u64(least..=most.max(least))),
            None => end,
        };
        if let Some(every_ms) = fault.every_ms {
            let next = now + self.fabric.rng.u64(millis(every_ms) / 2..=millis(every_ms) * 3 / 2);
            if next < end {
                self.fabric.queue.plan(next, Event::Fault(number));
            }
        }
        let healings = match fault.kind {
            FaultKind::Crash => self.crash(&fault),
            FaultKind::Pause => self.pause(&fault),
            FaultKind::Cut | FaultKind::HalfOpen => self.break_connections(&fault),
            FaultKind::Partition => self.part(),
            FaultKind::Slow => self.slow_down(&fault),
            FaultKind::ClockJump => self.set_clocks(&fault),
        };
        for healing in healings {
            self.fabric.queue.plan(heals_at.min(end).max(now), Event::Heal(healing));
        }
    }

    /// Ends a fault.
    pub(crate) fn heal(&mut self, healing: Healing) {
        match healing {
            Healing::Restart(server) => self.start(server),
            Healing::Resume(server) => {
                if let Some(server) = self.servers.get_mut(server).filter(|server| server.is_paused) {
                    server.resume(&mut self.fabric);
                }
            }
            Healing::Unblock(ways) => {
                for (from, to) in ways {
                    let fabric = &mut self.fabric;
                    fabric.network.unblock(from, to, (fabric.now, &mut fabric.queue, &mut fabric.rng));
                }
            }
            Healing::Quicken(edge) => self.fabric.network.set_rate(edge, None),
        }
    }

    fn crash(&mut self, fault: &Fault) -> Vec<Healing> {
        let chosen = self.chosen(fault);
        let alive: Vec<_> =
            chosen.into_iter().filter(|&s| self.servers.get(s).is_some_and(|s| s.life.is_some())).collect();
        for &server in &alive {
            let has_sign = self.fabric.rng.bool();
            if let Some(server) = self.servers.get_mut(server) {
                server.die(has_sign, &mut self.fabric);
            }
            self.count(fault.kind);
        }
        alive.into_iter().map(Healing::Restart).collect()
    }

    fn pause(&mut self, fault: &Fault) -> Vec<Healing> {
        let chosen = self.chosen(fault);
        let up: Vec<_> =
            chosen.into_iter().filter(|&s| self.servers.get(s).is_some_and(|s| s.is_up())).collect();
        for &server in &up {
            if let Some(server) = self.servers.get_mut(server) {
                server.is_paused = true;
            }
            self.count(fault.kind);
        }
        up.into_iter().map(Healing::Resume).collect()
    }

    fn break_connections(&mut self, fault: &Fault) -> Vec<Healing> {
        for _ in 0..fault.count {
            let Some((a, b)) = self.any_edge() else { continue };
            let Some(id) = self.servers.get(a).filter(|server| server.is_up()).and_then(|s| s.linked(b))
            else {
                continue;
            };
            self.count(fault.kind);
            if fault.kind == FaultKind::HalfOpen {
                let end = self.fabric.rng.usize(..2);
                self.fabric.network.kill(id, end);
            } else if let Some(server) = self.servers.get_mut(a) {
                server.cut(id, &mut self.fabric);
            }
        }
        Vec::new()
    }

    fn part(&mut self) -> Vec<Healing> {
        let sides: Vec<bool> = self.servers.iter().map(|_| self.fabric.rng.bool()).collect();
        let one_way = self.fabric.rng.u8(..4) == 0;
        let side = |server: usize| sides.get(server).copied().unwrap_or_default();
        let across = self.edges.iter().filter(|(a, b)| side(*a) != side(*b));
        let ways: Vec<_> =
            across.flat_map(|&(a, b)| if one_way { vec![(a, b)] } else { vec![(a, b), (b, a)] }).collect();
        if ways.is_empty() {
            return Vec::new();
        }
        for &(from, to) in &ways {
            self.fabric.network.block(from, to);
        }
        self.count(FaultKind::Partition);
        vec![Healing::Unblock(ways)]
    }

    fn slow_down(&mut self, fault: &Fault) -> Vec<Healing> {
        let mut healings = Vec::new();
        for _ in 0..fault.count {
            let Some(edge) = self.any_edge() else { continue };
            self.fabric.network.set_rate(edge, Some(fault.amount));
            self.count(fault.kind);
            healings.push(Healing::Quicken(edge));
        }
        healings
    }

    fn set_clocks(&mut self, fault: &Fault) -> Vec<Healing> {
        let most = i64::try_from(millis(fault.amount)).unwrap_or(i64::MAX);
        for server in self.chosen(fault) {
            let offset = self.fabric.rng.i64(-most..=most);
            if let Some(server) = self.servers.get_mut(server) {
                server.clock_offset = offset;
            }
            self.count(fault.kind);
        }
        Vec::new()
    }

    /// The servers that a fault names, or so many of them: the n-th seed takes the n-th choice first.
    fn chosen(&mut self, fault: &Fault) -> Vec<usize> {
        if !fault.servers.is_empty() {
            let is_named = |i: &usize| {
                self.servers.get(*i).is_some_and(|s| fault.servers.iter().any(|name| name == s.name.as_str()))
            };
            return (0..self.servers.len()).filter(is_named).collect();
        }
        if fault.every_ms.is_none() {
            return choice(self.servers.len(), fault.count, self.seed);
        }
        let mut all: Vec<_> = (0..self.servers.len()).collect();
        self.fabric.rng.shuffle(&mut all);
        all.truncate(fault.count);
        all
    }

    fn any_edge(&mut self) -> Option<(usize, usize)> {
        let edge = self.edges.get(self.fabric.rng.usize(..self.edges.len().max(1))).copied()?;
        Some(if self.fabric.rng.bool() { edge } else { (edge.1, edge.0) })
    }

    fn count(&mut self, kind: FaultKind) {
        *self.fabric.report.faults.entry(kind).or_default() += 1;
    }
}

/// The `number`-th choice of `count` out of `all`, in the order of a dictionary, over and over.
fn choice(all: usize, count: usize, number: u64) -> Vec<usize> {
    let mut choices: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..count.min(all) {
        choices = choices
            .into_iter()
            .flat_map(|chosen| {
                let first = chosen.last().map_or(0, |last| last + 1);
                (first..all).map(move |next| [chosen.as_slice(), &[next]].concat())
            })
            .collect();
    }
    let index = usize::try_from(number % (choices.len() as u64).max(1)).unwrap_or_default();
    choices.into_iter().nth(index).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seeds_take_all_ten_choices_of_two_out_of_five() {
        let mut choices: Vec<_> = (0..10).map(|seed| choice(5, 2, seed)).collect();
        choices.sort();
        choices.dedup();
        assert_eq!(choices.len(), 10);
        assert_eq!(choice(5, 2, 10), choice(5, 2, 0));
    }
}
