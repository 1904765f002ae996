//! One server: the real node and links, and a driver that does with simulated connections what the real one does with
//! sockets. It decides nothing that the real driver does not decide.
//!
//! A server has *lives*: it can die and come back empty. Everything but its name, neighbours and clock belongs to a life.

use std::collections::BTreeMap;

use herd_core::{
    limits::{HANDSHAKE_MAX, REDIAL_FIRST, REDIAL_LONGEST},
    link::{Identity, Link, LinkError, LinkEvent, Peer, Progress, Side, supersedes},
    node::{Node, NodeSettings},
    server::Name,
    time::{Moment, Now, Timestamp},
    wire::peer::{NONCE_BYTES, Refusal},
};

use crate::{
    network::{ConnectionId, Network},
    oracle::{Held, Rules},
    queue::{Event, Queue},
    report::Report,
};

/// The wall clock at the start of a run, in nanoseconds.
const EPOCH: u64 = 1_520_000_000_000_000_000;

/// How often a link may say that it has bytes without giving any.
const EMPTY_PULLS_MAX: usize = 100_000;

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
    /// The first thing that went wrong.
    pub(crate) violation: Option<String>,
    pub(crate) rules: Rules,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) index: usize,
    pub(crate) name: Name,
    pub(crate) neighbours: Vec<(usize, Name)>,
    /// Nanoseconds that its clock is ahead.
    pub(crate) clock_offset: i64,
    pub(crate) is_paused: bool,
    pub(crate) lives: u64,
    pub(crate) life: Option<Life>,
}

/// A server while it lives.
#[derive(Debug)]
pub(crate) struct Life {
    number: u64,
    pub(crate) node: Node,
    pub(crate) held: Held,
    edges: Vec<Edge>,
    ends: BTreeMap<ConnectionId, End>,
    /// Connections that came while it was paused.
    waiting: Vec<(ConnectionId, usize)>,
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
    /// Both clocks of this server.
    pub(crate) fn now(&self, now: u64) -> Now {
        let clock = Timestamp::from_nanos(EPOCH.saturating_add(now)).offset(self.clock_offset);
        Now { moment: Moment::from_nanos(now), clock }
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.life.is_some() && !self.is_paused
    }

    /// Begins a life, empty, and dials everybody.
    pub(crate) fn start(&mut self, settings: NodeSettings, fabric: &mut Fabric) {
        self.lives += 1;
        let edge = |(neighbour, name): &(usize, Name)| Edge {
            neighbour: *neighbour,
            name: name.clone(),
            current: None,
            dialling: None,
            progress: None,
            wait_ns: nanos(REDIAL_FIRST),
        };
        self.life = Some(Life {
            number: self.lives,
            node: Node::new(settings),
            held: Held::default(),
            edges: self.neighbours.iter().map(edge).collect(),
            ends: BTreeMap::new(),
            waiting: Vec::new(),
        });
        for &(neighbour, _) in &self.neighbours {
            let at = fabric.now + fabric.rng.u64(..20_000_000);
            fabric.queue.plan(at, Event::Dial { server: self.index, life: self.lives, neighbour });
        }
    }

