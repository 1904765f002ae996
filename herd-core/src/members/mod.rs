//! Who belongs to the herd: one fact per server, which its server alone makes and which floods over the links.
//!
//! Not who may link, and nothing that a report waits for. The one thing to know: a server never believes others about
//! itself. What they tell of its name is either a former life, which it outdoes, or another server that claims
//! the name; of two that know of each other the younger stops.

mod fact;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    limits::{CLAIM_MAX, FACT_NEIGHBOURS_MAX, SERVERS_MAX},
    log::Source,
    node::NodeSettings,
    server::Name,
    time::Moment,
    wire::members::fact_bytes,
};

pub use fact::{Fact, Presence};

/// A server of the herd that has not left, as far as is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it said of itself last.
    pub fact: Fact,
    /// Links lead from us to it. Otherwise it is down, or cut off.
    pub is_reachable: bool,
}

/// All facts that a server knows; its own is always among them.
#[derive(Debug)]
pub struct Members {
    own: Name,
    started: Moment,
    known: Mutex<Known>,
    /// The one in [`Known`], to be read without its lock.
    revision: AtomicU64,
}

#[derive(Debug)]
struct Known {
    own: Fact,
    own_revision: u64,
    others: BTreeMap<Name, Entry>,
    /// Some of them may have left.
    has_left: bool,
    /// Counts the changes of facts, so that a link can ask what is new since it asked last.
    revision: u64,
    /// Open connections by neighbour: for a moment there are two when one takes the place of the other.
    connections: BTreeMap<Name, usize>,
    /// Since when each neighbour has refused us because another server has our name, while none has accepted us.
    refused_since: BTreeMap<Name, Moment>,
}

#[derive(Debug)]
struct Entry {
    fact: Fact,
    revision: u64,
    from: Source,
}

/// What came of facts that were heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Something changed that others are to hear.
    pub(crate) is_news: bool,
    /// An older server has our name, and knows of us: this server has to stop.
    pub(crate) claim: Option<Box<Fact>>,
}

impl Members {
    pub(crate) fn new(settings: &NodeSettings) -> Self {
        let NodeSettings { name, incarnation, started_at, started, peer_address, .. } = settings;
        let known = Known {
            own: Fact::first(name.clone(), *incarnation, *started_at, *peer_address),
            own_revision: 1,
            others: BTreeMap::new(),
            has_left: false,
            revision: 1,
            connections: BTreeMap::new(),
            refused_since: BTreeMap::new(),
        };
        Self {
            own: name.clone(),
            started: *started,
            revision: AtomicU64::new(known.revision),
            known: Mutex::new(known),
        }
    }

    /// Those who have not left, ourselves included, in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<Member> {
        let known = self.known.lock();
        let reachable = known.reachable();
        let mut members: Vec<_> = known
            .facts()
            .filter(|fact| fact.presence == Presence::Present)
            .map(|fact| Member { fact: fact.clone(), is_reachable: reachable.contains(&fact.name) })
            .collect();
        members.sort_by(|a, b| a.fact.name.cmp(&b.fact.name));
        members
    }

    /// Whether a server said that it left for good, and has not come back.
    #[must_use]
    pub fn has_left(&self, server: &Name) -> bool {
        let known = self.known.lock();
        known.others.get(server).is_some_and(|entry| entry.fact.presence == Presence::Left)
    }

    /// Says to the herd that this server leaves for good. Links have something to send.
    pub fn leave(&self) {
        self.change(|known| known.renew(|own| own.presence = Presence::Left));
    }

    /// Counts the changes: whoever has seen all up to here has seen all.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Takes in what a neighbour told.
    pub(crate) fn merge(&self, from: Source, facts: Vec<Fact>, now: Moment) -> Heard {
        let age = now.since(self.started);
        self.change(|known| {
            let before = known.revision;
            // Whoever refuses us would not tell us anything.
            known.refused_since.clear();
            let mut claim = None;
            for fact in facts {
                if fact.name == self.own {
                    claim = known.answer(fact, age).or(claim);
                } else {
                    known.learn(fact, from);
                }
            }
            Heard { is_news: known.revision != before, claim }
        })
    }

    /// The facts that changed after `revision` and did not come from `except`, oldest change first, `bytes_max` of them or
    /// one; and the revision to ask from next.
    pub(crate) fn since(&self, revision: u64, except: Source, bytes_max: usize) -> (Vec<Fact>, u64) {
        let known = self.known.lock();
        let own = (known.own_revision, Source::CLIENTS, &known.own);
        let others = known.others.values().map(|entry| (entry.revision, entry.from, &entry.fact));
        let mut changed: Vec<_> = others.chain([own]).filter(|(changed, ..)| *changed > revision).collect();
        changed.sort_unstable_by_key(|(changed, ..)| *changed);
        let (mut facts, mut bytes) = (Vec::new(), 0);
        for (changed, from, fact) in changed {
            if from == except {
                continue;
            }
            bytes += fact_bytes(fact);
            if bytes > bytes_max && !facts.is_empty() {
                return (facts, changed - 1);
            }
            facts.push(fact.clone());
        }
        (facts, known.revision)
    }

    /// A connection has become a link.
    pub(crate) fn link_up(&self, neighbour: &Name) {
        self.change(|known| {
            *known.connections.entry(neighbour.clone()).or_default() += 1;
            known.note_links();
        });
    }

    /// A connection that was a link is gone: says whether it was the only one with that neighbour.
    pub(crate) fn link_down(&self, neighbour: &Name) -> bool {
        self.change(|known| {
            if let Some(connections) = known.connections.get_mut(neighbour) {
                *connections -= 1;
                if *connections == 0 {
                    known.connections.remove(neighbour);
                }
            }
            known.note_links();
            !known.connections.contains_key(neighbour)
        })
    }

    /// `neighbour`, which proved itself, refused us because it is linked with another server of our name, on a connection that
    /// began at `asked_at`: what it answers late it may have heard from a former life of ours. Whether that has
    /// gone on, with no neighbour accepting us, for longer than a former life of ours could be taken for alive.
    pub(crate) fn is_refused_for_good(&self, neighbour: &Name, asked_at: Moment, now: Moment) -> bool {
        let mut known = self.known.lock();
        let since = *known.refused_since.entry(neighbour.clone()).or_insert(now);
        asked_at.since(since) >= CLAIM_MAX
    }

    /// A neighbour left us without an answer: it stood still, so what it refused us for before says nothing any more.
    pub(crate) fn unanswered(&self, neighbour: &Name) {
        self.known.lock().refused_since.remove(neighbour);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock();
        let result = change(&mut known);
        self.revision.store(known.revision, Ordering::Release);
        result
    }
}

