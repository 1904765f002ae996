//! A link that is up: live reports out of the log, heartbeats, and catching up, in that order of urgency.

use std::time::Duration;

use crate::{
    limits::{HEARTBEAT_EVERY, LINK_PIECE_BYTES, NEIGHBOUR_SILENCE_MAX},
    log::{LogPosition, Source},
    node::{Effects, Node},
    server::{Name, ServerIndex},
    time::{Moment, Now, Timestamp},
    wire::{
        comparison::Comparison,
        peer::{self, Frame, Heartbeat, Refusal},
        record::{self, Record},
    },
};

use super::{
    Claim, LinkError, LinkEvent, Peer, Progress, Side, Standing, catch_up::CatchUp, copies::Copies,
    standing::Gauge,
};

/// Most names in one frame: 1,024 of the longest are 65 KiB, a quarter of what a frame may have.
const NAMES_PER_FRAME: usize = 1024;

/// An established link.
#[derive(Debug)]
pub(super) struct Open {
    peer: Peer,
    /// When the connection began.
    began_at: Moment,
    source: Source,
    /// The revision of the members that the peer has been told.
    told: u64,
    /// The next position of our log that the peer gets; none before it said what it has.
    cursor: Option<LogPosition>,
    /// The position that the peer was told last.
    said: LogPosition,
    /// How many of our names the peer knows.
    announced: usize,
    /// Our numbers for the peer's numbers.
    servers: Vec<ServerIndex>,
    /// Records with our numbers for the peer's, while they are merged.
    translated: Vec<u8>,
    /// Up to where we have merged the peer's log.
    merged: LogPosition,
    catch_up: CatchUp,
    copies: Copies,
    was_synced: bool,
    heartbeat_due: Moment,
    /// The clock in the peer's last heartbeat, and ours when it came.
    peer_clock: Option<(Timestamp, Timestamp)>,
    gauge: Gauge,
}

/// Where an open link leaves what is to be sent and said.
pub(super) struct Voice<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) events: &'a mut Vec<LinkEvent>,
}

impl Open {
    /// A link on a connection that began at the first of the two times, and is one from the second on.
    pub(super) fn new(
        node: &Node,
        peer: Peer,
        side: Side,
        merged: LogPosition,
        (began_at, now): (Moment, Moment),
    ) -> Self {
        node.members().link_up(&peer.server);
        Self {
            told: 0,
            source: node.source_of(&peer.server, peer.incarnation),
            peer,
            began_at,
            cursor: None,
            said: LogPosition::default(),
            announced: 0,
            servers: Vec::new(),
            translated: Vec::new(),
            merged,
            catch_up: CatchUp::new(side == Side::Dialler),
            copies: Copies::default(),
            was_synced: false,
            heartbeat_due: now,
            peer_clock: None,
            gauge: Gauge::default(),
        }
    }

    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether both sides became synced since the last call.
    pub(super) fn take_synced(&mut self) -> bool {
        let was_synced = std::mem::replace(&mut self.was_synced, self.catch_up.is_synced());
        self.was_synced && !was_synced
    }

    /// See [`super::Link::progress`].
    pub(super) fn progress(&self) -> Option<Progress> {
        let progress = Progress { incarnation: self.peer.incarnation, position: self.merged };
        self.catch_up.is_synced().then_some(progress)
    }

    /// See [`super::Link::standing`].
    pub(super) const fn standing(&self) -> Standing {
        self.gauge.standing(self.catch_up.is_synced())
    }

    /// When [`Open::handle_time`] has something to do.
    pub(super) fn next_time(&self) -> Moment {
        self.catch_up.next_round().map_or(self.heartbeat_due, |round| round.min(self.heartbeat_due))
    }

    /// Whether [`Open::next_bytes`] has something to append.
    pub(super) fn has_bytes(&self, node: &Node) -> bool {
        if self.told < node.members().revision() {
            return true;
        }
        // A peer that has not said what it has gets no reports yet.
        self.cursor.is_some_and(|cursor| self.catch_up.has_piece() || cursor < node.log_end())
    }

