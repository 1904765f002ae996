//! What a server does with its disk: writes a moment after something is news, syncs twice a second, reads it at the start
//! of a life. The real driver does the same with files.

use herd_core::{
    digest::LeafSet,
    limits::SHARDS,
    log::LogPosition,
    node::Node,
    write_behind::{Batch, WriteBehind},
};

use crate::{
    disk::Image,
    oracle::{Held, Known},
    queue::Event,
};

use super::{Fabric, Guise, Life, Server};

/// Time in which reports gather before they are written together.
const GATHER_NS: u64 = 20_000_000;
/// Time between the beginnings of two syncs.
const SYNC_EVERY_NS: u64 = 500_000_000;
/// Time until the next try when the disk is full.
const RETRY_NS: u64 = 1_000_000_000;

/// After this what was learned survives the end of a process.
const KILL_WINDOW_NS: u64 = 100_000_000;
/// After this it survives a power cut.
const POWER_WINDOW_NS: u64 = 1_000_000_000;

/// How a life ends, for its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aftermath {
    /// The next life finds all that was written.
    Kept,
    /// It finds what was synced.
    PowerCut,
    /// It finds an earlier copy.
    Old,
    /// It finds nothing.
    Empty,
}

/// A life's side of its disk.
#[derive(Debug)]
pub(super) struct Storage {
    behind: WriteBehind,
    /// A write is planned or under way.
    is_busy: bool,
    /// What is being written.
    under_way: Option<Batch>,
    /// A sync is planned or under way.
    is_syncing: bool,
    /// What is being synced, and up to where in the log.
    syncing: Option<(Image, LogPosition)>,
    synced_at: u64,
    /// Reports of clients that wait for a sync to be answered.
    unanswered: Vec<(LogPosition, Vec<u8>, Known)>,
}

impl Storage {
    pub(super) const fn new(behind: WriteBehind) -> Self {
        Self {
            behind,
            is_busy: false,
            under_way: None,
            is_syncing: false,
            syncing: None,
            synced_at: 0,
            unanswered: Vec::new(),
        }
    }
}

impl Server {
    /// Something is news: it is written down soon.
    pub(crate) fn write_soon(&mut self, fabric: &mut Fabric) {
        let is_idle = |life: &&mut Life| life.guise == Guise::Own && !life.storage.is_busy;
        let Some(life) = self.life.as_mut().filter(is_idle) else { return };
        life.storage.is_busy = true;
        fabric.queue.plan(fabric.now + GATHER_NS, Event::Write { server: self.index, life: life.number });
    }

    /// Takes note of a client that is answered when its report is safe.
    pub(crate) fn answer_when_safe(&mut self, client: &[u8]) {
        if let Some(life) = &mut self.life
            && let Some(known) = life.held.known(client)
        {
            life.storage.unanswered.push((life.node.log_end(), client.to_vec(), known.clone()));
        }
    }

    /// Syncs what a former life wrote.
    pub(super) fn sync_first(&mut self, fabric: &mut Fabric) {
        let Some(life) = self.life.as_mut().filter(|life| life.guise == Guise::Own) else { return };
        life.storage.is_syncing = true;
        fabric.queue.plan(fabric.now, Event::Sync { server: self.index, life: life.number });
    }

    /// Begins to write the next batch, or ends the one under way.
    pub(crate) fn write(&mut self, number: u64, fabric: &mut Fabric) {
        let Some(life) = self.life.as_mut().filter(|life| life.number == number) else { return };
        let (storage, disk) = (&mut life.storage, &mut self.disk);
        let mut again = |after| {
            fabric.queue.plan(fabric.now + after, Event::Write { server: self.index, life: number });
        };
        if self.is_paused {
            again(RETRY_NS);
            return;
        }
        if disk.is_full {
            // It is tried, and fails.
            storage.under_way = None;
            let _ = storage.behind.next_batch(&life.node);
            again(RETRY_NS);
            return;
        }
        if let Some(batch) = storage.under_way.take() {
            storage.behind.kept(&batch);
            disk.write(&batch, storage.behind.held());
            if !storage.is_syncing {
                storage.is_syncing = true;
                let at = fabric.now.max(storage.synced_at + SYNC_EVERY_NS);
                fabric.queue.plan(at, Event::Sync { server: self.index, life: number });
            }
        }
        match storage.behind.next_batch(&life.node) {
            Some(batch) => {
                storage.under_way = Some(batch);
                let after = disk.write_ns(&mut fabric.rng);
                fabric.queue.plan(fabric.now + after, Event::Write { server: self.index, life: number });
            }
            None => storage.is_busy = false,
        }
    }

