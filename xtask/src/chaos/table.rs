//! What is printed: a row per round, the totals, and what was violated.

use std::{fmt, time::Duration};

use super::{agreement::Agreement, load::Seen};

/// What came of one round.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) round: &'static str,
    /// What was done, to whom.
    pub(super) fault: String,
    pub(super) acknowledged: u64,
    pub(super) seen: Seen,
    pub(super) agreement: Agreement,
    /// Longest time to agreement that is promised.
    pub(super) promised: Duration,
    pub(super) memory_peak: u64,
    /// Links that came up again.
    pub(super) relinked: usize,
    /// Longest time until a neighbour noticed, where that is promised.
    pub(super) noticed: Option<Noticed>,
    /// Servers that ended or panicked.
    pub(super) complaints: Vec<String>,
}

/// When the neighbours of a silent server gave it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noticed {
    /// The last of them after so long.
    After(Duration),
    /// Not all of them.
    Never,
}

/// Silence after which every neighbour has to have noticed.
const NOTICED_MAX: Duration = Duration::from_secs(3);

/// Share of requests that a server may leave unanswered though nothing was done to it: one in so many.
const UNANSWERED_ONE_IN: u64 = 1000;

/// What stands above the rows.
pub(super) const HEAD: &str = "\
| round | fault | acked | lost | wrong | agreed (promised) | noticed | unanswered | p99 | memory | relinked |
|---|---|---|---|---|---|---|---|---|---|---|";

impl Row {
    /// What was violated, in words.
    pub(super) fn violations(&self) -> Vec<String> {
        let mut found = self.complaints.clone();
        found.extend(self.seen.wrongs.iter().cloned());
        match self.agreement.after {
            None => {
                found
                    .push(format!("no agreement, {} lost: {:#?}", self.agreement.lost, self.agreement.words));
            }
            Some(after) if after > self.promised => {
                found.push(format!("agreed after {after:.1?}, promised {:.1?}", self.promised));
            }
            Some(_) => {}
        }
        match self.noticed {
            Some(Noticed::After(time)) if time > NOTICED_MAX => {
                found.push(format!("noticed after {time:.2?} only"));
            }
            Some(Noticed::Never) => found.push("not noticed by every neighbour".to_owned()),
            Some(Noticed::After(_)) | None => {}
        }
        if self.seen.unanswered * UNANSWERED_ONE_IN > self.seen.requests {
            found.push(format!("{} of {} requests unanswered", self.seen.unanswered, self.seen.requests));
        }
        found
    }

    /// Milliseconds in which a server that nothing is done to answers 99 of 100 requests.
    fn wait_p99(&self) -> f64 {
        let mut waits = self.seen.waits.clone();
        waits.sort_unstable();
        let at = waits.len() * 99 / 100;
        f64::from(waits.get(at).copied().unwrap_or_default()) / 1000.0
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agreed = self
            .agreement
            .after
            .map_or_else(|| "never".to_owned(), |after| format!("{:.2} s", after.as_secs_f64()));
        let noticed = match self.noticed {
            None => String::new(),
            Some(Noticed::After(time)) => format!("{:.2} s", time.as_secs_f64()),
            Some(Noticed::Never) => "never".to_owned(),
        };
        write!(
            f,
            "| {} | {} | {} | {} | {} | {agreed} ({} s) | {noticed} | {} | {:.1} ms | {} MiB | {} |",
            self.round,
            self.fault,
            self.acknowledged,
            self.agreement.lost,
            self.seen.wrong,
            self.promised.as_secs_f64(),
            self.seen.unanswered,
            self.wait_p99(),
            self.memory_peak >> 20,
            self.relinked
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Row {
        let agreement = Agreement { after: Some(Duration::from_secs(1)), ..Agreement::default() };
        let seen = Seen { requests: 10_000, ..Seen::default() };
        Row { agreement, seen, promised: Duration::from_secs(3), ..Row::default() }
    }

    #[test]
    fn a_clean_row_violates_nothing() {
        assert_eq!(clean().violations(), Vec::<String>::new());
    }

    #[test]
    fn every_promise_can_be_broken() {
        let mut late = clean();
        late.agreement.after = Some(Duration::from_secs(4));
        let mut never = clean();
        never.agreement.after = None;
        let mut wrong = clean();
        wrong.seen.wrongs.push("x".to_owned());
        let mut silent = clean();
        silent.seen.unanswered = 11;
        let mut ended = clean();
        ended.complaints.push("x".to_owned());
        let noticed = |noticed| Row { noticed: Some(noticed), ..clean() };
        let (slow, blind) = (noticed(Noticed::After(Duration::from_millis(3001))), noticed(Noticed::Never));
        for row in [late, never, wrong, silent, ended, slow, blind] {
            assert_eq!(row.violations().len(), 1, "{row:?}");
        }
    }
}