    pub(super) fn handle(
        &mut self,
        node: &Node,
        frame: Frame<'_>,
        now: Now,
        voice: &mut Voice<'_>,
    ) -> Result<(), LinkError> {
        match frame {
            Frame::Hello(_) | Frame::Proof(_) => return Err(LinkError::OutOfTurn),
            Frame::Refused(refusal) => {
                let server = self.peer.server.clone();
                let is_for_good = || node.members().is_refused_for_good(&server, self.began_at, now.moment);
                if refusal == Refusal::Claimed && is_for_good() {
                    voice.events.push(LinkEvent::Claimed(Claim::Refused(server)));
                }
                return Err(LinkError::RefusedByPeer(refusal));
            }
            Frame::Resume { incarnation, position } => {
                self.start(node, incarnation, position, now, voice.out);
            }
            Frame::Start { position, is_resumed } => {
                self.merged = position;
                if is_resumed {
                    self.catch_up.resumed(now.moment);
                } else {
                    self.catch_up.ask(now.moment);
                }
            }
            Frame::Names { first, names } => self.learn(node, first, &names)?,
            Frame::Reports { next, records } => {
                self.translate(records)?;
                let effects = node.merge(self.source, &self.translated, now.clock)?;
                self.translated.shrink_to(LINK_PIECE_BYTES);
                self.tell(effects, now, false, voice);
                self.merged = next;
            }
            Frame::Copy(records) => {
                self.translate(records)?;
                self.copies.push(self.translated.as_slice().into());
                self.translated.shrink_to(LINK_PIECE_BYTES);
                while self.copies.are_too_many() {
                    self.merge_copies(node, now, voice)?;
                }
            }
            Frame::Heartbeat(heartbeat) => self.observe(node, heartbeat, now),
            Frame::Members(facts) => {
                let heard = node.members().merge(self.source, facts, now.moment);
                voice.events.extend(heard.is_news.then_some(LinkEvent::Members));
                voice.events.extend(heard.claim.map(|fact| LinkEvent::Claimed(Claim::Answered(fact))));
            }
            Frame::Compare(step) => {
                while step.is_about_all() && self.has_copies() {
                    self.merge_copies(node, now, voice)?;
                }
                self.catch_up.handle(node, &step, now.moment, voice.out);
            }
        }
        Ok(())
    }

    /// Begins to send our log: where the peer wants, if it still holds that, else at its end and with a comparison.
    fn start(&mut self, node: &Node, incarnation: u64, position: LogPosition, now: Now, out: &mut Vec<u8>) {
        let is_ours = incarnation == node.settings().incarnation;
        let is_resumed = is_ours && node.read_log(position, self.source, 0, &mut Vec::new()).is_ok();
        let position = if is_resumed { position } else { node.log_end() };
        (self.cursor, self.said) = (Some(position), position);
        peer::encode(out, &Frame::Start { position, is_resumed });
        if !is_resumed {
            self.ask(now.moment, out);
        }
    }

    /// Has the tables compared soon, by whichever side does that.
    fn ask(&mut self, now: Moment, out: &mut Vec<u8>) {
        self.catch_up.ask(now);
        peer::encode(out, &Frame::Compare(Comparison::Ask));
    }

    fn learn(&mut self, node: &Node, first: u16, names: &[Name]) -> Result<(), LinkError> {
        if usize::from(first) != self.servers.len() {
            return Err(LinkError::OutOfTurn);
        }
        for name in names {
            self.servers.push(node.names().intern(name).ok_or(LinkError::UnknownServer)?);
        }
        Ok(())
    }

