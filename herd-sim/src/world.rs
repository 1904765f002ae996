//! A herd with its network and clients: its state, and what happens to single servers and clients in it.
//!
//! Knows neither faults nor when a run is over.

use std::time::Duration;

use herd_core::{
    command::QuestionLimits,
    node::{Answer, Node, NodeSettings},
    secret::{HerdKey, Secret},
    server::{Name, NameError},
    time::Moment,
    wire::line,
};

use crate::{
    chance::Chance,
    client::{Crowd, Said},
    network::Network,
    oracle::{self, Known, POISON, Rules, SLACK_MIN, Told},
    queue::{ConnectionId, Event, Queue},
    report::Report,
    scenario::{Fault, FaultKind, Scenario, millis},
    server::{Fabric, Guise, Server},
    topology,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
    pub(crate) fabric: Fabric,
    /// Those of the herd, then impostors.
    pub(crate) servers: Vec<Server>,
    pub(crate) edges: Vec<(usize, usize)>,
    /// Servers of the herd.
    pub(crate) size: usize,
    /// The scenario's faults, each with random numbers of its own.
    pub(crate) faults: Vec<(Fault, fastrand::Rng)>,
    crowd: Crowd,
    traffic: fastrand::Rng,
}

impl World {
    pub(crate) fn new(scenario: Scenario, seed: u64) -> Result<Self, NameError> {
        let chance = Chance::of(seed);
        let (names, edges) = topology::of(&scenario, &mut chance.stream("topology"));
        let names: Vec<_> = names.iter().map(|name| Name::new(name)).collect::<Result<_, _>>()?;
        let crowd = Crowd::new(&scenario.clients, &mut chance.stream("clients"));
        let herd = Name::new("sim")?;
        let fabric = Fabric {
            now: 0,
            queue: Queue::default(),
            network: Network::new(scenario.network.clone()),
            rng: chance.stream("network"),
            report: Report::default(),
            key: HerdKey::derive(&herd, Some(&Secret::new("sim"))),
            rules: rules(&scenario, &herd),
            herd,
            other_herd: Name::new("other")?,
            violation: None,
            told: Told::default(),
        };
        let mut clocks = chance.stream("clocks");
        let offset = i64::try_from(millis(scenario.limits.clock_offset_ms)).unwrap_or(i64::MAX);
        let server = |(index, name): (usize, &Name)| {
            Server::new(index, name.clone(), neighbours(index, &names, &edges), clocks.i64(-offset..=offset))
        };
        let servers: Vec<_> = names.iter().enumerate().map(server).collect();
        Ok(Self {
            seed,
            fabric,
            size: servers.len(),
            servers,
            edges,
            faults: faults(&scenario, chance),
            crowd,
            traffic: chance.stream("traffic"),
            scenario,
        })
    }

    /// Begins a life of a server that is dead.
    pub(crate) fn start(&mut self, server: usize, guise: Guise) {
        let rng = &mut self.fabric.rng;
        let key = self.fabric.key.clone();
        let Some(server) = self.servers.get_mut(server).filter(|server| server.life.is_none()) else {
            return;
        };
        let mut settings = NodeSettings::new(server.name.clone(), rng.u64(1..), rng.u64(..), key);
        settings.started = Moment::from_nanos(self.fabric.now);
        self.scenario.limits.apply(&mut settings);
        server.start(settings, guise, &mut self.fabric);
        if guise != Guise::Own {
            let line = [b"IAMAT ", POISON, b" +0+0 1520000000"].concat();
            let clock = server.now(self.fabric.now).clock;
            let commands = [line::parse(&line, &limits())];
            if let Some(life) = &server.life {
                life.node.apply(&commands, clock, &mut Vec::new());
            }
        }
    }

    /// A connection attempt reaches its acceptor.
    pub(crate) fn knock(&mut self, id: ConnectionId) {
        let fabric = &mut self.fabric;
        let [dialler, acceptor] = fabric.network.servers(id);
        let Some(server) = self.servers.get_mut(acceptor) else { return };
        if fabric.network.is_blocked(dialler, acceptor) {
            return;
        }
        let latency = fabric.network.latency(&mut fabric.rng);
        let is_accepted = server.life.is_some();
        fabric.queue.plan(fabric.now + latency, Event::Reached { id, is_accepted });
        if is_accepted {
            server.accept(id, fabric);
        }
    }

