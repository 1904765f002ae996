//! Warnings about what may happen a million times a second: counted always, said at most once a second.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Shortest time between two warnings: a log that grows by a line a second fills no disk.
const SILENCE: Duration = Duration::from_secs(1);

/// The count of one kind of event.
#[derive(Debug, Default)]
pub(crate) struct Muffler(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    unsaid: u64,
    said_at: Option<Instant>,
}

impl Muffler {
    /// Counts `events` more; says how many there were since the last warning if it is time for one.
    pub(crate) fn count(&self, events: u64) -> Option<u64> {
        let mut count = self.0.lock();
        count.unsaid += events;
        let now = Instant::now();
        if count.said_at.is_some_and(|said_at| now.duration_since(said_at) < SILENCE) {
            return None;
        }
        count.said_at = Some(now);
        Some(std::mem::take(&mut count.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_said_and_the_rest_of_its_second_is_only_counted() {
        let muffler = Muffler::default();
        assert_eq!(muffler.count(3), Some(3));
        assert_eq!(muffler.count(4), None);
        muffler.0.lock().said_at = Instant::now().checked_sub(SILENCE);
        assert_eq!(muffler.count(5), Some(9));
    }
}