    /// Ends its life. With a sign, as when a process is killed, the others see their connections close; without,
    /// as when the power fails, they see nothing.
    pub(crate) fn die(&mut self, has_sign: bool, fabric: &mut Fabric) {
        let Some(life) = self.life.take() else { return };
        self.is_paused = false;
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

    /// Breaks a connection under both ends' feet.
    pub(crate) fn cut(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        self.end(id, None, fabric);
    }

    /// Reads what has arrived on a connection.
    pub(crate) fn read(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        let Some(end) =
            self.life.as_mut().and_then(|life| life.ends.get_mut(&id)).filter(|_| !self.is_paused)
        else {
            return;
        };
        let read = fabric.network.read(id, end.number);
        if !read.bytes.is_empty() {
            end.heard_at = fabric.now;
            self.take_in(id, &read.bytes, fabric);
        }
        if read.has_ended {
            self.end(id, None, fabric);
        }
    }

    /// Tells a link the time, if it is due.
    pub(crate) fn handle_time(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        let now = self.now(fabric.now);
        let Some(life) = self.life.as_mut().filter(|_| !self.is_paused) else { return };
        let Some(end) = life.ends.get_mut(&id) else { return };
        end.timer_at = None;
        if end.link.next_time() <= now.moment
            && let Err(error) = end.link.handle_time(&life.node, now)
        {
            self.end(id, Some(error), fabric);
            return;
        }
        self.pump(id, fabric);
    }

    /// Sends what every link has to say.
    pub(crate) fn pump_all(&mut self, fabric: &mut Fabric) {
        let ids: Vec<_> = self.life.iter().flat_map(|life| life.ends.keys().copied()).collect();
        for id in ids {
            self.pump(id, fabric);
        }
    }

    /// Sends what a link has to say, as far as the connection takes it.
    pub(crate) fn pump(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        let now = self.now(fabric.now);
        let Some(life) = self.life.as_mut().filter(|_| !self.is_paused) else { return };
        let Some(end) = life.ends.get_mut(&id) else { return };
        let mut empty_pulls = 0;
        loop {
            if end.unsent.is_empty() {
                if !end.link.has_bytes(&life.node) {
                    break;
                }
                end.link.next_bytes(&life.node, now, &mut end.unsent);
                fabric.report.count_frames(&end.unsent);
                empty_pulls += usize::from(end.unsent.is_empty());
                if empty_pulls > EMPTY_PULLS_MAX {
                    fabric.accuse(|| format!("{}: a link has bytes but gives none", self.name));
                    return;
                }
            }
            let around = (fabric.now, &mut fabric.queue, &mut fabric.rng);
            let taken = fabric.network.write(id, end.number, &end.unsent, around);
            end.unsent.drain(..taken);
            if !end.unsent.is_empty() {
                break;
            }
        }
        for event in end.link.take_events() {
            fabric.report.synced += u64::from(event == LinkEvent::Synced);
        }
        let due = end.link.next_time().as_nanos().max(fabric.now);
        if end.timer_at.is_none_or(|at| due < at) {
            end.timer_at = Some(due);
            fabric.queue.plan(due, Event::Timer { server: self.index, id });
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

    fn begin(&mut self, id: ConnectionId, side: Side, expected: Option<Name>, fabric: &mut Fabric) {
        let moment = Moment::from_nanos(fabric.now);
        let Some(life) = &mut self.life else { return };
        let settings = life.node.settings();
        let identity = Identity {
            herd: fabric.herd.clone(),
            server: self.name.clone(),
            incarnation: settings.incarnation,
            key: settings.herd_key.clone(),
            neighbours: self.neighbours.iter().map(|(_, name)| name.clone()).collect(),
        };
        let nonce: [u8; NONCE_BYTES] = std::array::from_fn(|_| fabric.rng.u8(..));
        let end = End {
            link: Link::new(identity, side, expected, nonce, moment),
            number: usize::from(side == Side::Acceptor),
            peer: None,
            unsent: Vec::new(),
            heard_at: fabric.now,
            timer_at: None,
        };
        life.ends.insert(id, end);
        self.pump(id, fabric);
    }

    fn take_in(&mut self, id: ConnectionId, bytes: &[u8], fabric: &mut Fabric) {
        let now = self.now(fabric.now);
        let mut input = bytes;
        let mut has_news = false;
        loop {
            let Some(life) = &mut self.life else { return };
            let Some(end) = life.ends.get_mut(&id) else { return };
            let result = end.link.handle(&life.node, std::mem::take(&mut input), now);
            let mut has_opened = false;
            for event in end.link.take_events() {
                match event {
                    LinkEvent::Proved(peer) => has_opened = self.judge(id, peer, fabric),
                    LinkEvent::Fresh { records, evicted, by_copy } => {
                        has_news = true;
                        fabric.report.evicted += evicted as u64;
                        fabric.report.healed_by_copy += u64::from(by_copy);
                        self.learn(&records, fabric);
                    }
                    LinkEvent::Synced => fabric.report.synced += 1,
                }
            }
            if let Err(error) = result {
                self.end(id, Some(error), fabric);
                break;
            }
            if !has_opened {
                break;
            }
        }
        if has_news {
            self.pump_all(fabric);
        } else {
            self.pump(id, fabric);
        }
    }

    /// Takes note of records that the node says were news.
    pub(crate) fn learn(&mut self, records: &[u8], fabric: &mut Fabric) {
        let clock = self.now(fabric.now).clock;
        let Some(life) = &mut self.life else { return };
        if let Err(what) = life.held.learn(&life.node, records, clock, &fabric.rules) {
            fabric.accuse(|| format!("{}: {what}", self.name));
        }
    }

    /// Decides about a connection whose peer has proved who it is: says whether it is opened.
    fn judge(&mut self, id: ConnectionId, peer: Peer, fabric: &mut Fabric) -> bool {
        let moment = Moment::from_nanos(fabric.now);
        let Some(life) = &mut self.life else { return false };
        let Some(edge) = life.edges.iter().position(|edge| edge.name == peer.server) else {
            fabric.accuse(|| format!("{}: a stranger proved itself: {}", self.name, peer.server));
            return false;
        };
        let current = life.edges.get(edge).and_then(|edge| edge.current);
        let stays = current.and_then(|current| life.ends.get(&current)).is_some_and(|held| {
            let held_peer = held.peer.as_ref();
            let side = life.ends.get(&id).map(|end| end.link.side());
            held_peer.zip(side).is_some_and(|(held_peer, side)| {
                !supersedes(&self.name, (&peer, side), (held_peer, held.link.side()))
            })
        });
        if stays {
            if let Some(end) = life.ends.get_mut(&id) {
                end.link.refuse(Refusal::Duplicate);
            }
            self.end(id, None, fabric);
            return false;
        }
        if let Some(current) = current {
            fabric.report.superseded += 1;
            self.end(current, None, fabric);
        }
        let Some(life) = &mut self.life else { return false };
        let (Some(end), Some(edge)) = (life.ends.get_mut(&id), life.edges.get_mut(edge)) else {
            return false;
        };
        edge.current = Some(id);
        if edge.dialling == Some(id) {
            edge.dialling = None;
        }
        edge.wait_ns = nanos(REDIAL_FIRST);
        end.link.open(&life.node, edge.progress, moment);
        end.peer = Some(peer);
        fabric.report.links += 1;
        true
    }

    /// Ends our end of a connection, after what it still has to say.
    fn end(&mut self, id: ConnectionId, error: Option<LinkError>, fabric: &mut Fabric) {
        self.pump(id, fabric);
        let Some(life) = &mut self.life else { return };
        let Some(end) = life.ends.remove(&id) else { return };
        fabric.close(id, end.number);
        let progress = end.link.progress();
        if let Some(edge) = life.edges.iter_mut().find(|edge| edge.current == Some(id)) {
            edge.progress = progress.or(edge.progress);
        }
        end.link.close(&life.node);
        if let Some(error) = error {
            fabric.report.count_error(&error);
            let is_harmless =
                matches!(error, LinkError::Silent(_) | LinkError::RefusedByPeer(Refusal::Duplicate));
            if !is_harmless {
                fabric.accuse(|| format!("{}: a link between honest servers ended: {error}", self.name));
            }
        }
        self.lost(id, fabric);
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