impl Known {
    fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.others.values().map(|entry| &entry.fact).chain([&self.own])
    }

    /// Who can be reached from us over links that the nearer end says it has: those who are gone cannot say so.
    fn reachable(&self) -> BTreeSet<&Name> {
        let mut reachable = BTreeSet::from([&self.own.name]);
        let mut next = vec![&self.own];
        while let Some(fact) = next.pop() {
            for neighbour in &fact.neighbours {
                if reachable.insert(neighbour)
                    && let Some(entry) = self.others.get(neighbour)
                {
                    next.push(&entry.fact);
                }
            }
        }
        reachable
    }

    /// Makes a new fact of ours.
    fn renew(&mut self, change: impl FnOnce(&mut Fact)) {
        change(&mut self.own);
        self.own.version = self.own.version.saturating_add(1);
        self.revision += 1;
        self.own_revision = self.revision;
    }

    fn note_links(&mut self) {
        let neighbours: Vec<Name> = self.connections.keys().take(FACT_NEIGHBOURS_MAX).cloned().collect();
        if neighbours != self.own.neighbours {
            self.renew(|own| own.neighbours = neighbours);
        }
    }

    /// Keeps a fact about another server if it is newer than the one known.
    fn learn(&mut self, fact: Fact, from: Source) {
        let is_left = fact.presence == Presence::Left;
        match self.others.get(&fact.name) {
            Some(known) if known.fact >= fact => return,
            Some(_) => {}
            None if self.others.len() < SERVERS_MAX => {}
            None if is_left || !self.has_left => return,
            // Full: those who left give way to those who are there.
            None => {
                self.others.retain(|_, entry| entry.fact.presence == Presence::Present);
                self.has_left = false;
                if self.others.len() >= SERVERS_MAX {
                    return;
                }
            }
        }
        self.has_left |= is_left;
        self.revision += 1;
        self.others.insert(fact.name.clone(), Entry { fact, revision: self.revision, from });
    }

    /// Answers a fact about our own name: outdoes a former life, and lets another server that claims the name know of us.
    /// Returns the fact if that server knows of us already and is older. Each of the two measured its own age as it heard
    /// of the other, so that no wall clock has a say.
    fn answer(&mut self, fact: Fact, age: Duration) -> Option<Box<Fact>> {
        if fact.incarnation == self.own.incarnation {
            // An echo, or a lie about us; only a lie can be ahead of us.
            if fact > self.own && (self.own.life, self.own.version) != (u64::MAX, u64::MAX) {
                self.renew(|own| {
                    own.life = own.life.max(fact.life);
                    own.version = own.version.max(fact.version);
                });
            }
            return None;
        }
        let is_unheard_of = self.own.rival != fact.incarnation;
        let age =
            if is_unheard_of { u64::try_from(age.as_nanos()).unwrap_or(u64::MAX) } else { self.own.age };
        let knows_of_us = fact.rival != 0 && fact.rival == self.own.incarnation;
        let is_older = (fact.age, fact.incarnation) > (age, self.own.incarnation);
        if knows_of_us && is_older && fact.presence == Presence::Present {
            return Some(Box::new(fact));
        }
        let is_behind = self.own <= fact && self.own.life < u64::MAX;
        if is_unheard_of || is_behind {
            self.renew(|own| {
                own.life = if is_behind { fact.life.saturating_add(1) } else { own.life };
                (own.rival, own.age) = (fact.incarnation, age);
            });
        }
        None
    }
}

#[cfg(test)]
mod tests;
