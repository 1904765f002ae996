//! One server: the real node and links, and a driver that does with simulated connections what the real one does with
//! sockets. It decides nothing that the real driver does not decide.
//!
//! A server has *lives*: it can die and come back. Everything but its name, neighbours, clock and disk belongs to a life.

mod links;
mod storage;

use std::collections::BTreeMap;

use herd_core::{
    limits::{HANDSHAKE_MAX, REDIAL_FIRST, REDIAL_LONGEST},
    link::{Link, Peer, Progress, Side},
    node::{Node, NodeSettings},
    secret::HerdKey,
    server::Name,
    time::{Moment, Now, Timestamp},
    write_behind::WriteBehind,
};

use crate::{
    disk::Disk,
    network::Network,
    oracle::{Held, Known, Memory, Rules, Told},
    queue::{ConnectionId, Event, Queue},
    report::Report,
};

pub(crate) use storage::Aftermath;
use storage::Storage;

/// The wall clock at the start of a run, in nanoseconds.
const EPOCH: u64 = 1_520_000_000_000_000_000;

/// What all servers share: time, chance, the network, and what is counted.
#[derive(Debug)]
pub(crate) struct Fabric {
    /// Nanoseconds since the start.
    pub(crate) now: u64,
    pub(crate) queue: Queue,
    pub(crate) network: Network,
    pub(crate) rng: fastrand::Rng,
    pub(crate) report: Report,
    pub(crate) herd: Name,
    /// A name that is not the herd's.
    pub(crate) other_herd: Name,
    pub(crate) key: HerdKey,
    /// The first thing that went wrong.
    pub(crate) violation: Option<String>,
    pub(crate) rules: Rules,
    /// What clients told the herd.
    pub(crate) told: Told,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) index: usize,
    pub(crate) name: Name,
    pub(crate) neighbours: Vec<(usize, Name)>,
    /// Nanoseconds that its clock is ahead.
    pub(crate) clock_offset: i64,
    /// It has the name of a server of the herd, but is not the one.
    pub(crate) is_impostor: bool,
    pub(crate) is_paused: bool,
    pub(crate) lives: u64,
    pub(crate) life: Option<Life>,
    pub(crate) disk: Disk,
    /// What former lives promised to have written down, by client, and when they learned it.
    promised: BTreeMap<Vec<u8>, Vec<(u64, Known)>>,
}

/// A server while it lives.
#[derive(Debug)]
pub(crate) struct Life {
    number: u64,
    guise: Guise,
    /// It is about to end, since its name is taken.
    has_yielded: bool,
    pub(crate) node: Node,
    pub(crate) held: Held,
    memory: Memory,
    storage: Storage,
    edges: Vec<Edge>,
    ends: BTreeMap<ConnectionId, End>,
    /// Connections that came while it was paused.
    waiting: Vec<(ConnectionId, usize)>,
}

/// Who a process is that sits at a server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guise {
    /// The server.
    Own,
    /// One of another herd.
    OtherHerd,
    /// One that speaks another version of the protocol.
    OtherVersion,
    /// One that does not know the secret.
    OtherSecret,
}

/// What it knows of one neighbour.
#[derive(Debug)]
struct Edge {
    neighbour: usize,
    name: Name,
    current: Option<ConnectionId>,
    dialling: Option<ConnectionId>,
    progress: Option<Progress>,
    wait_ns: u64,
}

/// Its end of one connection.
#[derive(Debug)]
struct End {
    link: Link,
    number: usize,
    peer: Option<Peer>,
    unsent: Vec<u8>,
    heard_at: u64,
    timer_at: Option<u64>,
}

impl Fabric {
    /// Takes note of something that must not be; only the first is kept.
    pub(crate) fn accuse(&mut self, what: impl FnOnce() -> String) {
        self.violation.get_or_insert_with(what);
    }

    pub(crate) fn close(&mut self, id: ConnectionId, end: usize) {
        self.network.close(id, end, (self.now, &mut self.queue, &mut self.rng));
    }
}

