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

/// One worker's requests in time.
#[derive(Debug)]
pub(super) struct Pace {
    alarm: OwnedFd,
    timetable: Timetable,
    sent: u64,
}

/// When requests are due, and on which connection.
#[derive(Debug)]
pub(super) enum Timetable {
    /// Evenly; workers and connections take turns.
    Even {
        /// Requests a second of all workers.
        rate: f64,
        /// This worker.
        nth: u32,
        /// How many there are.
        workers: u32,
        /// Connections of this one.
        connections: usize,
    },
    /// As it is written: nanoseconds of the run, in ascending order.
    Listed(Vec<(u64, usize)>),
}

impl Pace {
    /// The pace that a timetable sets.
    pub(super) fn new(registry: &Registry, timetable: Timetable) -> io::Result<Self> {
        let alarm =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        registry.register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Self { alarm, timetable, sent: 0 })
    }

    /// When the next request is due, in nanoseconds of the run, and its connection; `None` after the last.
    pub(super) fn next(&self) -> Option<(u64, usize)> {
        match &self.timetable {
            &Timetable::Even { rate, nth, workers, connections } => {
                let connection = usize::try_from(self.sent % connections.max(1) as u64).unwrap_or_default();
                Some((due(self.sent, rate, nth, workers), connection))
            }
            Timetable::Listed(list) => list.get(usize::try_from(self.sent).ok()?).copied(),
        }
    }

    /// The next request is the one after.
    pub(super) const fn advance(&mut self) {
        self.sent += 1;
    }

    /// How many requests are still to come that are due before `end`.
    pub(super) fn due_before(&self, end: u64) -> u64 {
        let all = match &self.timetable {
            &Timetable::Even { rate, nth, workers, .. } => turns_before(end, rate, nth, workers),
            Timetable::Listed(list) => list.partition_point(|&(due, _)| due < end) as u64,
        };
        all.saturating_sub(self.sent)
    }

    /// Sets the alarm to the next request; how long to wait for it at most.
    pub(super) fn wait(&self, now: u64) -> io::Result<Duration> {
        let wait = self.next().map_or(WAIT_MAX, |(due, _)| due.saturating_sub(now).min(WAIT_MAX));
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
fn due(sent: u64, rate: f64, nth: u32, workers: u32) -> u64 {
    let turn = sent * u64::from(workers) + u64::from(nth);
    scaled(turn, NANOS, rate)
}

/// How many requests of a worker are due before `end`: about as many as the rate says, give or take what rounding does.
fn turns_before(end: u64, rate: f64, nth: u32, workers: u32) -> u64 {
    let from = scaled(end, rate, NANOS * f64::from(workers)).saturating_sub(2);
    (from..).find(|&sent| due(sent, rate, nth, workers) >= end).unwrap_or(from)
}

/// `number` times so much over so much.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "2^53 ns are 104 days"
)]
fn scaled(number: u64, times: f64, over: f64) -> u64 {
    (number as f64 * times / over) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_turns() {
        let all: Vec<u64> = (0..3).flat_map(|sent| [due(sent, 1e6, 0, 2), due(sent, 1e6, 1, 2)]).collect();
        assert_eq!(all, [0, 1000, 2000, 3000, 4000, 5000]);
    }

    #[test]
    fn what_is_due_before_the_end_is_counted_to_the_request() {
        for (rate, workers, end) in
            [(1e6, 2, 5000), (1e6, 2, 5001), (3.0, 1, 1_000_000_000), (0.001, 3, 7), (1e9, 1, 50)]
        {
            let counted = |nth| (0..).take_while(|&sent| due(sent, rate, nth, workers) < end).count() as u64;
            for nth in 0..workers {
                assert_eq!(turns_before(end, rate, nth, workers), counted(nth), "{rate} {nth} of {workers}");
            }
        }
    }
}
