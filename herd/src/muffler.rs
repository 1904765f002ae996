//! Warnings about what may happen a million times a second: counted always, said at most once a second.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

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

/// Shortest time between two warnings of the same words: whoever is turned away comes again every few seconds, until
/// somebody reads the first one.
const REPETITION: Duration = Duration::from_secs(30);

/// Most words remembered: as many things as one would look at.
const REFRAINS_MAX: usize = 16;

/// Warnings that come again and again, each in its own words.
#[derive(Debug, Default)]
pub(crate) struct Refrains {
    muffler: Muffler,
    said: Mutex<VecDeque<(String, Instant)>>,
}

impl Refrains {
    /// Counts an event with its words; says how many there were of all kinds since the last warning if these words are to
    /// be said.
    pub(crate) fn count(&self, words: &str) -> Option<u64> {
        let mut said = self.said.lock();
        said.retain(|(_, at)| at.elapsed() < REPETITION);
        if said.iter().any(|(known, _)| known == words) {
            self.muffler.0.lock().unsaid += 1;
            return None;
        }
        let times = self.muffler.count(1)?;
        if said.len() == REFRAINS_MAX {
            said.pop_front();
        }
        said.push_back((words.to_owned(), Instant::now()));
        Some(times)
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

    #[test]
    fn the_same_words_are_said_again_after_half_a_minute_and_other_words_after_a_second() {
        let refrains = Refrains::default();
        let later = |by| {
            refrains.muffler.0.lock().said_at = Instant::now().checked_sub(by);
            refrains.said.lock().iter_mut().for_each(|(_, at)| *at = at.checked_sub(by).unwrap());
        };
        assert_eq!(refrains.count("a"), Some(1));
        assert_eq!(refrains.count("b"), None);
        later(SILENCE);
        assert_eq!(refrains.count("a"), None);
        assert_eq!(refrains.count("b"), Some(3));
        later(REPETITION);
        assert_eq!(refrains.count("a"), Some(1));
        for i in 0..100 {
            later(SILENCE);
            assert_eq!(refrains.count(&i.to_string()), Some(1));
        }
        assert!(refrains.said.lock().len() <= REFRAINS_MAX);
    }
}