    /// Bytes reach the other end.
    pub(crate) fn arrive(&mut self, id: ConnectionId, from: usize) {
        if !self.fabric.network.arrive(id, from) {
            return;
        }
        let [dialler, acceptor] = self.fabric.network.servers(id);
        let (writer, reader) = if from == 0 { (dialler, acceptor) } else { (acceptor, dialler) };
        if let Some(reader) = self.servers.get_mut(reader) {
            reader.read(id, &mut self.fabric);
        }
        // There may be room for more.
        if let Some(writer) = self.servers.get_mut(writer) {
            writer.pump(id, &mut self.fabric);
        }
    }

    /// Some client speaks to some server, until the scenario is over.
    pub(crate) fn traffic(&mut self) {
        let now = self.fabric.now;
        if now >= millis(self.scenario.duration_ms) {
            return;
        }
        if let Some(server) = self.any_server()
            && let Some(said) = self.crowd.speak(now, &mut self.traffic)
        {
            self.tell(server, &said);
        }
        let pause = self.crowd.pause(&mut self.traffic);
        self.fabric.queue.plan(now + pause, Event::Traffic);
    }

    /// A client tells a server where it is, and is answered.
    fn tell(&mut self, server: usize, said: &Said) {
        let fabric = &mut self.fabric;
        let Some(server) = self.servers.get_mut(server) else { return };
        let clock = server.now(fabric.now).clock;
        let Some(life) = &mut server.life else { return };
        let line = said.line();
        let mut answers = Vec::new();
        let effects = life.node.apply(&[line::parse(&line, &limits())], clock, &mut answers);
        fabric.report.reports += 1;
        fabric.report.evicted += effects.evicted as u64;
        let skew_nanos = clock.nanos_since(said.at);
        if answers != [Answer::Taken { skew_nanos }] {
            fabric.accuse(|| format!("{}: answered {answers:?} to a report", server.name));
        }
        if effects.fresh.is_empty() {
            let new = Known::taken(said, &server.name, clock);
            let told = oracle::at_line(&life.node, &said.client, clock);
            let told = told.and_then(|line| fabric.told.find(&said.client, &line));
            if let Err(what) = life.held.check_refusal(said, &new, told, &fabric.rules) {
                fabric.accuse(|| format!("{}: {what}", server.name));
            }
        } else {
            fabric.report.news += 1;
            server.learn(&effects.fresh, None, fabric);
            if fabric.rules.is_durable {
                server.answer_when_safe(&said.client);
            }
            server.pump_all(fabric);
        }
        self.ask(&said.client);
    }

    /// Somebody asks any server about a client: it answers what it was told last, nothing else.
    fn ask(&mut self, client: &[u8]) {
        let Some(server) = self.any_server().and_then(|server| self.servers.get(server)) else { return };
        let Some(life) = &server.life else { return };
        let clock = server.now(self.fabric.now).clock;
        let answer = oracle::at_line(&life.node, client, clock);
        let Fabric { told, rules, report, .. } = &mut self.fabric;
        report.queries += 1;
        if let Err(what) = life.held.check_answer(client, answer.as_deref(), told, (clock, rules)) {
            self.fabric.accuse(|| format!("{}: {what}", server.name));
        }
    }

    fn any_server(&mut self) -> Option<usize> {
        let up: Vec<_> = self.servers.iter().filter(|s| s.serves()).map(|s| s.index).collect();
        self.traffic.choice(up)
    }

    /// All servers drop some of what has expired.
    pub(crate) fn sweep(&self) {
        for server in self.servers.iter().filter(|server| server.is_up()) {
            if let Some(life) = &server.life {
                let _ = life.node.sweep(server.now(self.fabric.now).clock);
            }
        }
    }

    /// Whether each edge is one connection that both ends use.
    pub(crate) fn is_linked(&self) -> bool {
        self.edges.iter().all(|&(a, b)| {
            let at = |server: usize, other| self.servers.get(server).and_then(|server| server.linked(other));
            at(a, b).is_some() && at(a, b) == at(b, a)
        })
    }

