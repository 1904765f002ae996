//! The node: all that one server knows, in 256 shards, and the log of what was news to it.
//!
//! It is called from many threads at once and waits for nothing but its own short locks. It knows no front-end, no
//! socket and no link; whoever calls [`Node::apply`] or [`Node::merge`] wakes the links when something was fresh.

mod catch_up;
mod clocks;
mod merging;
mod placement;
mod recovery;
mod room;
mod shard;
mod shards;

use core::{convert::Infallible, net::SocketAddr};
use std::{collections::HashMap, hash::BuildHasherDefault, time::Duration};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use siphasher::sip::SipHasher13;

use crate::{
    command::{Command, Iamat},
    limits,
    log::{Log, LogPosition, Overtaken, Source},
    members::Members,
    report::Sighting,
    secret::HerdKey,
    server::{Name, Names, ServerIndex},
    time::{Moment, Timestamp},
    wire::record::{self, Receipt, Record},
};

pub(crate) use catch_up::digest_of;
use clocks::Clocks;
use placement::{Place, Placement};
pub use recovery::RestoreError;
use room::Room;
use shard::{Rules, Shard};
use shards::{LOOKAHEAD, Places, Shards};

/// Bytes of a usual record: an ID of 20 bytes, and the rest packed.
const RECORD_BYTES_USUAL: usize = 56;

/// What makes a node the one it is.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Its server's name.
    pub name: Name,
    /// A random number that no other life of this server has had.
    pub incarnation: u64,
    /// Another random number, which nobody else learns.
    pub private_seed: u64,
    /// What the herd shares.
    pub herd_key: HerdKey,
    /// How far ahead of the herd's time a client's time may count.
    pub future_tolerance: Duration,
    /// How long a report lives after it was received.
    pub ttl: Duration,
    /// Most clients in the table.
    pub clients_max: usize,
    /// Most bytes in the log.
    pub log_bytes_max: usize,
    /// When this life began, for people.
    pub started_at: Timestamp,
    /// The same on the clock that links are driven by.
    pub started: Moment,
    /// Where other servers connect, which the herd is told.
    pub peer_address: Option<SocketAddr>,
}

impl NodeSettings {
    /// Settings with every limit at its default.
    #[must_use]
    pub const fn new(name: Name, incarnation: u64, private_seed: u64, herd_key: HerdKey) -> Self {
        Self {
            name,
            incarnation,
            private_seed,
            herd_key,
            future_tolerance: limits::FUTURE_TOLERANCE,
            ttl: limits::REPORT_TTL,
            clients_max: limits::CLIENTS_MAX,
            log_bytes_max: limits::LOG_BYTES_MAX,
            started_at: Timestamp::from_nanos(0),
            started: Moment::from_nanos(0),
            peer_address: None,
        }
    }
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An IAMAT was taken, or was older than what is held; both get the same reply.
    Taken {
        /// Our clock less the client's.
        skew_nanos: i64,
    },
    /// A WHATSAT's client is known.
    Found(Box<Sighting>),
    /// A WHATSAT's client is not known.
    Unknown,
    /// Not a command.
    Invalid,
}

/// What a batch changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The records that were news, as appended to the log: if there are any, links have something to send.
    pub fresh: Vec<u8>,
    /// Clients that had to go because the table is full.
    pub evicted: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Node {
    settings: NodeSettings,
    own: ServerIndex,
    names: Names,
    placement: Placement,
    shards: Shards,
    log: Mutex<Log>,
    /// Held, shared, by each batch from its first look at the table until what it brought is in the log.
    step: RwLock<()>,
    clocks: Clocks,
    members: Members,
    sources: Mutex<Sources>,
    room: Room,
}

/// What all commands of a batch have in common.
struct Batch<'a> {
    clock: Timestamp,
    /// A little beyond the herd's time. What a report counts as is the client's time, but at most this, so that a phone whose
    /// clock is a year ahead cannot pin itself there for a year.
    latest: Timestamp,
    rules: Rules<'a>,
}

/// The latest incarnation of each neighbour, and the number of its reports in the log.
#[derive(Debug, Default)]
struct Sources {
    latest: HashMap<Name, (u64, Source), BuildHasherDefault<SipHasher13>>,
    given: u32,
}

impl Node {
    /// An empty node.
    #[must_use]
    pub fn new(settings: NodeSettings) -> Self {
        let names = Names::default();
        // The first of 4,096 names always gets its number, which is 0.
        let own = names.intern(&settings.name).unwrap_or(ServerIndex::from_bits(0));
        Self {
            own,
            names,
            placement: Placement::new(settings.herd_key.placement(), settings.private_seed),
            shards: Shards::new(),
            log: Mutex::new(Log::new(settings.log_bytes_max)),
            step: RwLock::default(),
            clocks: Clocks::default(),
            members: Members::new(&settings),
            sources: Mutex::default(),
            room: Room::default(),
            settings,
        }
    }

    /// What it was made of.
    #[must_use]
    pub const fn settings(&self) -> &NodeSettings {
        &self.settings
    }