impl Server {
    /// A server that is dead.
    pub(crate) fn new(index: usize, name: Name, neighbours: Vec<(usize, Name)>, clock_offset: i64) -> Self {
        Self {
            index,
            name,
            neighbours,
            clock_offset,
            is_impostor: false,
            is_paused: false,
            lives: 0,
            life: None,
            disk: Disk::default(),
            promised: BTreeMap::new(),
        }
    }

    /// Both clocks of this server.
    pub(crate) fn now(&self, now: u64) -> Now {
        let clock = Timestamp::from_nanos(EPOCH.saturating_add(now)).offset(self.clock_offset);
        Now { moment: Moment::from_nanos(now), clock }
    }

    /// Whether it lives and is not paused.
    pub(crate) const fn is_up(&self) -> bool {
        self.life.is_some() && !self.is_paused
    }

    /// Whether it lives, and is who it should be.
    pub(crate) fn is_at_home(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.guise == Guise::Own)
    }

    /// Whether clients can talk to it.
    pub(crate) fn serves(&self) -> bool {
        self.is_at_home() && !self.is_paused
    }

    /// Asks the oracle of memory.
    pub(crate) fn check_memory(&mut self, fabric: &mut Fabric) {
        let Some(life) = self.life.as_mut().filter(|life| life.guise == Guise::Own) else { return };
        if let Err(what) = life.memory.check(&life.node, &fabric.told) {
            fabric.accuse(|| format!("{}: {what}", self.name));
        }
    }

    /// Begins a life with what is on disk, and dials everybody.
    pub(crate) fn start(&mut self, settings: NodeSettings, guise: Guise, fabric: &mut Fabric) {
        self.lives += 1;
        let edge = |(neighbour, name): &(usize, Name)| Edge {
            neighbour: *neighbour,
            name: name.clone(),
            current: None,
            dialling: None,
            progress: None,
            wait_ns: nanos(REDIAL_FIRST),
        };
        let node = Node::new(settings);
        let held = if guise == Guise::Own { self.recover(&node, fabric) } else { Held::default() };
        self.life = Some(Life {
            number: self.lives,
            guise,
            has_yielded: false,
            node,
            held,
            memory: Memory::default(),
            storage: Storage::new(WriteBehind::new(self.disk.held())),
            edges: self.neighbours.iter().map(edge).collect(),
            ends: BTreeMap::new(),
            waiting: Vec::new(),
        });
        self.sync_first(fabric);
        for &(neighbour, _) in &self.neighbours {
            let at = fabric.now + fabric.rng.u64(..20_000_000);
            fabric.queue.plan(at, Event::Dial { server: self.index, life: self.lives, neighbour });
        }
    }

    /// Ends its life. With a sign, as when a process is killed, the others see their connections close; without,
    /// as when the power fails, they see nothing.
    pub(crate) fn die(&mut self, has_sign: bool, after: Aftermath, fabric: &mut Fabric) {
        let Some(mut life) = self.life.take() else { return };
        self.is_paused = false;
        if life.guise == Guise::Own {
            self.leave_disk(&life.held, &mut life.storage, after, fabric);
        }
        let dialling = life.edges.iter().filter_map(|edge| edge.dialling.map(|id| (id, 0)));
        let waiting = life.waiting.iter().copied();
        let ends = life.ends.iter().map(|(&id, end)| (id, end.number));
        for (id, end) in ends.chain(dialling).chain(waiting) {
            if !has_sign {
                fabric.network.kill(id, end);
            }
            fabric.close(id, end);
        }
    }

    /// Goes on after a pause: what arrived meanwhile is read, and time has passed.
    pub(crate) fn resume(&mut self, fabric: &mut Fabric) {
        self.is_paused = false;
        let Some(life) = &mut self.life else { return };
        let (number, waiting) = (life.number, std::mem::take(&mut life.waiting));
        let mut ids: Vec<_> = life.ends.keys().copied().collect();
        for edge in &life.edges {
            let dial = Event::Dial { server: self.index, life: number, neighbour: edge.neighbour };
            fabric.queue.plan(fabric.now, dial);
        }
        for (id, _) in waiting {
            self.begin(id, Side::Acceptor, None, fabric);
            ids.push(id);
        }
        fabric.rng.shuffle(&mut ids);
        for id in ids {
            if fabric.rng.bool() {
                self.handle_time(id, fabric);
            }
            self.read(id, fabric);
            self.handle_time(id, fabric);
        }
    }

    /// Tries to connect with a neighbour that there is no link with.
    pub(crate) fn dial(&mut self, life: u64, neighbour: usize, fabric: &mut Fabric) {
        let (index, is_paused) = (self.index, self.is_paused);
        let Some(edge) = self
            .life
            .as_mut()
            .filter(|l| l.number == life && !is_paused)
            .and_then(|life| life.edges.iter_mut().find(|edge| edge.neighbour == neighbour))
        else {
            return;
        };
        if edge.current.is_some() || edge.dialling.is_some() {
            return;
        }
        let id = fabric.network.connect(index, neighbour);
        edge.dialling = Some(id);
        fabric.report.dials += 1;
        let latency = fabric.network.latency(&mut fabric.rng);
        fabric.queue.plan(fabric.now + latency, Event::Knock(id));
        fabric.queue.plan(fabric.now + nanos(HANDSHAKE_MAX), Event::GiveUp { server: index, id });
    }

    /// Somebody connects: a kernel takes the connection even while the process stands still.
    pub(crate) fn accept(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        match &mut self.life {
            Some(life) if self.is_paused => life.waiting.push((id, 1)),
            _ => self.begin(id, Side::Acceptor, None, fabric),
        }
    }

    /// Our dial got through, or was turned down.
    pub(crate) fn reached(&mut self, id: ConnectionId, is_accepted: bool, fabric: &mut Fabric) {
        let edges = self.life.iter().flat_map(|life| &life.edges);
        let Some(name) = edges.into_iter().find(|edge| edge.dialling == Some(id)).map(|e| e.name.clone())
        else {
            return;
        };
        if is_accepted {
            self.begin(id, Side::Dialler, Some(name), fabric);
            self.read(id, fabric);
        } else {
            self.lost(id, fabric);
        }
    }

    /// Our dial has had no answer at all.
    pub(crate) fn give_up(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        if self.life.as_ref().is_some_and(|life| !life.ends.contains_key(&id)) {
            fabric.close(id, 0);
            self.lost(id, fabric);
        }
    }

    /// The connection that is the link with a neighbour, if there is one.
    pub(crate) fn linked(&self, neighbour: usize) -> Option<ConnectionId> {
        self.life.as_ref()?.edges.iter().find(|edge| edge.neighbour == neighbour)?.current
    }

    /// The neighbour that has been silent for longest, and for how long, in nanoseconds.
    pub(crate) fn silence(&self, now: u64) -> Option<(ConnectionId, u64)> {
        let ends = self.life.iter().filter(|_| !self.is_paused).flat_map(|life| &life.ends);
        ends.map(|(&id, end)| (id, now.saturating_sub(end.heard_at))).max_by_key(|(_, silence)| *silence)
    }

    /// A connection is no more: if it was to be, or was, a link, dials again after a while.
    fn lost(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        let server = self.index;
        let Some(life) = &mut self.life else { return };
        let is_of = |edge: &&mut Edge| edge.current == Some(id) || edge.dialling == Some(id);
        let Some(edge) = life.edges.iter_mut().find(is_of) else { return };
        if edge.current == Some(id) {
            edge.current = None;
        }
        if edge.dialling == Some(id) {
            edge.dialling = None;
        }
        let at = fabric.now + fabric.rng.u64(edge.wait_ns / 2..=edge.wait_ns);
        edge.wait_ns = (edge.wait_ns * 2).min(nanos(REDIAL_LONGEST));
        fabric.queue.plan(at, Event::Dial { server, life: life.number, neighbour: edge.neighbour });
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
