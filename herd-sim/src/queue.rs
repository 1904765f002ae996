//! What happens when: the one source of order in a run. Events of the same time happen in the order they were planned.

use std::{cmp::Ordering, collections::BinaryHeap};

/// A connection's number, never used twice.
pub(crate) type ConnectionId = usize;

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A client speaks.
    Traffic,
    /// A server tries to connect with its neighbour of this number.
    Dial { server: usize, life: u64, neighbour: usize },
    /// A dialler loses patience.
    GiveUp { server: usize, id: ConnectionId },
    /// A connection attempt reaches its acceptor.
    Knock(ConnectionId),
    /// The dialler hears of it.
    Reached { id: ConnectionId, is_accepted: bool },
    /// Bytes that this end sent reach the other.
    Arrive { id: ConnectionId, from: usize },
    /// A link wants to be told the time.
    Timer { server: usize, id: ConnectionId },
    /// A server writes to its disk, or has written.
    Write { server: usize, life: u64 },
    /// A server syncs its disk, or has synced.
    Sync { server: usize, life: u64 },
    /// All servers drop what has expired.
    Sweep,
    /// The scenario's fault of this number begins.
    Fault(usize),
    /// A fault ends.
    Heal(Healing),
    /// Oracles look.
    Probe,
}

/// The end of a fault.
#[derive(Clone, Debug)]
pub(crate) enum Healing {
    /// A dead server comes back.
    Restart(usize),
    /// A disk is as fast as others.
    Hasten(usize),
    /// A disk has room again.
    MakeRoom(usize),
    /// A server comes back on another machine: empty, with a clock so many nanoseconds ahead.
    Replace(usize, i64),
    /// A server that should not be there goes; whoever was there before comes back.
    Expel(usize),
    /// A stopped server goes on.
    Resume(usize),
    /// Ways between servers are open again.
    Unblock(Vec<(usize, usize)>),
    /// An edge is as fast as the others.
    Quicken((usize, usize)),
}

/// Events to come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BinaryHeap<Planned>,
    planned: u64,
}

#[derive(Debug)]
struct Planned {
    at: u64,
    number: u64,
    event: Event,
}

impl Queue {
    /// Plans an event for a time in nanoseconds.
    pub(crate) fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.events.push(Planned { at, number: self.planned, event });
    }

    /// Takes the next event with its time.
    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.events.pop().map(|planned| (planned.at, planned.event))
    }
}

/// The heap gives the greatest first: that is the earliest.
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Planned {}