    /// Whether all servers hold the same and the best; says what is amiss.
    pub(crate) fn agreement(&self) -> Result<(), String> {
        let lives = self.servers.iter().filter_map(|server| {
            let life = server.life.as_ref()?;
            Some((&server.name, &life.node, &life.held, server.now(self.fabric.now).clock))
        });
        oracle::agreement(&lives.collect::<Vec<_>>(), &self.fabric.told, &self.fabric.rules)
    }
}

/// What is on disk, against what the servers hold.
impl World {
    /// Whether each disk gives back what its server holds, and whether all that any disk of the herd holds, merged in any
    /// order and twice, gives that too: the laws of merging, and what a kill of the whole herd would leave.
    pub(crate) fn laws(&mut self) -> Result<(), String> {
        let limits = &self.scenario.limits;
        if limits.ttl_ms.is_some() || limits.clients_max.is_some() {
            return Ok(());
        }
        let all = self.fresh_node();
        for server in self.servers.iter().filter(|server| !server.is_impostor) {
            let Some(life) = &server.life else { continue };
            let clock = server.now(self.fabric.now).clock;
            let alone = self.fresh_node();
            let mut blocks: Vec<&[u8]> = server.disk.blocks().map(|block| &**block).collect();
            for node in [&alone, &all, &all] {
                self.traffic.shuffle(&mut blocks);
                for block in &blocks {
                    let name = &server.name;
                    node.restore(block, clock).map_err(|error| format!("{name}: wrote no block: {error}"))?;
                }
            }
            if alone.digest() != life.node.digest() {
                let (on_disk, held) = (alone.clients(), life.node.clients());
                return Err(format!(
                    "{}: its disk lacks what it holds: {on_disk} clients of {held}",
                    server.name
                ));
            }
        }
        let is_same =
            |server: &Server| server.life.as_ref().is_none_or(|life| life.node.digest() == all.digest());
        if self.servers.iter().all(is_same) {
            Ok(())
        } else {
            Err("disks hold what the herd does not".to_owned())
        }
    }

    fn fresh_node(&self) -> Node {
        Node::new(NodeSettings::new(self.fabric.herd.clone(), 1, 2, self.fabric.key.clone()))
    }
}

fn neighbours(index: usize, names: &[Name], edges: &[(usize, usize)]) -> Vec<(usize, Name)> {
    let others = edges.iter().filter_map(|&(a, b)| match index {
        _ if a == index => Some(b),
        _ if b == index => Some(a),
        _ => None,
    });
    others.filter_map(|other| Some((other, names.get(other)?.clone()))).collect()
}

fn rules(scenario: &Scenario, herd: &Name) -> Rules {
    let sets_clocks = |fault: &&Fault| matches!(fault.kind, FaultKind::ClockJump | FaultKind::Replace);
    let jumps = scenario.faults.iter().filter(sets_clocks);
    let jump_ms = jumps.map(|fault| fault.amount).max();
    let offset_ms = scenario.limits.clock_offset_ms;
    let has_impostors = scenario.faults.iter().any(|fault| fault.kind == FaultKind::Impostor);
    let mut settings = NodeSettings::new(herd.clone(), 0, 0, HerdKey::derive(herd, None));
    scenario.limits.apply(&mut settings);
    Rules {
        ttl: settings.ttl,
        // A server whose clock jumps takes its neighbours' for that much off until their next heartbeats: it had been off by as
        // much as any other.
        slack: SLACK_MIN
            + Duration::from_millis(jump_ms.map_or(2 * offset_ms, |jump| 3 * offset_ms + 4 * jump)),
        clients_max: scenario.limits.clients_max,
        is_durable: scenario.limits.is_durable,
        has_small_logs: scenario.limits.log_bytes_max.is_some(),
        has_impostors,
    }
}

/// The n-th fault of a kind has the same random numbers whatever other kinds there are.
fn faults(scenario: &Scenario, chance: Chance) -> Vec<(Fault, fastrand::Rng)> {
    let number = |at: usize, kind| scenario.faults.iter().take(at).filter(|fault| fault.kind == kind).count();
    let stream = |at, fault: &Fault| chance.stream(&format!("{} {}", fault.kind, number(at, fault.kind)));
    scenario.faults.iter().enumerate().map(|(at, fault)| (fault.clone(), stream(at, fault))).collect()
}

const fn limits() -> QuestionLimits {
    QuestionLimits { radius_km_max: Some(50), bound_max: 20 }
}
