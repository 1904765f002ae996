//! What a server does with its connections: reads, writes, tells links the time, and decides which connection is the
//! link with a neighbour. The real driver does the same with sockets, but merges copies that wait when one ends.

use std::time::Duration;

use herd_core::{
    limits::{FRAME_BYTES_MAX, LINK_ANSWERS_BYTES_MAX, REDIAL_FIRST},
    link::{Claim, Identity, Link, LinkError, LinkEvent, Peer, Side, judge},
    node::Node,
    secret::{HerdKey, Secret},
    server::Name,
    time::{Moment, Now},
    wire::{
        peer::{HEADER_BYTES, MAGIC, NONCE_BYTES, Refusal, VERSION},
        record::Record,
    },
};

use crate::queue::{ConnectionId, Event, Healing};

use super::{Aftermath, End, Fabric, Guise, Server, nanos};

/// Most bytes that a link may have handed out and the connection not taken: short answers, and a few frames.
const UNSENT_BYTES_MAX: usize = LINK_ANSWERS_BYTES_MAX + 3 * FRAME_BYTES_MAX;

/// Time until somebody starts a server again that stopped because its name was taken.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Time within which a processor is free to merge a few of the copies that arrived.
const WORK_AFTER_NS: u64 = 1_000_000;

/// How often a link may say that it has bytes without giving any.
const EMPTY_PULLS_MAX: usize = 100_000;

