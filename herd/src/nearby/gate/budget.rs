//! What may be spent on a provider that takes money: requests a second and requests a day, never exceeded.
//!
//! Any span of a second sees at most `per_second` requests, all of them at once if need be; any day (UTC) at most
//! `per_day`, restarts and crashes included. For that requests are paid for in blocks in a [`Ledger`] *before* they
//! are made: a server that is killed loses the rest of its block, one that stops gives it back
//! ([`close`](Budget::close)), and nobody loses the count. The one thing to know: [`spend`](Budget::spend) touches no
//! disk, [`reserve`](Budget::reserve) does.

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use herd_core::time::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::ledger::{Entry, Ledger, LedgerError};

const SECOND: Duration = Duration::from_secs(1);
const DAY_NANOS: u64 = 86_400_000_000_000;

/// Part of a day's budget that is paid for at once: a crash loses at most 1 % of the day, and 100 writes suffice for it.
const BLOCKS: u64 = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: usize,
    per_day: u64,
    /// Held while the file is read or written.
    ledger: Mutex<Ledger>,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    /// Whether the ledger was read; until then nothing can be spent.
    is_open: bool,
    /// Whether nothing can be spent any more.
    is_closed: bool,
    day: u64,
    /// Requests of that day, at most as many as are paid for.
    spent: u64,
    /// What the ledger says at least.
    paid: u64,
    /// The requests of the last second.
    recent: VecDeque<Instant>,
}

/// What came of the wish to make a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spending {
    /// It may be made.
    Done,
    /// More has to be paid for first: [`Budget::reserve`], then another try.
    Short,
}

/// Why no request may be made: nobody is at fault, later ones may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exhausted {
    /// Until some moment within the next second.
    #[error("the budget of {0} requests a second is used up")]
    Second(usize),
    /// Until midnight UTC.
    #[error("the budget of {0} requests a day is used up")]
    Day(u64),
    /// For good: the server stops.
    #[error("the server stops")]
    Closed,
}

/// How much is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Balance {
    /// Requests made today.
    pub(super) today: u64,
    /// Requests that may be made at this moment.
    pub(super) tokens: usize,
}

impl Budget {
    /// A budget whose daily count is in the file at `path`.
    pub(super) fn new(per_second: u32, per_day: u32, path: PathBuf) -> Self {
        Self {
            per_second: usize::try_from(per_second).unwrap_or(usize::MAX),
            per_day: per_day.into(),
            ledger: Mutex::new(Ledger::new(path)),
            account: Mutex::default(),
        }
    }

    /// Spends one request.
    ///
    /// # Errors
    /// The second or the day has had its share, or the server stops.
    pub(super) fn spend(&self, now: Instant, clock: Timestamp) -> Result<Spending, Exhausted> {
        let mut account = self.account.lock();
        account.turn(now, clock);
        if account.is_closed {
            return Err(Exhausted::Closed);
        }
        if account.spent >= self.per_day {
            return Err(Exhausted::Day(self.per_day));
        }
        if account.recent.len() >= self.per_second {
            return Err(Exhausted::Second(self.per_second));
        }
        if account.spent >= account.paid {
            return Ok(Spending::Short);
        }
        account.spent += 1;
        account.recent.push_back(now);
        Ok(Spending::Done)
    }

    /// Pays for the next block, unless somebody else just did or the budget is closed. Blocks on the disk.
    ///
    /// # Errors
    /// The ledger cannot be used: nothing was paid for.
    pub(super) fn reserve(&self, now: Instant, clock: Timestamp) -> Result<(), LedgerError> {
        let ledger = self.ledger.lock();
        self.read(&ledger)?;
        let (day, paid) = {
            let mut account = self.account.lock();
            account.turn(now, clock);
            if account.spent < account.paid || account.is_closed {
                return Ok(());
            }
            (account.day, account.paid)
        };
        let requests = (paid + (self.per_day / BLOCKS).max(1)).min(self.per_day);
        ledger.write(Entry { day, requests })?;
        let mut account = self.account.lock();
        // What was paid for yesterday is no use today.
        if account.day == day {
            account.paid = requests;
        }
        Ok(())
    }

    /// Reads the ledger, so that what is wrong with it is known before the first request. Blocks on the disk.
    ///
    /// # Errors
    /// It cannot be used; [`reserve`](Self::reserve) tries again.
    pub(super) fn open(&self) -> Result<(), LedgerError> {
        self.read(&self.ledger.lock())
    }

    /// Gives back what was paid for and not used; from here on nothing can be spent. Blocks on the disk.
    ///
    /// # Errors
    /// The ledger cannot be written: what was paid for is lost.
    pub(super) fn close(&self) -> Result<(), LedgerError> {
        let ledger = self.ledger.lock();
        let (day, spent, paid) = {
            let mut account = self.account.lock();
            account.is_closed = true;
            (account.day, account.spent, account.paid)
        };
        if spent == paid {
            return Ok(());
        }
        ledger.write(Entry { day, requests: spent })?;
        self.account.lock().paid = spent;
        Ok(())
    }

