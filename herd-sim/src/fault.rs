//! How things go wrong, and how they heal: turns the faults of a scenario into what happens to servers and connections.

use crate::{
    queue::{Event, Healing},
    scenario::{Fault, FaultKind, millis},
    server::{Aftermath, Guise, Server},
    world::World,
};

/// The largest herd whose choices are all taken one after the other.
const CHOICES_OF_MAX: usize = 8;

impl World {
    /// Plans the first time of each fault; those that would be later than the scenario's end do not happen.
    pub(crate) fn plan_faults(&mut self) {
        let end = self.scenario.duration_ms;
        for (number, (fault, _)) in self.faults.iter().enumerate().filter(|(_, (fault, _))| fault.at_ms < end)
        {
            self.fabric.queue.plan(millis(fault.at_ms), Event::Fault(number));
        }
    }

    /// Begins the scenario's fault of this number, and plans its end and its next time.
    pub(crate) fn begin_fault(&mut self, number: usize) {
        let Some((fault, rng)) = self.faults.get(number).cloned() else { return };
        let mut chance = rng;
        let end = millis(self.scenario.duration_ms);
        let now = self.fabric.now;
        let heals_at = match fault.lasts_ms {
            Some((least, most)) => now + millis(chance.u64(least..=most.max(least))),
            None => end,
        };
        if let Some(every_ms) = fault.every_ms {
            let next = now + chance.u64(millis(every_ms) / 2..=millis(every_ms) * 3 / 2);
            if next < end {
                self.fabric.queue.plan(next, Event::Fault(number));
            }
        }
        let rng = &mut chance;
        let healings = match fault.kind {
            FaultKind::Crash
            | FaultKind::Kill
            | FaultKind::PowerCut
            | FaultKind::OldDisk
            | FaultKind::Replace => self.crash(&fault, rng),
            FaultKind::SlowDisk | FaultKind::FullDisk => self.hamper_disks(&fault, rng),
            FaultKind::Pause => self.pause(&fault, rng),
            FaultKind::Cut | FaultKind::HalfOpen => self.break_connections(&fault, rng),
            FaultKind::OneWay => self.deafen(&fault, rng),
            FaultKind::Partition => self.part(rng),
            FaultKind::Slow => self.slow_down(&fault, rng),
            FaultKind::ClockJump => self.set_clocks(&fault, rng),
            FaultKind::Impostor => self.copy_names(&fault, rng),
            FaultKind::Foreigner => self.usurp(&fault, rng),
        };
        for healing in healings {
            self.fabric.queue.plan(heals_at.min(end).max(now), Event::Heal(healing));
        }
        if let Some((_, rng)) = self.faults.get_mut(number) {
            *rng = chance;
        }
    }

    /// Ends a fault.
    pub(crate) fn heal(&mut self, healing: Healing) {
        match healing {
            Healing::Restart(server) => self.start(server, Guise::Own),
            Healing::Replace(index, clock_offset) => {
                if let Some(server) = self.servers.get_mut(index) {
                    server.clock_offset = clock_offset;
                }
                self.start(index, Guise::Own);
            }
            Healing::Expel(index) => {
                let is_wrong = |server: &&mut Server| server.is_impostor || !server.is_at_home();
                if let Some(server) = self.servers.get_mut(index).filter(is_wrong) {
                    let has_sign = self.fabric.rng.bool();
                    server.die(has_sign, Aftermath::Empty, &mut self.fabric);
                }
                if index < self.size {
                    self.start(index, Guise::Own);
                }
            }
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
            Healing::Hasten(server) => {
                if let Some(server) = self.servers.get_mut(server) {
                    server.disk.delay_ns = 0;
                }
            }
            Healing::MakeRoom(server) => {
                if let Some(server) = self.servers.get_mut(server) {
                    server.disk.is_full = false;
                }
            }
            Healing::Quicken(edge) => self.fabric.network.set_rate(edge, None),
        }
    }

    fn crash(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let most = i64::try_from(millis(fault.amount)).unwrap_or(i64::MAX);
        let mut healings = Vec::new();
        for server in self.killed(fault, rng) {
            healings.push(if fault.kind == FaultKind::Replace {
                Healing::Replace(server, rng.i64(-most..=most))
            } else {
                Healing::Restart(server)
            });
        }
        healings
    }

