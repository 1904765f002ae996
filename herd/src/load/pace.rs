//! When requests are due in an open loop, and an alarm that goes off then.
//!
//! The alarm is a timer with a file descriptor: a wait for sockets alone is only precise to a millisecond.

use std::{io, os::fd::AsRawFd, os::fd::OwnedFd, time::Duration};

use mio::{Interest, Registry, Token, unix::SourceFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

const NANOS: f64 = 1e9;
/// Longest wait, in nanoseconds.
const WAIT_MAX: u64 = 100_000_000;
/// The alarm's events are no connection's.
const ALARM: Token = Token(usize::MAX);

/// One worker's requests in time: every so many nanoseconds one.
#[derive(Debug)]
pub(super) struct Pace {
    alarm: OwnedFd,
    /// Requests a second of all workers.
    rate: f64,
    nth: u32,
    workers: u32,
    sent: u64,
}

impl Pace {
    /// The pace of worker `nth` of `workers` that send `rate` requests a second together.
    pub(super) fn new(registry: &Registry, rate: f64, nth: u32, workers: u32) -> io::Result<Self> {
        let alarm =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        registry.register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Self { alarm, rate, nth, workers, sent: 0 })
    }

    /// When the next request is due, in nanoseconds of the run.
    pub(super) fn due(&self) -> u64 {
        due(self.sent, self.rate, self.nth, self.workers)
    }

    /// Requests that were due and taken.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Takes the next request: when it is due.
    pub(super) fn next(&mut self) -> u64 {
        let due = self.due();
        self.sent += 1;
        due
    }

    /// Sets the alarm to the next request; how long to wait for it at most.
    pub(super) fn wait(&self, now: u64) -> io::Result<Duration> {
        let wait = self.due().saturating_sub(now).min(WAIT_MAX);
        if wait == 0 {
            return Ok(Duration::ZERO);
        }
        let nanos = i64::try_from(wait).unwrap_or(i64::MAX);
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let at = Timespec { tv_sec: 0, tv_nsec: nanos };
        timerfd_settime(
            &self.alarm,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: once, it_value: at },
        )?;
        Ok(Duration::from_nanos(WAIT_MAX))
    }
}

/// The `sent`-th request of a worker is that of all workers which its turn comes to.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "2^53 ns are 104 days"
)]
fn due(sent: u64, rate: f64, nth: u32, workers: u32) -> u64 {
    let turn = sent * u64::from(workers) + u64::from(nth);
    (turn as f64 * NANOS / rate) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_turns() {
        let all: Vec<u64> = (0..3).flat_map(|sent| [due(sent, 1e6, 0, 2), due(sent, 1e6, 1, 2)]).collect();
        assert_eq!(all, [0, 1000, 2000, 3000, 4000, 5000]);
    }
}
