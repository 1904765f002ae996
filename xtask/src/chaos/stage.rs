//! What every round is played on: the herd under load, the seed's choices, and the person who may end it all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use fastrand::Rng;

use super::{
    herd::{Herd, name},
    load::Load,
    network::{EDGES, SERVERS, Server, neighbours},
    table::Noticed,
};

/// Time between two looks.
const TICK: Duration = Duration::from_millis(10);
/// Reports acknowledged so shortly before a server was killed may be neither with a neighbour nor on its disk.
const YOUNG: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Stage<'a> {
    pub(super) load: &'a Load<'a>,
    pub(super) rng: Rng,
    /// Somebody pressed Ctrl-C.
    pub(super) is_interrupted: Arc<AtomicBool>,
}

impl Stage<'_> {
    pub(super) fn herd(&self) -> &Herd {
        self.load.herd
    }

    /// Lets the load go on for a while.
    ///
    /// # Errors
    /// Somebody wants an end.
    pub(super) fn pass(&self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while let rest = time.saturating_sub(began.elapsed())
            && !rest.is_zero()
        {
            if self.is_interrupted.load(Ordering::SeqCst) {
                bail!("interrupted");
            }
            thread::sleep(rest.min(TICK));
        }
        Ok(())
    }

    /// Waits until every edge has a link.
    ///
    /// # Errors
    /// Some has none in all the time.
    pub(super) fn wait_for_links(&self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.herd().is_linked() {
            if began.elapsed() > time {
                bail!("some edge has no link within {time:?}");
            }
            self.pass(TICK)?;
        }
        Ok(())
    }

    /// SIGKILL to servers at once.
    pub(super) fn kill(&self, servers: &[Server]) -> anyhow::Result<()> {
        let killed_at = self.herd().kill(servers)?;
        let since = killed_at.checked_sub(YOUNG).unwrap_or(killed_at);
        servers.iter().for_each(|&server| self.load.ledger.excuse(name(server), since));
        Ok(())
    }

    /// So many different servers.
    pub(super) fn victims(&mut self, number: usize) -> Vec<Server> {
        let mut servers: Vec<Server> = (0..SERVERS.len()).collect();
        self.rng.shuffle(&mut servers);
        servers.truncate(number);
        servers
    }

    pub(super) fn victim(&mut self) -> Server {
        self.rng.usize(..SERVERS.len())
    }

    pub(super) fn edge(&mut self) -> (Server, Server) {
        let (a, b) = self.rng.choice(EDGES).unwrap_or_default();
        if self.rng.bool() { (a, b) } else { (b, a) }
    }

    /// A time between two bounds in milliseconds.
    pub(super) fn time(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(self.rng.u64(least_ms..=most_ms))
    }

    /// How long after `then` each of the first gave up the second.
    pub(super) fn noticed(&self, then: Instant, pairs: &[(Server, Server)]) -> Noticed {
        let after = |&(server, neighbour): &(Server, Server)| {
            let events = self.herd().links(server, then);
            let mut downs = events.iter().filter(|event| !event.is_up && event.neighbour == name(neighbour));
            downs.next().map(|event| event.at - then)
        };
        let times: Option<Vec<Duration>> = pairs.iter().map(after).collect();
        times.and_then(|times| times.into_iter().max()).map_or(Noticed::Never, Noticed::After)
    }

    /// [`Stage::noticed`] for all neighbours of a server.
    pub(super) fn noticed_by_neighbours(&self, then: Instant, server: Server) -> Noticed {
        let pairs: Vec<_> = neighbours(server).map(|neighbour| (neighbour, server)).collect();
        self.noticed(then, &pairs)
    }
}
