//! What happens when: the one source of order in a run. Events of the same time happen in the order they were planned.

use std::collections::BTreeMap;

use crate::{fault::Healing, network::ConnectionId};

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
    /// All servers drop what has expired.
    Sweep,
    /// The scenario's fault of this number begins.
    Fault(usize),
    /// A fault ends.
    Heal(Healing),
    /// Oracles look.
    Probe,
}

/// Events to come.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
}

impl Queue {
    /// Plans an event for a time in nanoseconds.
    pub(crate) fn plan(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.events.insert((at, self.planned), event);
    }

    /// Takes the next event with its time.
    pub(crate) fn next(&mut self) -> Option<(u64, Event)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}
