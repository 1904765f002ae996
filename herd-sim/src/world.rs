//! A run: takes what happens next, tells whom it concerns, and asks the oracles.
//!
//! Two phases: clients report and things go wrong for the scenario's duration; then all is healed and silent, and the
//! herd has a bounded time to link up, another to agree, and must stay so.

use herd_core::{
    command::QuestionLimits,
    limits::{COMPARE_EVERY, HANDSHAKE_MAX, REDIAL_LONGEST},
    node::{Answer, NodeSettings},
    secret::{HerdKey, Secret},
    server::{Name, NameError},
    time::{Moment, Timestamp},
    wire::line,
};

use crate::{
    client::{Crowd, Said},
    network::Network,
    oracle::{self, Rules},
    queue::{Event, Queue},
    report::{Report, Violation},
    scenario::{Scenario, millis},
    server::{Fabric, Server},
    topology,
};

/// The longest that a silent neighbour may go unnoticed.
const SILENCE_MAX_NS: u64 = 3_000_000_000;

const PROBE_EVERY_NS: u64 = 50_000_000;
const SWEEP_EVERY_NS: u64 = 1_000_000_000;

/// All links are back when a redial at its longest wait, and one that gets no answer before, are over.
const LINKS_MAX_NS: u64 = 2 * (REDIAL_LONGEST.as_secs() + HANDSHAKE_MAX.as_secs()) * 1_000_000_000;

/// A herd that agrees is watched over one more comparison on every link.
const WATCH_NS: u64 = (COMPARE_EVERY.as_secs() + 1) * 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) seed: u64,
    pub(crate) fabric: Fabric,
    pub(crate) servers: Vec<Server>,
    pub(crate) edges: Vec<(usize, usize)>,
    crowd: Crowd,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Troubled,
    /// Waits for all links.
    Linking,
    /// Waits for agreement, since this time.
    Settling(u64),
    /// Agrees, since this time.
    Watched {
        /// Since when they agree.
        since: u64,
        /// Since when the links are back.
        settling_since: u64,
    },
    Over,
}

/// Runs a scenario with one seed.
///
/// # Errors
/// Something that must not be, with the command that shows it again.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Report, Violation> {
    let violation = |at_ns: u64, what: String| Violation {
        scenario: scenario.name.clone(),
        seed,
        at_ms: at_ns / 1_000_000,
        what,
    };
    let mut world = World::new(scenario.clone(), seed).map_err(|error| violation(0, error.to_string()))?;
    world.run();
    match world.fabric.violation {
        Some(what) => Err(violation(world.fabric.now, what)),
        None => Ok(world.fabric.report),
    }
}

