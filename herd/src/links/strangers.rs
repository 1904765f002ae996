//! Connections that have not proved yet who they are: so many and no more, the oldest gives way to the newest.
//!
//! A neighbour proves itself within milliseconds; who holds a place for longer is somebody else, and must not keep
//! neighbours out.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Most strangers: each holds at most 200 KiB for as long as a handshake may take (what one read brings, and as much that
/// TLS has not understood yet or holds back), 25 MiB in all; a herd of 50 that restarts at once brings 49.
const STRANGERS_MAX: usize = 128;

/// All strangers, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<VecDeque<(u64, CancellationToken)>>);

/// One stranger's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    strangers: Arc<Strangers>,
    number: u64,
    /// Fires when it has to give way.
    pub(super) taken: CancellationToken,
}

impl Strangers {
    /// Gives connection `number` a place, the oldest one's if there is no other.
    pub(super) fn admit(self: &Arc<Self>, number: u64) -> Place {
        let taken = CancellationToken::new();
        let mut all = self.0.lock();
        if all.len() >= STRANGERS_MAX
            && let Some((_, oldest)) = all.pop_front()
        {
            oldest.cancel();
        }
        all.push_back((number, taken.clone()));
        drop(all);
        Place { strangers: Arc::clone(self), number, taken }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.strangers.0.lock().retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stranger_gives_way_and_places_are_given_back() {
        let strangers = Arc::new(Strangers::default());
        let mut places: Vec<_> = (0..STRANGERS_MAX as u64).map(|number| strangers.admit(number)).collect();
        drop(places.pop());
        let last = strangers.admit(1000);
        assert!(places.iter().all(|place| !place.taken.is_cancelled()));
        let newest = strangers.admit(1001);
        assert!(places.first().is_some_and(|oldest| oldest.taken.is_cancelled()));
        assert!(places.iter().skip(1).all(|place| !place.taken.is_cancelled()));
        drop((places, last, newest));
        assert!(strangers.0.lock().is_empty());
    }
}