    /// Begins to sync what is written, or ends that.
    pub(crate) fn sync(&mut self, number: u64, fabric: &mut Fabric) {
        let Some(life) = self.life.as_mut().filter(|life| life.number == number) else { return };
        let (storage, disk) = (&mut life.storage, &mut self.disk);
        let Some((image, position)) = storage.syncing.take() else {
            storage.synced_at = fabric.now;
            storage.syncing = Some((disk.image(), storage.behind.position()));
            let at = fabric.now + disk.write_ns(&mut fabric.rng);
            fabric.queue.plan(at, Event::Sync { server: self.index, life: number });
            return;
        };
        disk.synced(image, &mut fabric.rng);
        storage.is_syncing = false;
        for (_, client, known) in storage.unanswered.extract_if(.., |(end, ..)| *end <= position) {
            self.promised.entry(client).or_default().push((0, known));
        }
        if storage.behind.position() != position {
            storage.is_syncing = true;
            let at = storage.synced_at + SYNC_EVERY_NS;
            fabric.queue.plan(at.max(fabric.now), Event::Sync { server: self.index, life: number });
        } else if !storage.is_busy {
            disk.settle();
        }
    }

    /// What becomes of the disk when a life ends, and of what it promised.
    pub(super) fn leave_disk(
        &mut self,
        held: &Held,
        storage: &mut Storage,
        after: Aftermath,
        fabric: &mut Fabric,
    ) {
        // Nobody heard whether the last batch was written.
        if let Some(batch) = storage.under_way.take().filter(|_| fabric.rng.bool()) {
            storage.behind.kept(&batch);
            self.disk.write(&batch, storage.behind.held());
        }
        let window_ns = match after {
            Aftermath::Kept => KILL_WINDOW_NS,
            Aftermath::PowerCut => POWER_WINDOW_NS,
            Aftermath::Old | Aftermath::Empty => {
                self.promised.clear();
                if after == Aftermath::Old {
                    self.disk.go_back();
                } else {
                    self.disk.clear();
                }
                return;
            }
        };
        if after == Aftermath::PowerCut {
            self.disk.lose_power(&mut fabric.rng);
        }
        let until = self.disk.promised_until(fabric.now, window_ns);
        // A log that holds less than comes in while a batch is written leaves gaps that only whole rounds fill.
        if !fabric.rules.is_durable && !fabric.rules.has_small_logs {
            for (client, past) in held.past() {
                self.promised.entry(client.to_vec()).or_default().extend_from_slice(past);
            }
            self.promised.values_mut().for_each(|past| past.retain(|(at, _)| *at < until));
        }
    }

    /// Reads the disk into a new node: says what the node holds then.
    pub(super) fn recover(&self, node: &Node, fabric: &mut Fabric) -> Held {
        let clock = self.now(fabric.now).clock;
        let mut blocks: Vec<_> = self.disk.blocks().collect();
        fabric.rng.shuffle(&mut blocks);
        for block in blocks {
            if let Err(error) = node.restore(block, clock) {
                fabric.accuse(|| format!("{}: what it wrote cannot be read: {error}", self.name));
            }
        }
        let mut records = Vec::new();
        for shard in (0..SHARDS).filter_map(|shard| u8::try_from(shard).ok()) {
            node.export(shard, LeafSet::ALL, &(..), &mut records);
        }
        let mut held = Held::default();
        let learned = held.learn(node, &records, (clock, fabric.now), None, &fabric.rules);
        if let Err(what) = learned.and_then(|()| fabric.told.check_origin(node, &records)) {
            fabric.accuse(|| format!("{}: from its disk: {what}", self.name));
        }
        fabric.report.restored += held.clients() as u64;
        for (client, past) in &self.promised {
            let Some(known) = past.iter().map(|(_, known)| known).max() else { continue };
            if let Err(what) = held.check_promise(client, known, clock, &fabric.rules) {
                fabric.accuse(|| format!("{}: {what}", self.name));
            }
        }
        held
    }
}
