//! Reads what `cargo test -- --show-output` prints, line by line: what to show of it, and the sum.
//!
//! The one thing to know: a test that lacks its data passes and prints a line that starts with `skipped: `. It counts as
//! skipped, not as passed.

use std::fmt;

/// The sum over all test binaries read so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// As the binaries count them: those that skipped are among them.
    ok: usize,
    failed: usize,
    ignored: usize,
    said_skipped: usize,
    binaries: usize,
    state: State,
}

/// Where in the output of a test binary the next line is.
#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// Among the names and verdicts, or in the output of tests that failed.
    #[default]
    Told,
    /// In the output of tests that passed; whether the one at hand said that it skipped.
    Output { has_skipped: bool },
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Shown,
    Hidden,
}

impl Tally {
    /// Whether any test binary came to its end.
    pub(crate) const fn has_run(&self) -> bool {
        self.binaries > 0
    }

    /// Takes the next line, without its LF.
    pub(crate) fn read(&mut self, line: &str) -> Line {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.add(result);
            return Line::Shown;
        }
        match line {
            "successes:" => self.state = State::Output { has_skipped: false },
            "failures:" => self.state = State::Told,
            _ => {}
        }
        let State::Output { has_skipped } = &mut self.state else { return Line::Shown };
        if line.starts_with("---- ") {
            *has_skipped = false;
        }
        if !line.starts_with("skipped: ") {
            return Line::Hidden;
        }
        if !std::mem::replace(has_skipped, true) {
            self.said_skipped += 1;
        }
        Line::Shown
    }

    /// Adds the end of `test result: `, as in `ok. 3 passed; 0 failed; 1 ignored; 0 measured; ...`.
    fn add(&mut self, result: &str) {
        let count = |what: &str| {
            let before = result.split(what).next().filter(|before| before.len() < result.len());
            before.and_then(|text| text.rsplit(' ').next()?.parse::<usize>().ok()).unwrap_or_default()
        };
        self.ok += count(" passed");
        self.failed += count(" failed");
        self.ignored += count(" ignored");
        self.binaries += 1;
        self.state = State::Told;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.ok.saturating_sub(self.said_skipped);
        write!(f, "{passed} passed, {} failed, {} skipped", self.failed, self.ignored + self.said_skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, shown: &[&str], sum: &str) {
        let mut tally = Tally::default();
        let lines: Vec<&str> =
            output.lines().filter(|line| tally.read(line) == Line::Shown && !line.is_empty()).collect();
        assert_eq!(lines, shown);
        assert_eq!(tally.to_string(), sum);
    }

    #[test]
    fn the_sum_is_over_all_binaries() {
        let first =
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        let second =
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0s";
        check(&format!("{first}\n\n{second}\n"), &[first, second], "15 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_says_so_is_skipped_once_and_not_passed() {
        let result =
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s";
        let output = format!(
            "test a ... ok\n\nsuccesses:\n\n---- a stdout ----\nskipped: no one.pbf\nskipped: no two.pbf\n\n\
             ---- b stdout ----\nchatter\n\n---- c stdout ----\nskipped: no data\n\nsuccesses:\n    a\n    b\n\n{result}"
        );
        let shown =
            ["test a ... ok", "skipped: no one.pbf", "skipped: no two.pbf", "skipped: no data", result];
        check(&output, &shown, "1 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn the_output_of_a_failed_test_is_shown() {
        let output =
            "successes:\n\n---- a stdout ----\nchatter\n\nfailures:\n\n---- b stdout ----\nleft: 1\n";
        check(output, &["failures:", "---- b stdout ----", "left: 1"], "0 passed, 0 failed, 0 skipped");
    }
}