impl Server {
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
            self.drive(id, |link, node, now| link.handle(node, &read.bytes, now), fabric);
        }
        if read.has_ended {
            self.end(id, None, fabric);
        }
    }

    /// Tells a link the time, if it is due, and has it work.
    pub(crate) fn handle_time(&mut self, id: ConnectionId, fabric: &mut Fabric) {
        let now = self.now(fabric.now);
        let Some(life) = self.life.as_mut().filter(|_| !self.is_paused) else { return };
        let Some(end) = life.ends.get_mut(&id) else { return };
        end.timer_at = None;
        if end.link.next_time() <= now.moment
            && let Err(error) = end.link.handle_time(&life.node, now)
        {
            self.end(id, Some(error), fabric);
        } else if end.link.has_work() {
            self.drive(id, Link::work, fabric);
        } else {
            self.pump(id, fabric);
        }
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
                let (held, peer) = (&life.held, end.peer.as_ref());
                let is_echo = |record: &Record<'_>| {
                    peer.is_some_and(|peer| held.is_echo(record, &peer.server, peer.incarnation))
                };
                if fabric.report.count_frames(&end.unsent, is_echo) && fabric.rules.forbids_echo() {
                    fabric.accuse(|| format!("{}: sends a report back to where it came from", self.name));
                }
                if end.unsent.len() > UNSENT_BYTES_MAX {
                    let bytes = end.unsent.len();
                    fabric.accuse(|| format!("{}: a link hands out {bytes} bytes at once", self.name));
                }
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
        let due = if end.link.has_work() {
            fabric.now + fabric.rng.u64(..WORK_AFTER_NS)
        } else {
            end.link.next_time().as_nanos().max(fabric.now)
        };
        if end.timer_at.is_none_or(|at| due < at) {
            end.timer_at = Some(due);
            fabric.queue.plan(due, Event::Timer { server: self.index, id });
        }
    }

    pub(super) fn begin(
        &mut self,
        id: ConnectionId,
        side: Side,
        expected: Option<Name>,
        fabric: &mut Fabric,
    ) {
        let now = self.now(fabric.now);
        let neighbours = self.neighbours.iter().map(|(_, name)| name.clone()).collect();
        let Some(life) = &mut self.life else { return };
        let identity = life.guise.identity(&life.node, neighbours, fabric);
        let nonce: [u8; NONCE_BYTES] = std::array::from_fn(|_| fabric.rng.u8(..));
        let mut end = End {
            link: Link::new(identity, side, expected, nonce, now.moment),
            number: usize::from(side == Side::Acceptor),
            peer: None,
            unsent: Vec::new(),
            heard_at: fabric.now,
            timer_at: None,
        };
        if life.guise != Guise::Own {
            fabric.network.mark_foreign(id, end.number);
        }
        if life.guise == Guise::OtherVersion {
            end.link.next_bytes(&life.node, now, &mut end.unsent);
            let version = HEADER_BYTES + MAGIC.len();
            if let Some(field) = end.unsent.get_mut(version..version + 2) {
                field.copy_from_slice(&VERSION.wrapping_add(1).to_le_bytes());
            }
        }
        life.ends.insert(id, end);
        self.pump(id, fabric);
    }

    /// Has a link do something, and does what its events ask for.
    fn drive(
        &mut self,
        id: ConnectionId,
        act: impl FnOnce(&mut Link, &Node, Now) -> Result<(), LinkError>,
        fabric: &mut Fabric,
    ) {
        let now = self.now(fabric.now);
        let (mut act, mut has_news) = (Some(act), false);
        loop {
            let Some(life) = &mut self.life else { return };
            let Some(end) = life.ends.get_mut(&id) else { return };
            let peer = end.peer.clone();
            let result = match act.take() {
                Some(act) => act(&mut end.link, &life.node, now),
                // What arrived behind the proof.
                None => end.link.handle(&life.node, &[], now),
            };
            let mut has_opened = false;
            for event in end.link.take_events() {
                match event {
                    LinkEvent::Proved(peer) => {
                        has_opened = self.judge(id, peer, fabric);
                        // Our own fact tells of the link.
                        has_news |= has_opened;
                    }
                    LinkEvent::Fresh { records, by_copy } => {
                        has_news = true;
                        fabric.report.healed_by_copy += u64::from(by_copy);
                        self.learn(&records, peer.as_ref(), fabric);
                    }
                    LinkEvent::Evicted(clients) => fabric.report.evicted += clients as u64,
                    LinkEvent::Synced => fabric.report.synced += 1,
                    LinkEvent::Members => has_news = true,
                    LinkEvent::Claimed(claim) => self.yield_name(&claim, fabric),
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
        if self.life.as_ref().is_some_and(|life| life.has_yielded) {
            self.die(true, Aftermath::Kept, fabric);
            if !self.is_impostor {
                let restart = Event::Heal(Healing::Restart(self.index));
                fabric.queue.plan(fabric.now + nanos(RESTART_AFTER), restart);
            }
        }
    }

    /// Another server has our name and was first: this one stops, and whoever runs it starts it again after a while.
    fn yield_name(&mut self, claim: &Claim, fabric: &mut Fabric) {
        if !fabric.rules.has_impostors {
            fabric.accuse(|| format!("{}: {claim}, but there is none", self.name));
        }
        fabric.report.yielded += 1;
        if let Some(life) = &mut self.life {
            life.has_yielded = true;
        }
    }

    /// Takes note of records that the node says were news.
    pub(crate) fn learn(&mut self, records: &[u8], from: Option<&Peer>, fabric: &mut Fabric) {
        let clock = self.now(fabric.now).clock;
        let Some(life) = self.life.as_mut().filter(|life| life.guise == Guise::Own) else { return };
        let from = from.map(|peer| (&peer.server, peer.incarnation));
        let origin = match from {
            Some(_) => fabric.told.check_origin(&life.node, records),
            None => fabric.told.take(&life.node, records),
        };
        let learned = life.held.learn(&life.node, records, (clock, fabric.now), from, &fabric.rules);
        if let Err(what) = learned.and(origin) {
            fabric.accuse(|| format!("{}: {what}", self.name));
        }
        life.memory.learn(records);
        self.write_soon(fabric);
    }

    /// Decides about a connection whose peer has proved who it is: says whether it is opened.
    fn judge(&mut self, id: ConnectionId, peer: Peer, fabric: &mut Fabric) -> bool {
        let moment = Moment::from_nanos(fabric.now);
        if let [true, false] | [false, true] = fabric.network.are_foreign(id) {
            fabric.accuse(|| {
                format!("{}: let somebody in who does not belong to the herd: {peer:?}", self.name)
            });
        }
        let Some(life) = &mut self.life else { return false };
        let Some(edge) = life.edges.iter().position(|edge| edge.name == peer.server) else {
            fabric.accuse(|| format!("{}: a stranger proved itself: {}", self.name, peer.server));
            return false;
        };
        let current = life.edges.get(edge).and_then(|edge| edge.current);
        let held = current.and_then(|current| life.ends.get(&current)).and_then(|held| {
            let silence = Duration::from_nanos(fabric.now.saturating_sub(held.heard_at));
            Some((held.peer.as_ref()?, held.link.side(), silence))
        });
        let Some(side) = life.ends.get(&id).map(|end| end.link.side()) else { return false };
        if let Err(refusal) = judge(&self.name, (&peer, side), held) {
            if let Some(end) = life.ends.get_mut(&id) {
                end.link.refuse(refusal);
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
            let is_harmless = matches!(
                error,
                LinkError::Silent(_) | LinkError::RefusedByPeer(Refusal::Duplicate | Refusal::Claimed)
            );
            if !is_harmless && !fabric.network.are_foreign(id).contains(&true) {
                fabric.accuse(|| format!("{}: a link between honest servers ended: {error}", self.name));
            }
        }
        self.lost(id, fabric);
    }
}

impl Guise {
    /// As whom a process introduces itself.
    fn identity(self, node: &Node, neighbours: Vec<Name>, fabric: &Fabric) -> Identity {
        let settings = node.settings();
        let herd = fabric.other_herd.clone();
        let is_other_herd = self == Self::OtherHerd;
        let key = HerdKey::derive(&herd, Some(&Secret::new("another")));
        Identity {
            herd: if is_other_herd { herd } else { fabric.herd.clone() },
            server: settings.name.clone(),
            incarnation: settings.incarnation,
            key: if self == Self::OtherSecret { key } else { fabric.key.clone() },
            neighbours,
            joins: false,
        }
    }
}
