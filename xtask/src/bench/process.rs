//! Processes that a measurement starts: pinned to a core, watched through `/proc`, ended by their id when dropped.
//!
//! The one thing to know: what a process has used is the sum over its living threads, so none may end in between. Every
//! wait for a process has a deadline.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// Longest that a server may take to come up: the slowest has to load a virtual machine, or copy a table.
const READY_MAX: Duration = Duration::from_secs(60);
/// Longest that one measurement may take: the slowest is a million clients that report to the slowest contender.
const OUTPUT_MAX: Duration = Duration::from_secs(300);
/// Longest that a program may take to say which version it is.
const VERSION_MAX: Duration = Duration::from_secs(10);

/// Where a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Core {
    /// What is measured.
    Server,
    /// Who drives it.
    Generator,
    /// Wherever there is room: several servers.
    Any,
}

impl Core {
    /// How many cores these are.
    pub(super) fn count(self) -> usize {
        let all = thread::available_parallelism().map_or(1, usize::from);
        match self {
            Self::Server | Self::Generator => 1,
            Self::Any => all.min(2),
        }
    }

    /// The command, to run on this core; anywhere on a machine that has but one.
    pub(super) fn pin(self, command: &Command) -> Command {
        let is_alone = thread::available_parallelism().map_or(1, usize::from) < 2;
        let core = match self {
            Self::Generator if !is_alone => "1",
            Self::Any if !is_alone => "0,1",
            Self::Server | Self::Generator | Self::Any => "0",
        };
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", core]).arg(command.get_program()).args(command.get_args());
        pinned
    }
}

/// A server that was started here.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    /// The lines that it prints.
    output: Receiver<String>,
}

impl Process {
    /// # Errors
    /// There is no such command.
    pub(super) fn start(name: &str, command: &Command, core: Core) -> anyhow::Result<Self> {
        let mut pinned = core.pin(command);
        // Standard input stays open: some servers stop at its end.
        pinned.current_dir(crate::root()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pinned.spawn().with_context(|| format!("cannot start {name}"))?;
        let output = lines(child.stdout.take().context("no output to read")?);
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// Reads lines until one holds what is wanted.
    ///
    /// # Errors
    /// The process ended first, or is not ready in time.
    pub(super) fn announced<T>(&mut self, wanted: impl FnMut(&str) -> Option<T>) -> anyhow::Result<T> {
        self.announced_within(READY_MAX, wanted)
    }

    fn announced_within<T>(
        &mut self,
        time: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + time;
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(found) = wanted(line.trim_end()) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("{} was not ready after {time:?}", self.name),
                Err(RecvTimeoutError::Disconnected) => bail!("{} ended before it was ready", self.name),
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Those that it started itself and that live.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn children(&self) -> anyhow::Result<Vec<u32>> {
        let id = self.id();
        let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))
            .with_context(|| format!("{} is gone", self.name))?;
        Ok(text.split_whitespace().filter_map(|child| child.parse().ok()).collect())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing left to do about either.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a process prints, line by line, as long as it does: whether or not anybody listens, it may go on.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            drop(tell.send(line));
        }
    });
    told
}

/// CPU time that the living threads of a process have used, in seconds.
///
/// # Errors
/// The process is gone, or the system keeps no scheduler statistics.
pub(super) fn cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let threads = format!("/proc/{id}/task");
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(&threads).with_context(|| format!("no process {id}"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat")).context("no scheduler statistics")?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

/// Memory that a process holds, in bytes.
///
/// # Errors
/// The process is gone.
pub(super) fn resident_bytes(id: u32) -> anyhow::Result<f64> {
    let status =
        fs::read_to_string(format!("/proc/{id}/status")).with_context(|| format!("no process {id}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0)
}

/// Runs a command on the generator's core and returns what it prints.
///
/// # Errors
/// It failed; its complaint is part of the error.
pub(super) fn output(command: &Command) -> anyhow::Result<String> {
    output_on(Core::Generator, command)
}

/// The same on a core of choice.
///
/// # Errors
/// It failed; its complaint is part of the error.
pub(super) fn output_on(core: Core, command: &Command) -> anyhow::Result<String> {
    output_within(OUTPUT_MAX, core, command)
}

fn output_within(time: Duration, core: Core, command: &Command) -> anyhow::Result<String> {
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Told { status, printed, complained } = told(time, &program, &mut core.pin(command))?;
    if !status.success() {
        bail!("{program}: {}", complained.trim());
    }
    Ok(printed)
}

/// The first line that a program prints of itself, wherever to.
///
/// # Errors
/// It is not there, or says nothing.
pub(super) fn version(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let told = told(VERSION_MAX, program, Command::new(program).args(arguments))?;
    let mut lines = told.printed.lines().chain(told.complained.lines());
    Ok(lines.next().with_context(|| format!("{program} has no version"))?.trim().to_owned())
}

/// What a command that ended has said.
struct Told {
    status: ExitStatus,
    printed: String,
    complained: String,
}

fn told(time: Duration, program: &str, command: &mut Command) -> anyhow::Result<Told> {
    command.current_dir(crate::root()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let (tell, told) = mpsc::channel();
    if let (Some(mut output), Some(mut complaint)) = (child.stdout.take(), child.stderr.take()) {
        thread::spawn(move || {
            let (mut printed, mut complained) = (String::new(), String::new());
            // Whoever prints so much to both that one is full is no program of ours. What is no text is missed below.
            let read =
                output.read_to_string(&mut printed).and_then(|_| complaint.read_to_string(&mut complained));
            drop(read.map(|_| tell.send((printed, complained))));
        });
    }
    let told = told.recv_timeout(time);
    if told.is_err() {
        drop(child.kill());
    }
    let status = child.wait()?;
    let Ok((printed, complained)) = told else { bail!("{program} told nothing within {time:?}: {status}") };
    Ok(Told { status, printed, complained })
}

/// The number on the line that begins with `key`.
///
/// # Errors
/// There is none.
pub(super) fn number(text: &str, key: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).with_context(|| format!("no {key} in {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_whole_key() {
        assert_eq!(number("cpu_seconds 2\nseconds 1.5\n", "seconds").unwrap(), 1.5);
        assert!(number("seconds 1.5\n", "second").is_err());
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let mut process = Process::start("cat", &Command::new("cat"), Core::Any).unwrap();
        let short = Duration::from_millis(1);
        let error = process.announced_within(short, |_| Some(())).unwrap_err();
        assert_eq!(error.to_string(), "cat was not ready after 1ms");
        let mut sleep = Command::new("sleep");
        let error = output_within(short, Core::Any, sleep.arg("60")).unwrap_err();
        assert!(error.to_string().starts_with("sleep told nothing within 1ms"), "{error}");
        let mut falsity = Command::new("false");
        assert_eq!(output(falsity.arg("x")).unwrap_err().to_string(), "false: ");
        assert_eq!(output(Command::new("echo").arg("reports 1")).unwrap(), "reports 1\n");
    }

    #[test]
    fn a_process_ends_with_whoever_started_it() {
        let process = Process::start("cat", &Command::new("cat"), Core::Any).unwrap();
        let id = process.id();
        assert!(cpu_seconds(id).unwrap() >= 0.0);
        assert!(resident_bytes(id).unwrap() > 0.0);
        drop(process);
        assert!(cpu_seconds(id).is_err());
    }
}
