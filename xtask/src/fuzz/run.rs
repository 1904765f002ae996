//! One target for a while: the fuzzer's process, and what its words say.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::Context;

use crate::root;

/// Most megabytes that a target may take: decoders of at most some kilobytes of input hold next to nothing.
const MEMORY_MB_MAX: u32 = 1024;
/// Most seconds for one input: a million times the usual, and more than a busy machine takes to come back to a process.
const INPUT_SECONDS_MAX: u32 = 60;

/// What is to be run.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// From the root.
    pub(super) binary: PathBuf,
    pub(super) target: &'a str,
    pub(super) time: Duration,
}

/// How it went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    executions: u64,
    per_second: u64,
    /// Edges of the code that some input reached.
    edges: u64,
    finding: Option<String>,
}

impl Run<'_> {
    /// Runs it to its end.
    pub(super) fn finish(&self) -> anyhow::Result<Outcome> {
        // From the root, so that what is printed can be pasted there.
        let [found, kept, artifacts] = ["target/fuzz/corpus", "fuzz/corpus", "fuzz/artifacts"]
            .map(|folder| Path::new(folder).join(self.target));
        for folder in [&found, &artifacts] {
            fs::create_dir_all(root().join(folder))
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let output = Command::new(root().join(&self.binary))
            .arg(format!("-max_total_time={}", self.time.as_secs()))
            .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-print_final_stats=1")
            .args([found, kept])
            .current_dir(root())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let words = String::from_utf8_lossy(&output.stderr);
        let mut outcome = Outcome::read(&words);
        if !output.status.success() {
            let log = artifacts.join("log");
            fs::write(root().join(&log), &output.stderr)?;
            let input = words.lines().find_map(|line| line.split_once("Test unit written to "));
            outcome.finding = Some(match input {
                Some((_, input)) => {
                    format!("  {} {input}  # its words: {}", self.binary.display(), log.display())
                }
                None => format!("  {} ended with {}: {}", self.target, output.status, log.display()),
            });
        }
        Ok(outcome)
    }
}

impl Outcome {
    /// A run that could not be.
    pub(super) fn failed(reason: String) -> Self {
        Self { finding: Some(reason), ..Self::default() }
    }

    /// How to see what was found again, if something was.
    pub(super) fn into_finding(self) -> Option<String> {
        self.finding
    }

    fn read(words: &str) -> Self {
        let number = |text: &str| text.split_whitespace().next()?.parse::<u64>().ok();
        let stat = |name| words.lines().rev().find_map(|line| number(line.strip_prefix(name)?));
        let edges = words.lines().rev().find_map(|line| number(line.split_once(" cov: ")?.1));
        Self {
            executions: stat("stat::number_of_executed_units:").unwrap_or_default(),
            per_second: stat("stat::average_exec_per_sec:").unwrap_or_default(),
            edges: edges.unwrap_or_default(),
            finding: None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = u8::from(self.finding.is_some());
        write!(f, "{:12} {:10} {:8}  {findings}", self.executions, self.per_second, self.edges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fuzzer_says_is_understood() {
        let words = "#2\tINITED cov: 17 ft: 18 corp: 1/1b\n#9\tDONE   cov: 99 ft: 300 corp: 9/99b\n\
                     stat::number_of_executed_units: 1234\nstat::average_exec_per_sec:     56\n";
        let expected = Outcome { executions: 1234, per_second: 56, edges: 99, finding: None };
        assert_eq!(Outcome::read(words), expected);
        assert_eq!(Outcome::read("panicked"), Outcome::default());
    }
}
