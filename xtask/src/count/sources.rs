//! The sources of what is counted: herd-core and the pieces, of today or of another revision, as files in memory.

use std::{
    collections::BTreeMap,
    fs,
    hash::{Hash, Hasher},
    io,
    path::Path,
    process::Command,
};

use anyhow::Context;
use siphasher::sip::SipHasher13;

use super::valgrind::said;
use crate::excerpt;

const MANIFEST: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";
const CORE: &str = "herd-core";
const PIECES: &str = "bench/count";
/// What the program is built of. Tests outside of `src` do not change it.
const PARTS: [&str; 6] =
    [MANIFEST, LOCK, "herd-core/Cargo.toml", "herd-core/src", "bench/count/Cargo.toml", "bench/count/src"];

/// Files by their path from the root.
#[derive(Debug)]
pub(super) struct Sources(BTreeMap<String, Vec<u8>>);

impl Sources {
    /// The files as they are, committed or not.
    ///
    /// # Errors
    /// Git does not list them, or one cannot be read.
    pub(super) fn of_today() -> anyhow::Result<Self> {
        let mut sources = Self(BTreeMap::new());
        for path in list(&["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"])? {
            match fs::read(crate::root().join(&path)) {
                // Deleted, but not committed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => sources.0.insert(path.clone(), read.context(path)?),
            };
        }
        Ok(sources)
    }

    /// The files of a revision.
    ///
    /// # Errors
    /// Git does not have them.
    pub(super) fn of(revision: &str) -> anyhow::Result<Self> {
        let mut sources = Self(BTreeMap::new());
        for path in list(&["ls-tree", "-r", "-z", "--name-only", revision, "--"])? {
            let output =
                git(&["show", &format!("{revision}:{path}")]).output().context("cannot start git")?;
            anyhow::ensure!(output.status.success(), "git cannot show {path} of {revision}");
            sources.0.insert(path, output.stdout);
        }
        Ok(sources)
    }

    /// This core under the pieces of others.
    pub(super) fn with_pieces_of(&self, others: &Self) -> Self {
        let of_core = self.0.iter().filter(|(path, _)| !is_piece(path));
        let of_pieces = others.0.iter().filter(|(path, _)| is_piece(path));
        Self(of_core.chain(of_pieces).map(|(path, bytes)| (path.clone(), bytes.clone())).collect())
    }

    /// Whether there are pieces among them.
    pub(super) fn have_pieces(&self) -> bool {
        self.0.keys().any(|path| is_piece(path))
    }

    /// A number that stands for all that the counts depend on.
    ///
    /// # Errors
    /// The compiler does not tell its version.
    pub(super) fn key(&self, counter: &str) -> anyhow::Result<u64> {
        let mut hasher = SipHasher13::new();
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        said(Command::new(compiler).arg("-vV").current_dir(crate::root()))?.hash(&mut hasher);
        (counter, std::env::var_os("RUSTFLAGS"), &self.0).hash(&mut hasher);
        Ok(hasher.finish())
    }

    /// Writes them as a workspace of their own in place of what is in `tree`.
    ///
    /// # Errors
    /// The files cannot be written, or there is no manifest among them.
    pub(super) fn lay(&self, tree: &Path) -> anyhow::Result<()> {
        match fs::remove_dir_all(tree) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("the old tree");
            }
            Ok(()) | Err(_) => {}
        }
        for (path, bytes) in &self.0 {
            let file = tree.join(path);
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&file, bytes).with_context(|| file.display().to_string())?;
        }
        let manifest = self.0.get(MANIFEST).context("a revision without a workspace")?;
        let manifest = excerpt::manifest(&String::from_utf8_lossy(manifest), &[CORE, PIECES]);
        fs::write(tree.join(MANIFEST), manifest).context("the manifest")
    }
}

/// Whether something that is counted was changed after the last commit.
pub(super) fn is_changed() -> anyhow::Result<bool> {
    Ok(!said(git(&["status", "--porcelain", "--"]).args(PARTS))?.is_empty())
}

/// The short name of a commit; `None` if there is none.
pub(super) fn revision(name: &str) -> anyhow::Result<Option<String>> {
    let commit = format!("{name}^{{commit}}");
    let output = git(&["rev-parse", "--quiet", "--verify", "--short", "--end-of-options", &commit]).output();
    let output = output.context("cannot start git")?;
    let revision = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(revision))
}

fn is_piece(path: &str) -> bool {
    path.starts_with(PIECES)
}

/// The paths of our parts that a command of git lists.
fn list(command: &[&str]) -> anyhow::Result<Vec<String>> {
    let paths = said(git(command).args(PARTS))?;
    Ok(paths.split_terminator('\0').map(str::to_owned).collect())
}

/// Git in the root; a container may own the files as somebody else than who runs this.
fn git(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "safe.directory=*"]).args(arguments).current_dir(crate::root());
    command
}