    /// Kills those that a fault is about and that live.
    fn killed(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<usize> {
        let mut killed = self.chosen(fault, rng);
        killed.retain(|&server| self.servers.get(server).is_some_and(Server::is_at_home));
        for &server in &killed {
            let after = match fault.kind {
                FaultKind::Crash | FaultKind::Replace => Aftermath::Empty,
                FaultKind::PowerCut => Aftermath::PowerCut,
                FaultKind::OldDisk => Aftermath::Old,
                FaultKind::Kill
                | FaultKind::SlowDisk
                | FaultKind::FullDisk
                | FaultKind::Pause
                | FaultKind::Cut
                | FaultKind::HalfOpen
                | FaultKind::OneWay
                | FaultKind::Partition
                | FaultKind::Slow
                | FaultKind::ClockJump
                | FaultKind::Impostor
                | FaultKind::Foreigner => Aftermath::Kept,
            };
            let has_sign = rng.bool() && after != Aftermath::PowerCut;
            if let Some(server) = self.servers.get_mut(server) {
                server.die(has_sign, after, &mut self.fabric);
            }
            self.count(fault.kind);
        }
        killed
    }

    fn hamper_disks(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let chosen = self.chosen(fault, rng);
        for &server in &chosen {
            let Some(server) = self.servers.get_mut(server) else { continue };
            server.disk.trouble(self.fabric.now);
            if fault.kind == FaultKind::FullDisk {
                server.disk.is_full = true;
            } else {
                server.disk.delay_ns = millis(fault.amount);
            }
            self.count(fault.kind);
        }
        let heals = if fault.kind == FaultKind::FullDisk { Healing::MakeRoom } else { Healing::Hasten };
        chosen.into_iter().map(heals).collect()
    }

    /// Servers that do not belong to the herd take the places of some that do.
    fn usurp(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let guises = [Guise::OtherHerd, Guise::OtherVersion, Guise::OtherSecret];
        let killed = self.killed(fault, rng);
        for &server in &killed {
            self.start(server, rng.choice(guises).unwrap_or(Guise::OtherHerd));
        }
        killed.into_iter().map(Healing::Expel).collect()
    }

    /// Servers start somewhere else whose names belong to others.
    fn copy_names(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let mut healings = Vec::new();
        for original in self.chosen(fault, rng) {
            let Some(original) = self.servers.get(original) else { continue };
            let is_free = |server: &&Server| server.life.is_none() && server.name == original.name;
            let free = self.servers.iter().skip(self.size).find(is_free).map(|server| server.index);
            let index = free.unwrap_or(self.servers.len());
            if free.is_none() {
                let (name, neighbours) = (original.name.clone(), original.neighbours.clone());
                let mut impostor = Server::new(index, name, neighbours, original.clock_offset);
                impostor.is_impostor = true;
                self.servers.push(impostor);
            }
            self.start(index, Guise::Own);
            self.count(fault.kind);
            healings.push(Healing::Expel(index));
        }
        healings
    }

    fn pause(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let chosen = self.chosen(fault, rng);
        let up: Vec<_> =
            chosen.into_iter().filter(|&s| self.servers.get(s).is_some_and(|s| s.is_up())).collect();
        for &server in &up {
            if let Some(server) = self.servers.get_mut(server) {
                server.is_paused = true;
                server.disk.trouble(self.fabric.now);
            }
            self.count(fault.kind);
        }
        up.into_iter().map(Healing::Resume).collect()
    }

    fn break_connections(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        for _ in 0..fault.count {
            let Some((a, b)) = self.any_edge(rng) else { continue };
            let Some(id) = self.servers.get(a).filter(|server| server.is_up()).and_then(|s| s.linked(b))
            else {
                continue;
            };
            self.count(fault.kind);
            if fault.kind == FaultKind::HalfOpen {
                let end = rng.usize(..2);
                self.fabric.network.kill(id, end);
            } else if let Some(server) = self.servers.get_mut(a) {
                server.cut(id, &mut self.fabric);
            }
        }
        Vec::new()
    }

    /// Nothing gets over some edges in one direction.
    fn deafen(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let mut ways = Vec::new();
        for _ in 0..fault.count {
            let Some((from, to)) = self.any_edge(rng) else { continue };
            self.fabric.network.block(from, to);
            self.count(fault.kind);
            ways.push((from, to));
        }
        vec![Healing::Unblock(ways)]
    }

    fn part(&mut self, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let sides: Vec<bool> = (0..self.size).map(|_| rng.bool()).collect();
        let one_way = rng.u8(..4) == 0;
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

    fn slow_down(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let mut healings = Vec::new();
        for _ in 0..fault.count {
            let Some(edge) = self.any_edge(rng) else { continue };
            self.fabric.network.set_rate(edge, Some(fault.amount));
            self.count(fault.kind);
            healings.push(Healing::Quicken(edge));
        }
        healings
    }

    fn set_clocks(&mut self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<Healing> {
        let most = i64::try_from(millis(fault.amount)).unwrap_or(i64::MAX);
        for server in self.chosen(fault, rng) {
            let offset = rng.i64(-most..=most);
            if let Some(server) = self.servers.get_mut(server) {
                server.clock_offset = offset;
            }
            self.count(fault.kind);
        }
        Vec::new()
    }

    /// The servers that a fault names, or so many of them: the n-th seed takes the n-th choice first.
    fn chosen(&self, fault: &Fault, rng: &mut fastrand::Rng) -> Vec<usize> {
        if !fault.servers.is_empty() {
            let is_named = |i: &usize| {
                self.servers.get(*i).is_some_and(|s| fault.servers.iter().any(|name| name == s.name.as_str()))
            };
            return (0..self.size).filter(is_named).collect();
        }
        if fault.every_ms.is_none() && self.size <= CHOICES_OF_MAX {
            return choice(self.size, fault.count, self.seed);
        }
        let mut all: Vec<_> = (0..self.size).collect();
        rng.shuffle(&mut all);
        all.truncate(fault.count);
        all
    }

    fn any_edge(&self, rng: &mut fastrand::Rng) -> Option<(usize, usize)> {
        let edge = self.edges.get(rng.usize(..self.edges.len().max(1))).copied()?;
        Some(if rng.bool() { edge } else { (edge.1, edge.0) })
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
