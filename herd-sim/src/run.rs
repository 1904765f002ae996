//! A run: takes what happens next, tells whom it concerns, and asks the oracles.
//!
//! Two phases: clients report and things go wrong for the scenario's duration; then all is healed and silent, and the
//! herd has a bounded time to link up, another to agree, and must stay so.

use herd_core::limits::{COMPARE_EVERY, HANDSHAKE_MAX, REDIAL_LONGEST};

use crate::{
    caught::caught,
    queue::Event,
    report::{Report, Violation},
    scenario::{Scenario, millis},
    server::Guise,
    world::World,
};

/// The longest that a silent neighbour may go unnoticed.
const SILENCE_MAX_NS: u64 = 3_000_000_000;

const PROBE_EVERY_NS: u64 = 50_000_000;
const SWEEP_EVERY_NS: u64 = 1_000_000_000;

/// All links are back when a redial at its longest wait, and one that gets no answer before, are over.
const LINKS_MAX_NS: u64 = 2 * (REDIAL_LONGEST.as_secs() + HANDSHAKE_MAX.as_secs()) * 1_000_000_000;

/// Until so long after the last fault two that dialled each other may link twice, and one of the two connections has to go.
const DOUBLES_MAX_NS: u64 = SILENCE_MAX_NS + HANDSHAKE_MAX.as_secs() * 1_000_000_000;

/// A herd that agrees is watched over one more comparison on every link, and until copies that were on their way have come:
/// full tables may agree by chance before.
const WATCH_NS: u64 = (COMPARE_EVERY.as_secs() + 1) * 1_000_000_000;

/// Most bytes that a link without reports may send in a second, both ends together: two heartbeats of 37 bytes each,
/// and a comparison every five seconds.
const IDLE_BYTES_PER_SECOND: u64 = 120;

/// Most events of one instant: all pieces that fifty servers read after a pause are some ten thousand.
const AT_ONCE_MAX: u64 = 1_000_000;

/// The last part of the watch: by then what was still under way when the herd agreed has come, and all are silent.
const CALM_NS: u64 = 3_000_000_000;

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Troubled,
    /// Waits for all links.
    Linking,
    /// Waits for agreement, since this time.
    Settling(u64),
    /// Agrees.
    Watched(Watch),
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    /// Since when they agree.
    since: u64,
    /// Since when the links are back.
    settling_since: u64,
    /// Links there had been by then.
    links: u64,
    /// Bytes sent by [`CALM_NS`] before the end of the watch, once that has come.
    bytes: Option<u64>,
}

/// Runs a scenario with one seed.
///
/// # Errors
/// Something that must not be, a panic included, with the command that shows it again.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Report, Box<Violation>> {
    let violation = |at_ns: u64, servers: usize, what: String| {
        Box::new(Violation {
            scenario: scenario.name.clone(),
            seed,
            cut: scenario.cut.clone(),
            servers,
            at_ms: at_ns / 1_000_000,
            what,
        })
    };
    let built = caught(|| World::new(scenario.clone(), seed));
    let built = built.and_then(|world| world.map_err(|error| error.to_string()));
    let mut world = built.map_err(|what| violation(0, 0, what))?;
    if let Err(what) = caught(|| Run { world: &mut world, phase: Phase::Troubled }.run()) {
        world.fabric.accuse(|| what);
    }
    world.fabric.report.virtual_ms = world.fabric.now / 1_000_000;
    match world.fabric.violation {
        Some(what) => Err(violation(world.fabric.now, world.size, what)),
        None => Ok(world.fabric.report),
    }
}

/// A world and how far it has come.
struct Run<'a> {
    world: &'a mut World,
    phase: Phase,
}

