//! The two clocks of one server: the only place that reads them.
//!
//! The wall clock may be one that a test sets; the monotonic one always runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use herd_core::time::{Moment, Now, Timestamp};

/// Both clocks; clones read the same ones.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    /// Stands in for the system's wall clock.
    set: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self { start: Instant::now(), set: None }
    }

    /// A wall clock that stands at `at` until [`Clock::set`] moves it.
    #[must_use]
    pub fn standing(at: Timestamp) -> Self {
        Self { start: Instant::now(), set: Some(Arc::new(AtomicU64::new(at.as_nanos()))) }
    }

    /// Moves a standing clock, and all its clones; the system's clock stays as it is.
    pub fn set(&self, at: Timestamp) {
        if let Some(set) = &self.set {
            set.store(at.as_nanos(), Ordering::SeqCst);
        }
    }

    /// The wall clock. A system clock before 1970 reads 0.
    #[must_use]
    pub fn read(&self) -> Timestamp {
        let nanos = self.set.as_ref().map_or_else(
            || {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
            },
            |set| set.load(Ordering::SeqCst),
        );
        Timestamp::from_nanos(nanos)
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        let running = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now { moment: Moment::from_nanos(running), clock: self.read() }
    }
}