    /// What is left.
    pub(super) fn balance(&self, now: Instant, clock: Timestamp) -> Balance {
        let mut account = self.account.lock();
        account.turn(now, clock);
        let free = self.per_second.saturating_sub(account.recent.len());
        let left = usize::try_from(self.per_day.saturating_sub(account.spent)).unwrap_or(usize::MAX);
        Balance { today: account.spent, tokens: free.min(left) }
    }

    /// Reads the ledger, once.
    fn read(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        if self.account.lock().is_open {
            return Ok(());
        }
        let entry = ledger.read()?;
        let mut account = self.account.lock();
        account.is_open = true;
        // A day ahead of ours is of a clock that went back: that day goes on, a day that is used up never returns.
        if entry.day >= account.day {
            (account.day, account.spent, account.paid) = (entry.day, entry.requests, entry.requests);
        }
        Ok(())
    }
}

impl Account {
    /// Goes on to this moment.
    fn turn(&mut self, now: Instant, clock: Timestamp) {
        let today = clock.as_nanos() / DAY_NANOS;
        if today > self.day {
            (self.day, self.spent, self.paid) = (today, 0, 0);
        }
        while self.recent.front().is_some_and(|&at| now.duration_since(at) >= SECOND) {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(number: u64) -> Timestamp {
        Timestamp::from_nanos(number * DAY_NANOS)
    }

    /// Spends until nothing is left; how many requests that were.
    fn exhaust(budget: &Budget, now: Instant, clock: Timestamp) -> (u64, Exhausted) {
        let mut requests = 0;
        loop {
            match budget.spend(now, clock) {
                Ok(Spending::Done) => requests += 1,
                Ok(Spending::Short) => budget.reserve(now, clock).unwrap(),
                Err(exhausted) => return (requests, exhausted),
            }
        }
    }

    #[test]
    fn a_day_has_its_share_whatever_restarts_and_the_next_day_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget");
        let now = Instant::now();
        let budget = Budget::new(100, 3, path.clone());
        assert_eq!(exhaust(&budget, now, day(5)), (3, Exhausted::Day(3)));
        // Killed: whoever comes next knows only the file.
        let budget = Budget::new(100, 3, path.clone());
        assert_eq!(exhaust(&budget, now, day(5)), (0, Exhausted::Day(3)));
        // A clock that goes back buys nothing.
        assert_eq!(exhaust(&budget, now, day(4)), (0, Exhausted::Day(3)));
        assert_eq!(exhaust(&budget, now, day(6)), (3, Exhausted::Day(3)));
        drop(budget);
        assert_eq!(exhaust(&Budget::new(100, 3, path), now, day(5)), (0, Exhausted::Day(3)));
    }

    #[test]
    fn a_crash_loses_a_block_at_most_and_a_clean_stop_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget");
        let now = Instant::now();
        let spend = |budget: &Budget| loop {
            match budget.spend(now, day(1)).unwrap() {
                Spending::Done => return,
                Spending::Short => budget.reserve(now, day(1)).unwrap(),
            }
        };
        let budget = Budget::new(10_000, 1000, path.clone());
        (0..5).for_each(|_| spend(&budget));
        drop(budget);
        let budget = Budget::new(10_000, 1000, path.clone());
        spend(&budget);
        assert_eq!(budget.balance(now, day(1)).today, 11, "a block of 10 was paid for");
        budget.close().unwrap();
        // Who is still about to pay takes nothing out again.
        assert_eq!(budget.spend(now, day(1)), Err(Exhausted::Closed));
        budget.reserve(now, day(1)).unwrap();
        let budget = Budget::new(10_000, 1000, path);
        assert_eq!(exhaust(&budget, now, day(1)), (1000 - 11, Exhausted::Day(1000)));
    }

    #[test]
    fn an_unusable_ledger_lets_nothing_be_spent_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget");
        std::fs::write(&path, "day one").unwrap();
        let (now, budget) = (Instant::now(), Budget::new(10, 10, path.clone()));
        for _ in 0..3 {
            assert_eq!(budget.spend(now, day(1)), Ok(Spending::Short));
            assert!(matches!(budget.reserve(now, day(1)), Err(LedgerError::Corrupt(_))));
        }
        std::fs::remove_file(&path).unwrap();
        budget.reserve(now, day(1)).unwrap();
        assert_eq!(budget.spend(now, day(1)), Ok(Spending::Done));
        // A folder in its place: what cannot be written is not spent.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(budget.reserve(now, day(1)), Err(LedgerError::Write { .. })));
        assert_eq!(budget.spend(now, day(1)), Ok(Spending::Short));
        std::fs::remove_dir(&path).unwrap();
    }

    proptest! {
        #[test]
        fn no_span_of_a_second_sees_more_than_its_share(gaps in proptest::collection::vec(0..400_u64, 1..200)) {
            let folder = tempfile::tempdir().unwrap();
            let budget = Budget::new(4, 1_000_000, folder.path().join("budget"));
            let mut now = Instant::now();
            let mut made: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if budget.spend(now, day(1)) == Ok(Spending::Short) {
                    budget.reserve(now, day(1)).unwrap();
                }
                if budget.spend(now, day(1)) == Ok(Spending::Done) {
                    made.push(now);
                }
            }
            for window in made.windows(5) {
                prop_assert!(window[4] - window[0] >= SECOND);
            }
        }
    }
}