impl World {
    fn new(scenario: Scenario, seed: u64) -> Result<Self, NameError> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (names, edges) = topology::of(&scenario, &mut rng);
        let names: Vec<_> = names.iter().map(|name| Name::new(name)).collect::<Result<_, _>>()?;
        let crowd = Crowd::new(&scenario.clients, &mut rng);
        let offset = i64::try_from(millis(scenario.limits.clock_offset_ms)).unwrap_or(i64::MAX);
        let jumps = scenario.faults.iter().filter(|f| f.kind == crate::scenario::FaultKind::ClockJump);
        let jump_ms = jumps.map(|fault| fault.amount).max().unwrap_or_default();
        let mut settings =
            NodeSettings::new(Name::new("sim")?, 0, 0, HerdKey::derive(&Name::new("sim")?, None));
        scenario.limits.apply(&mut settings);
        let rules = Rules {
            ttl: settings.ttl,
            slack: std::time::Duration::from_millis(2 * scenario.limits.clock_offset_ms + 2 * jump_ms + 3000),
            clients_max: scenario.limits.clients_max,
        };
        let neighbours = |index: usize| {
            let others = edges.iter().filter_map(move |&(a, b)| match index {
                _ if a == index => Some(b),
                _ if b == index => Some(a),
                _ => None,
            });
            others.filter_map(|other| Some((other, names.get(other)?.clone()))).collect()
        };
        let servers = names.iter().enumerate().map(|(index, name)| Server {
            index,
            name: name.clone(),
            neighbours: neighbours(index),
            clock_offset: rng.i64(-offset..=offset),
            is_paused: false,
            lives: 0,
            life: None,
        });
        let servers = servers.collect();
        let fabric = Fabric {
            now: 0,
            queue: Queue::default(),
            network: Network::new(scenario.network.clone()),
            rng,
            report: Report::default(),
            herd: Name::new("sim")?,
            violation: None,
            rules,
        };
        Ok(Self { scenario, seed, fabric, servers, edges, crowd, phase: Phase::Troubled })
    }

    fn run(&mut self) {
        (0..self.servers.len()).for_each(|server| self.start(server));
        for (number, fault) in self.scenario.faults.iter().enumerate() {
            self.fabric.queue.plan(millis(fault.at_ms), Event::Fault(number));
        }
        for event in [Event::Traffic, Event::Sweep, Event::Probe] {
            self.fabric.queue.plan(0, event);
        }
        while self.fabric.violation.is_none()
            && !matches!(self.phase, Phase::Over)
            && let Some((at, event)) = self.fabric.queue.next()
        {
            self.fabric.now = at;
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        let fabric = &mut self.fabric;
        match event {
            Event::Traffic => self.traffic(),
            Event::Sweep => self.sweep(),
            Event::Probe => self.probe(),
            Event::Fault(number) => self.begin_fault(number),
            Event::Heal(healing) => self.heal(healing),
            Event::Dial { server, life, neighbour } => {
                if let Some(server) = self.servers.get_mut(server) {
                    server.dial(life, neighbour, fabric);
                }
            }
            Event::GiveUp { server, id } => {
                if let Some(server) = self.servers.get_mut(server) {
                    server.give_up(id, fabric);
                }
            }
            Event::Timer { server, id } => {
                if let Some(server) = self.servers.get_mut(server) {
                    server.handle_time(id, fabric);
                }
            }
            Event::Knock(id) => self.knock(id),
            Event::Reached { id, is_accepted } => {
                let [dialler, acceptor] = fabric.network.servers(id);
                if !fabric.network.is_blocked(acceptor, dialler)
                    && let Some(server) = self.servers.get_mut(dialler)
                {
                    server.reached(id, is_accepted, fabric);
                }
            }
            Event::Arrive { id, from } => self.arrive(id, from),
        }
    }

    /// Begins a life of a server that is dead.
    pub(crate) fn start(&mut self, server: usize) {
        let rng = &mut self.fabric.rng;
        let key = HerdKey::derive(&self.fabric.herd, Some(&Secret::new("sim")));
        let Some(server) = self.servers.get_mut(server).filter(|server| server.life.is_none()) else {
            return;
        };
        let mut settings = NodeSettings::new(server.name.clone(), rng.u64(1..), rng.u64(..), key);
        settings.started = Moment::from_nanos(self.fabric.now);
        self.scenario.limits.apply(&mut settings);
        server.start(settings, &mut self.fabric);
    }

    fn knock(&mut self, id: usize) {
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

    fn arrive(&mut self, id: usize, from: usize) {
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

    fn traffic(&mut self) {
        let now = self.fabric.now;
        if now >= millis(self.scenario.duration_ms) {
            return;
        }
        let up: Vec<_> = self.servers.iter().filter(|s| s.is_up()).map(|s| s.index).collect();
        if let Some(&server) = self.fabric.rng.choice(&up)
            && let Some(said) = self.crowd.speak(now, &mut self.fabric.rng)
        {
            self.tell(server, &said);
        }
        let pause = self.crowd.pause(&mut self.fabric.rng);
        self.fabric.queue.plan(now + pause, Event::Traffic);
    }

    /// A client tells a server where it is, and is answered.
    fn tell(&mut self, server: usize, said: &Said) {
        let fabric = &mut self.fabric;
        let Some(server) = self.servers.get_mut(server) else { return };
        let clock = server.now(fabric.now).clock;
        let Some(life) = &mut server.life else { return };
        let limits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
        let command = line::parse(&said.line, &limits);
        let mut answers = Vec::new();
        let effects = life.node.apply(&[command], clock, &mut answers);
        fabric.report.reports += 1;
        fabric.report.evicted += effects.evicted as u64;
        if !matches!(answers.as_slice(), [Answer::Taken { .. }]) {
            fabric.accuse(|| format!("{}: answered {answers:?} to a report", server.name));
        }
        if effects.fresh.is_empty() {
            // Refused: what is held must count as later, or be later by the clock of a server that is ahead.
            let held = life.held.order_time(&said.client).unwrap_or_default();
            let since = clock.offset(-i64::try_from(fabric.rules.slack.as_nanos()).unwrap_or(i64::MAX));
            if said.is_honest && held < since {
                fabric.accuse(|| format!("{}: refused news of {}", server.name, said.client.escape_ascii()));
            }
            return;
        }
        fabric.report.news += 1;
        server.learn(&effects.fresh, fabric);
        server.pump_all(fabric);
        self.ask(&said.client, clock);
    }

    /// Somebody asks any server about a client: what it answers, it must know.
    fn ask(&mut self, client: &[u8], clock: Timestamp) {
        let up: Vec<_> = self.servers.iter().filter(|server| server.is_up()).collect();
        if let Some(life) = self.fabric.rng.choice(&up).and_then(|server| server.life.as_ref()) {
            let answer = oracle::at_line(&life.node, client, clock);
            self.fabric.report.queries += 1;
            if answer.is_some() && life.held.order_time(client).is_none() {
                self.fabric.accuse(|| "a server knows what nobody told it".to_owned());
            }
        }
    }

    fn sweep(&mut self) {
        for server in self.servers.iter().filter(|server| server.is_up()) {
            if let Some(life) = &server.life {
                life.node.sweep(server.now(self.fabric.now).clock);
            }
        }
        self.fabric.queue.plan(self.fabric.now + SWEEP_EVERY_NS, Event::Sweep);
    }

    fn probe(&mut self) {
        let now = self.fabric.now;
        let end = millis(self.scenario.duration_ms);
        for server in &self.servers {
            if let Some((_, silence)) = server.silence(now)
                && silence > SILENCE_MAX_NS
            {
                let what = || format!("{}: has not noticed a neighbour's silence", server.name);
                self.fabric.violation.get_or_insert_with(what);
            }
        }
        match self.phase {
            Phase::Troubled if now > end => self.phase = Phase::Linking,
            Phase::Linking if self.is_linked() => {
                self.fabric.report.links_after_ms = (now - end) / 1_000_000;
                self.phase = Phase::Settling(now);
            }
            Phase::Linking if now > end + LINKS_MAX_NS => {
                self.fabric.accuse(|| "not all links came back".to_owned());
            }
            Phase::Settling(since) => match self.agreement() {
                Ok(()) => {
                    self.fabric.report.agreed_after_ms = (now - since) / 1_000_000;
                    self.phase = Phase::Watched { since: now, settling_since: since };
                }
                Err(what) if now > since + millis(self.scenario.settle_ms) => self.fabric.accuse(|| what),
                Err(_) => {}
            },
            Phase::Watched { since, settling_since } if now > since + WATCH_NS => {
                match self.agreement().and_then(|()| self.bounds()) {
                    // Servers sweep at their own times: while reports expire they agree, differ, and agree again.
                    Err(_) if self.is_expiring(settling_since) => {
                        self.phase = Phase::Settling(settling_since);
                    }
                    Err(what) => self.fabric.accuse(|| what),
                    Ok(()) => self.phase = Phase::Over,
                }
            }
            Phase::Troubled | Phase::Linking | Phase::Watched { .. } | Phase::Over => {}
        }
        self.fabric.queue.plan(now + PROBE_EVERY_NS, Event::Probe);
    }

    /// Whether reports may still be expiring, in a run that settles since then.
    fn is_expiring(&self, settling_since: u64) -> bool {
        self.scenario.limits.ttl_ms.is_some()
            && self.fabric.now <= settling_since + millis(self.scenario.settle_ms)
    }

    /// Whether each edge is one connection that both ends use.
    fn is_linked(&self) -> bool {
        self.edges.iter().all(|&(a, b)| {
            let at = |server: usize, other| self.servers.get(server).and_then(|server| server.linked(other));
            at(a, b).is_some() && at(a, b) == at(b, a)
        })
    }

    fn agreement(&self) -> Result<(), String> {
        let lives = self.servers.iter().filter_map(|server| {
            let life = server.life.as_ref()?;
            Some((&server.name, &life.node, &life.held, server.now(self.fabric.now).clock))
        });
        oracle::agreement(&lives.collect::<Vec<_>>(), &self.fabric.rules)
    }

    /// Whether the run cost no more than the scenario allows.
    fn bounds(&self) -> Result<(), String> {
        let (report, bounds) = (&self.fabric.report, &self.scenario.bounds);
        let news = report.news.max(1);
        let limits = [
            ("live records on links", report.live_records, bounds.messages_per_report.map(|per| per * news)),
            ("bytes on links", report.bytes, bounds.bytes_per_report.map(|per| per * news)),
            ("copied records", report.copied_records, bounds.copies_per_hundred.map(|per| per * news / 100)),
        ];
        for (what, count, max) in limits {
            if max.is_some_and(|max| count > max) {
                return Err(format!("{count} {what} for {news} reports"));
            }
        }
        if bounds.overtaken_min.is_some_and(|min| report.overtaken.saturating_sub(report.started_anew) < min)
        {
            return Err("no link fell off the log".to_owned());
        }
        Ok(())
    }
}