    /// The names behind the server numbers in its records.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Who belongs to the herd.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// Applies the commands of a client in order, at our time `clock`, and appends an answer for each.
    pub fn apply(&self, commands: &[Command<'_>], clock: Timestamp, answers: &mut Vec<Answer>) -> Effects {
        let first = answers.len();
        answers.resize(first + commands.len(), Answer::Invalid);
        let step = self.step.read();
        let batch = Batch {
            clock,
            latest: self.clocks.herd_time(clock).later(self.settings.future_tolerance),
            rules: Rules {
                servers: self.names.read(),
                expired: self.expired(clock),
                placement: &self.placement,
            },
        };
        let mut fresh = Vec::with_capacity(commands.len() * RECORD_BYTES_USUAL);
        let answers = answers.get_mut(first..).unwrap_or_default();
        for (commands, answers) in commands.chunks(LOOKAHEAD).zip(answers.chunks_mut(LOOKAHEAD)) {
            // Who says nothing that we understand is nobody, whose place is as good as any.
            let place = |command: &Command<'_>| {
                self.placement.of(command.client().map_or(&[], |client| client.as_bytes()))
            };
            let places: Places = commands.iter().map(place).collect();
            let growth = self.shards.visit(&places, |shard, place, i| {
                answers[i] = self.answer(&commands[i], shard, place, &batch, &mut fresh);
            });
            self.room.grew(growth);
        }
        drop(batch);
        if !fresh.is_empty() {
            self.hold_late(clock);
        }
        self.conclude(step, Source::CLIENTS, fresh)
    }

    /// Does what one command asks of its client's shard; a report that is news is appended to `fresh`.
    fn answer(
        &self,
        command: &Command<'_>,
        shard: &mut Shard,
        place: Place,
        batch: &Batch<'_>,
        fresh: &mut Vec<u8>,
    ) -> Answer {
        match command {
            Command::Iamat(iamat) => {
                let start = fresh.len();
                self.encode(iamat, batch, fresh);
                if !offer(shard, place, fresh.get(start..), &batch.rules) {
                    fresh.truncate(start);
                }
                Answer::Taken { skew_nanos: batch.clock.nanos_since(iamat.time.at()) }
            }
            Command::Whatsat(whatsat) => sighting(shard, place, whatsat.client.as_bytes(), &batch.rules),
            Command::Invalid => Answer::Invalid,
        }
    }

    /// Where the log ends.
    #[must_use]
    pub fn log_end(&self) -> LogPosition {
        self.log.lock().end()
    }

    /// Where the log ends at a moment at which no batch is between table and log: all that any batch has seen in the
    /// table by now was logged before this position. Waits for the batches that are under way.
    #[must_use]
    pub fn settled_log_end(&self) -> LogPosition {
        let _step = self.step.write();
        self.log_end()
    }

    /// Appends to `out`, until it has about `bytes_max` bytes, whole records that follow `from` in the log and did not come
    /// from `except`; says where to go on. Whoever reports waits meanwhile, so little is read at once.
    ///
    /// # Errors
    /// The log no longer holds what follows `from`.
    pub fn read_log(
        &self,
        from: LogPosition,
        except: Source,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Result<LogPosition, Overtaken> {
        self.log.lock().read(from, except, bytes_max, out)
    }

    /// The source that stands for this life of a neighbour.
    pub fn source_of(&self, neighbour: &Name, incarnation: u64) -> Source {
        let mut sources = self.sources.lock();
        if let Some((known, source)) = sources.latest.get(neighbour)
            && *known == incarnation
        {
            return *source;
        }
        if sources.latest.len() >= limits::SERVERS_MAX {
            // Without it a neighbour may hear again what it told, which does no harm.
            sources.latest.clear();
        }
        sources.given += 1;
        let source = Source(sources.given);
        sources.latest.insert(neighbour.clone(), (incarnation, source));
        source
    }

    fn encode(&self, iamat: &Iamat<'_>, batch: &Batch<'_>, out: &mut Vec<u8>) {
        let order_time = iamat.time.at().min(batch.latest);
        record::encode(out, iamat, Receipt { server: self.own, received_at: batch.clock, order_time });
    }

    /// Logs what a batch brought, outside of the shards' locks. Two batches may reach the log in another order than
    /// the table: merging makes that harmless.
    fn conclude(&self, step: RwLockReadGuard<'_, ()>, source: Source, fresh: Vec<u8>) -> Effects {
        if !fresh.is_empty() {
            self.log.lock().append(source, &fresh);
        }
        drop(step);
        Effects { fresh, evicted: self.make_room() }
    }
}

fn sighting(shard: &Shard, place: Place, client: &[u8], rules: &Rules<'_>) -> Answer {
    let found = shard.find(place, client).filter(|record| record.received_at() >= rules.expired);
    let found = found.and_then(|record| Some((record, rules.servers.name(record.server())?)));
    found.map_or(Answer::Unknown, |(record, server)| {
        Answer::Found(Box::new(Sighting::of(&record, server.clone())))
    })
}

fn offer(shard: &mut Shard, place: Place, bytes: Option<&[u8]>, rules: &Rules<'_>) -> bool {
    // It was made of what a parser understood; one that equals what is held does not win.
    let check = None::<fn(&Record<'_>) -> Result<(), Infallible>>;
    let record = bytes.and_then(|bytes| Record::locate(bytes).ok());
    record.is_some_and(|record| shard.offer(place, &record, rules, check) == Ok(true))
}