impl Run<'_> {
    fn run(&mut self) {
        (0..self.world.size).for_each(|server| self.world.start(server, Guise::Own));
        self.world.plan_faults();
        for event in [Event::Traffic, Event::Sweep, Event::Probe] {
            self.world.fabric.queue.plan(0, event);
        }
        let mut at_once = 0;
        while self.world.fabric.violation.is_none()
            && !matches!(self.phase, Phase::Over)
            && let Some((at, event)) = self.world.fabric.queue.next()
        {
            at_once = if at == self.world.fabric.now { at_once + 1 } else { 0 };
            self.world.fabric.now = at;
            self.handle(event);
            if at_once > AT_ONCE_MAX {
                self.world
                    .fabric
                    .accuse(|| "time stands still: somebody asks to be told it again and again".to_owned());
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let world = &mut *self.world;
        let fabric = &mut world.fabric;
        match event {
            Event::Traffic => world.traffic(),
            Event::Sweep => {
                world.sweep();
                world.fabric.queue.plan(world.fabric.now + SWEEP_EVERY_NS, Event::Sweep);
            }
            Event::Probe => self.probe(),
            Event::Fault(number) => world.begin_fault(number),
            Event::Heal(healing) => world.heal(healing),
            Event::Dial { server, life, neighbour } => {
                if let Some(server) = world.servers.get_mut(server) {
                    server.dial(life, neighbour, fabric);
                }
            }
            Event::GiveUp { server, id } => {
                if let Some(server) = world.servers.get_mut(server) {
                    server.give_up(id, fabric);
                }
            }
            Event::Timer { server, id } => {
                if let Some(server) = world.servers.get_mut(server) {
                    server.handle_time(id, fabric);
                }
            }
            Event::Write { server, life } => {
                if let Some(server) = world.servers.get_mut(server) {
                    server.write(life, fabric);
                }
            }
            Event::Sync { server, life } => {
                if let Some(server) = world.servers.get_mut(server) {
                    server.sync(life, fabric);
                }
            }
            Event::Knock(id) => world.knock(id),
            Event::Reached { id, is_accepted } => {
                let [dialler, acceptor] = fabric.network.servers(id);
                if !fabric.network.is_blocked(acceptor, dialler)
                    && let Some(server) = world.servers.get_mut(dialler)
                {
                    server.reached(id, is_accepted, fabric);
                }
            }
            Event::Arrive { id, from } => world.arrive(id, from),
        }
    }

    fn probe(&mut self) {
        let fabric = &mut self.world.fabric;
        let now = fabric.now;
        let end = millis(self.world.scenario.duration_ms);
        for server in &mut self.world.servers {
            server.check_memory(fabric);
            if let Some((_, silence)) = server.silence(now)
                && silence > SILENCE_MAX_NS
            {
                fabric.accuse(|| format!("{}: has not noticed a neighbour's silence", server.name));
            }
        }
        let settle_ns = millis(self.world.scenario.settle_ms);
        let watch_ns = WATCH_NS + millis(2 * self.world.scenario.copy_ms());
        match self.phase {
            Phase::Troubled if now > end => self.phase = Phase::Linking,
            Phase::Linking if self.world.is_linked() => {
                self.world.fabric.report.links_after_ms = (now - end) / 1_000_000;
                self.phase = Phase::Settling(now);
            }
            Phase::Linking if now > end + LINKS_MAX_NS => {
                self.world.fabric.accuse(|| "not all links came back".to_owned());
            }
            // A connection that is dead with nobody told looks like a link until its silence is noticed.
            Phase::Settling(_) if !self.world.is_linked() => self.phase = Phase::Linking,
            Phase::Settling(since) => match self.world.agreement() {
                Ok(()) => self.watch(since),
                Err(what) if now > since.max(end + SILENCE_MAX_NS) + settle_ns => {
                    self.world.fabric.accuse(|| what);
                }
                Err(_) => {}
            },
            Phase::Watched(watch) if watch.since < end + DOUBLES_MAX_NS && self.has_lost_links(&watch) => {
                self.phase = Phase::Linking;
            }
            Phase::Watched(watch) if now > watch.since + watch_ns => self.end_watch(&watch),
            Phase::Watched(Watch { since, bytes: None, .. }) if now > since + watch_ns - CALM_NS => {
                let sent = self.world.fabric.report.bytes;
                if let Phase::Watched(watch) = &mut self.phase {
                    watch.bytes = Some(sent);
                }
            }
            Phase::Troubled | Phase::Linking | Phase::Watched(_) | Phase::Over => {}
        }
        self.world.fabric.queue.plan(now + PROBE_EVERY_NS, Event::Probe);
    }

    fn watch(&mut self, settling_since: u64) {
        let (since, report) = (self.world.fabric.now, &mut self.world.fabric.report);
        report.agreed_after_ms = (since - settling_since) / 1_000_000;
        self.phase = Phase::Watched(Watch { since, settling_since, links: report.links, bytes: None });
    }

    fn end_watch(&mut self, watch: &Watch) {
        match self.verdict(watch) {
            // Servers sweep at their own times: while reports expire they agree, differ, and agree again.
            Err(_) if self.is_expiring(watch.settling_since) => {
                self.phase = Phase::Settling(watch.settling_since);
            }
            Err(what) => self.world.fabric.accuse(|| what),
            Ok(()) => self.phase = Phase::Over,
        }
    }

    fn verdict(&mut self, watch: &Watch) -> Result<(), String> {
        self.world.agreement()?;
        self.calm(watch)?;
        self.bounds()?;
        self.world.laws()
    }

    /// Whether reports may still be expiring, in a run that settles since then.
    fn is_expiring(&self, settling_since: u64) -> bool {
        let scenario = &self.world.scenario;
        scenario.limits.ttl_ms.is_some()
            && self.world.fabric.now <= settling_since + millis(scenario.settle_ms)
    }

    fn has_lost_links(&self, watch: &Watch) -> bool {
        self.world.fabric.report.links != watch.links || !self.world.is_linked()
    }

    /// Whether a herd that agreed kept its links and had little to say.
    fn calm(&self, watch: &Watch) -> Result<(), String> {
        let report = &self.world.fabric.report;
        if self.has_lost_links(watch) {
            return Err("a link was lost while nothing was wrong".to_owned());
        }
        let (bytes, links) = (report.bytes - watch.bytes.unwrap_or_default(), self.world.edges.len());
        let seconds = CALM_NS / 1_000_000_000 + 1;
        // On a narrow network a comparison takes its time, and so do live reports that the others have by other ways.
        let scenario = &self.world.scenario;
        let is_over = scenario.copy_ms() + scenario.drain_ms() < (WATCH_NS - CALM_NS) / 2_000_000;
        if is_over && bytes > IDLE_BYTES_PER_SECOND * seconds * links as u64 {
            return Err(format!("{bytes} bytes in {seconds} s on {links} links that have nothing to say"));
        }
        Ok(())
    }

    /// Whether the run cost no more than the scenario allows.
    fn bounds(&self) -> Result<(), String> {
        let (report, bounds) = (&self.world.fabric.report, &self.world.scenario.bounds);
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
        let overtaken = report.overtaken.saturating_sub(report.started_anew);
        if bounds.overtaken_min.is_some_and(|min| overtaken < min) {
            return Err("no link fell off the log".to_owned());
        }
        Ok(())
    }
}
