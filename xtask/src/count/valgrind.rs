//! Runs of a program under valgrind's cachegrind, and what it says they took.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

/// The valgrind of this machine.
#[derive(Debug)]
pub(super) struct Valgrind {
    path: PathBuf,
    version: String,
}

impl Valgrind {
    /// The first one on the way that commands are looked for; none if there is none.
    ///
    /// # Errors
    /// It does not tell its version.
    pub(super) fn find() -> anyhow::Result<Option<Self>> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let mut paths = std::env::split_paths(&folders).map(|folder| folder.join("valgrind"));
        let Some(path) = paths.find(|path| path.is_file()) else { return Ok(None) };
        let version = said(Command::new(&path).arg("--version"))?;
        Ok(Some(Self { path, version }))
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Instructions that so many rounds of a piece take, with all around them.
    ///
    /// # Errors
    /// The program fails, or the count is not to be found.
    pub(super) fn instructions(&self, program: &str, piece: &str, rounds: usize) -> anyhow::Result<u64> {
        let mut command = Command::new(&self.path);
        command.args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
            program,
            piece,
        ]);
        command.arg(rounds.to_string()).current_dir(crate::root());
        // The environment lies on the stack and decides where the rest of it begins.
        command.env_clear().stdin(Stdio::null());
        let output = command.output().context("cannot start valgrind")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "piece {piece:?}: {}: {}", output.status, told.trim());
        refs(&told).with_context(|| format!("valgrind counted nothing of {piece:?}: {}", told.trim()))
    }
}

/// The pieces that a program has, with the operations of a round.
///
/// # Errors
/// It cannot say.
pub(super) fn pieces(program: &str) -> anyhow::Result<Vec<(String, f64)>> {
    let list = said(Command::new(program).arg("list").current_dir(crate::root()))?;
    let piece = |line: &str| {
        let (name, operations) = line.split_once('\t')?;
        Some((name.to_owned(), operations.parse().ok()?))
    };
    list.lines().map(|line| piece(line).with_context(|| format!("not a piece: {line:?}"))).collect()
}

/// What a command prints.
pub(super) fn said(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout).context("not UTF-8")?.trim_end().to_owned())
}

/// The number in cachegrind's line `==PID== I refs: 1,234`, which has more spaces in older versions.
fn refs(told: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.contains("refs:"))?;
    let digits = line.rsplit_once(':')?.1.trim().replace(',', "");
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_valgrinds_are_understood() {
        assert_eq!(refs("==7== Command: count\n==7== \n==7== I   refs:      62,603,388\n"), Some(62_603_388));
        assert_eq!(refs("==7== I refs:        1,234\n"), Some(1234));
        assert_eq!(refs("==7== Command: count\n"), None);
    }
}
