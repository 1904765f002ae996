//! Leaves a provider alone that keeps failing, and finds out by itself when it is back.
//!
//! A state machine that is told the time. The one thing to know: while it is not closed, at most one request is under
//! way, the probe; what older requests still bring back changes nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it: two may be chance, ten would keep clients waiting for ten deadlines.
const FAILURES_MAX: u32 = 5;
/// How long the provider is left alone at first; doubles with each probe that fails.
const HOLD_FIRST: Duration = Duration::from_secs(10);
/// The longest: a minute after the provider is back, so are we.
const HOLD_LONGEST: Duration = Duration::from_secs(60);
/// Share of a hold that chance adds to it: servers that lost a provider together do not come back as one.
const JITTER: f64 = 0.25;

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, hold: Duration },
    Probing { hold: Duration },
}

/// The right to make one request, to be given back with its outcome.
#[derive(Debug)]
pub(super) enum Permit {
    /// All is well.
    Usual,
    /// The only request under way: its outcome decides.
    Probe,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The provider answered.
    Answered,
    /// It did not.
    Failed,
    /// It was not asked.
    Untried,
}

/// What an operator would call its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Requests pass.
    Closed,
    /// None does.
    Open,
    /// One does, or may.
    Probing,
}

impl Default for Breaker {
    fn default() -> Self {
        Self(State::Closed { failures: 0 })
    }
}

impl Breaker {
    /// The right to make a request, unless the provider is left alone.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Permit> {
        match self.0 {
            State::Closed { .. } => Some(Permit::Usual),
            State::Open { until, hold } if until <= now => {
                self.0 = State::Probing { hold };
                Some(Permit::Probe)
            }
            State::Open { .. } | State::Probing { .. } => None,
        }
    }

    /// Takes a permit back; whether the provider is in another condition now.
    pub(super) fn settle(&mut self, permit: Permit, outcome: Outcome, now: Instant) -> bool {
        let before = self.condition(now);
        self.0 = match (permit, outcome, self.0) {
            (Permit::Usual, Outcome::Answered, State::Closed { .. })
            | (Permit::Probe, Outcome::Answered, _) => State::Closed { failures: 0 },
            (Permit::Usual, Outcome::Failed, State::Closed { failures }) if failures + 1 < FAILURES_MAX => {
                State::Closed { failures: failures + 1 }
            }
            (Permit::Usual, Outcome::Failed, State::Closed { .. }) => State::open(now, HOLD_FIRST),
            (Permit::Probe, Outcome::Failed, State::Probing { hold }) => {
                State::open(now, (2 * hold).min(HOLD_LONGEST))
            }
            // The next asker may try.
            (Permit::Probe, Outcome::Untried, State::Probing { hold }) => State::Open { until: now, hold },
            // News from before it opened, or none.
            (_, _, state) => state,
        };
        self.condition(now) != before
    }

    /// Its condition.
    pub(super) fn condition(&self, now: Instant) -> Condition {
        match self.0 {
            State::Closed { .. } => Condition::Closed,
            State::Open { until, .. } if now < until => Condition::Open,
            State::Open { .. } | State::Probing { .. } => Condition::Probing,
        }
    }
}

impl State {
    fn open(now: Instant, hold: Duration) -> Self {
        Self::Open { until: now + hold.mul_f64(1.0 + JITTER * fastrand::f64()), hold }
    }
}

impl Condition {
    /// In a word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails until it opens; the moment of that.
    fn opened(breaker: &mut Breaker) -> Instant {
        let now = Instant::now();
        for failure in 1..=FAILURES_MAX {
            let permit = breaker.admit(now).unwrap();
            assert_eq!(breaker.settle(permit, Outcome::Failed, now), failure == FAILURES_MAX);
        }
        now
    }

    #[test]
    fn it_opens_after_five_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..20 {
            for outcome in [Outcome::Failed; 4].into_iter().chain([Outcome::Answered]) {
                let permit = breaker.admit(now).unwrap();
                assert!(!breaker.settle(permit, outcome, now));
            }
        }
        opened(&mut breaker);
        assert!(breaker.admit(now).is_none());
    }

    #[test]
    fn it_holds_off_ten_seconds_then_twice_as_long_up_to_a_minute() {
        let mut breaker = Breaker::default();
        let mut now = opened(&mut breaker);
        for seconds in [10, 20, 40, 60, 60] {
            let hold = Duration::from_secs(seconds);
            assert!(breaker.admit(now + hold - Duration::from_millis(1)).is_none(), "{seconds}");
            now += hold.mul_f64(1.0 + JITTER);
            let permit = breaker.admit(now).unwrap();
            assert!(breaker.settle(permit, Outcome::Failed, now));
        }
    }

    #[test]
    fn one_probe_is_under_way_at_a_time_and_its_answer_closes_it() {
        let mut breaker = Breaker::default();
        let now = opened(&mut breaker) + HOLD_LONGEST;
        let untried = breaker.admit(now).unwrap();
        assert!(breaker.admit(now + HOLD_LONGEST).is_none());
        breaker.settle(untried, Outcome::Untried, now);
        let probe = breaker.admit(now).unwrap();
        assert!(breaker.admit(now).is_none());
        // A request from before it opened comes back; that says little.
        breaker.settle(Permit::Usual, Outcome::Answered, now);
        breaker.settle(Permit::Usual, Outcome::Failed, now);
        assert!(breaker.admit(now).is_none());
        assert!(breaker.settle(probe, Outcome::Answered, now));
        for _ in 0..3 {
            assert!(matches!(breaker.admit(now), Some(Permit::Usual)));
        }
    }
}