    /// Whether copies wait to be merged.
    pub(super) fn has_copies(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Merges a slice of the copies that wait.
    pub(super) fn merge_copies(
        &mut self,
        node: &Node,
        now: Now,
        voice: &mut Voice<'_>,
    ) -> Result<(), LinkError> {
        let Some(slice) = self.copies.next_slice() else { return Ok(()) };
        let effects = node.merge(self.source, slice, now.clock)?;
        let bytes = slice.len();
        if self.copies.advance(bytes) {
            peer::encode(voice.out, &Frame::Compare(Comparison::Taken));
        }
        self.tell(effects, now, true, voice);
        Ok(())
    }

    /// Has the driver know what was news.
    fn tell(&mut self, effects: Effects, now: Now, by_copy: bool, voice: &mut Voice<'_>) {
        let Effects { fresh: records, evicted } = effects;
        voice.events.extend((evicted > 0).then_some(LinkEvent::Evicted(evicted)));
        if records.is_empty() {
            return;
        }
        if by_copy {
            self.gauge.copied(&records, self.catch_up.is_synced(), now.clock);
        }
        voice.events.push(LinkEvent::Fresh { records, by_copy });
    }

    /// Puts our server numbers for the peer's into a copy of the records.
    fn translate(&mut self, records: &[u8]) -> Result<(), LinkError> {
        self.translated.clear();
        self.translated.extend_from_slice(records);
        let mut rest = self.translated.as_mut_slice();
        while !rest.is_empty() {
            let found = Record::locate(rest)?;
            let bytes = found.bytes().len();
            let theirs = usize::from(found.server().to_bits());
            let ours = *self.servers.get(theirs).ok_or(LinkError::UnknownServer)?;
            record::set_server(rest, ours);
            rest = rest.get_mut(bytes..).unwrap_or_default();
        }
        Ok(())
    }

    /// The peer's clock against ours: its time in the middle between our sending and our hearing of it.
    fn observe(&mut self, node: &Node, heartbeat: Heartbeat, Now { moment, clock }: Now) {
        let away = clock.nanos_since(heartbeat.echo).saturating_sub_unsigned(heartbeat.held_nanos);
        let is_answer = heartbeat.echo != Timestamp::default() && away >= 0;
        let one_way = if is_answer { away.min(nanos(NEIGHBOUR_SILENCE_MAX)) / 2 } else { 0 };
        node.observe_clock(&self.peer.server, heartbeat.clock.nanos_since(clock) + one_way);
        self.peer_clock = Some((heartbeat.clock, clock));
        let cursor = self.cursor.unwrap_or_default().as_bytes();
        self.gauge.merged(heartbeat.merged, node.log_end().as_bytes().saturating_sub(cursor), moment);
    }

    pub(super) fn handle_time(&mut self, node: &Node, now: Now, out: &mut Vec<u8>) {
        if self.heartbeat_due <= now.moment {
            self.heartbeat_due = now.moment.later(HEARTBEAT_EVERY);
            let (echo, heard) = self.peer_clock.unwrap_or_else(|| (Timestamp::default(), now.clock));
            let held_nanos = now.clock.nanos_since(heard).unsigned_abs();
            // Without this a log that grows by what came from the peer itself would leave its position behind.
            if let Some(next) = self.cursor.filter(|cursor| *cursor != self.said) {
                self.said = next;
                peer::encode(out, &Frame::Reports { next, records: &[] });
            }
            let heartbeat = Heartbeat { clock: now.clock, echo, held_nanos, merged: self.merged };
            peer::encode(out, &Frame::Heartbeat(heartbeat));
        }
        self.catch_up.handle_time(node, now.moment, out);
    }

    /// What servers say of themselves, which is little and rare; then live reports, then one piece of catching up.
    pub(super) fn next_bytes(&mut self, node: &Node, now: Now, out: &mut Vec<u8>) {
        self.tell_members(node, out);
        let Some(cursor) = self.cursor else { return };
        let mut records = Vec::new();
        match node.read_log(cursor, self.source, LINK_PIECE_BYTES, &mut records) {
            Ok(next) => {
                self.cursor = Some(next);
                if !records.is_empty() {
                    self.gauge.sent(records.len(), next, now.moment);
                    self.said = next;
                    self.announce(node, out);
                    peer::encode(out, &Frame::Reports { next, records: &records });
                }
            }
            Err(overtaken) => {
                self.cursor = Some(overtaken.end);
                self.ask(now.moment, out);
            }
        }
        if self.catch_up.has_piece() {
            let start = out.len();
            self.catch_up.next_piece(node, (now.moment, now.clock), out);
            let mut names = Vec::new();
            self.announce(node, &mut names);
            out.splice(start..start, names);
        }
    }

    /// Passes on what servers said of themselves since the peer was told last.
    fn tell_members(&mut self, node: &Node, out: &mut Vec<u8>) {
        if self.told < node.members().revision() {
            let (facts, told) = node.members().since(self.told, self.source, LINK_PIECE_BYTES);
            self.told = told;
            if !facts.is_empty() {
                peer::encode(out, &Frame::Members(facts));
            }
        }
    }

    /// Names the servers that the peer does not know yet: records that were read before this refer to no others.
    fn announce(&mut self, node: &Node, out: &mut Vec<u8>) {
        for names in node.names().since(self.announced).chunks(NAMES_PER_FRAME) {
            let first = u16::try_from(self.announced).unwrap_or(u16::MAX);
            self.announced += names.len();
            peer::encode(out, &Frame::Names { first, names: names.to_vec() });
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
