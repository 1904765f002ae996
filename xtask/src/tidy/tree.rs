//! The text files of the repository as git lists them, tracked or about to be.

use std::{path::Path, process::Command};

use anyhow::{Context, bail};

/// All text files.
#[derive(Debug)]
pub(super) struct Tree(Vec<File>);

/// One of them.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    /// Reads what git lists below `root`; files that are no text are left out.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        // A container may own the files as somebody else than who runs this.
        let list = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let output = Command::new("git").args(list).current_dir(root).output().context("cannot start git")?;
        if !output.status.success() {
            bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let paths = String::from_utf8(output.stdout).context("a path that is not UTF-8")?;
        let file = |path: &str| {
            let text = String::from_utf8(std::fs::read(root.join(path)).ok()?).ok()?;
            Some(File { path: path.to_owned(), text })
        };
        Ok(Self(paths.split_terminator('\0').filter_map(file).collect()))
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        Self(files.iter().map(file).collect())
    }

    pub(super) fn files(&self) -> &[File] {
        &self.0
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.0.iter().filter(|file| file.path.ends_with(".rs"))
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.0.iter().find(|file| file.path == path)
    }
}

impl File {
    /// The module that the file is: `herd/src/frontends/line/mod.rs` is `["frontends", "line"]`, a crate's root is empty.
    /// `None` for what lies outside a `src` folder.
    pub(super) fn module(&self) -> Option<Vec<&str>> {
        let (_, path) = self.path.strip_suffix(".rs")?.split_once("src/")?;
        let mut module: Vec<&str> = path.split('/').collect();
        if matches!(module.last(), Some(&("mod" | "lib" | "main"))) {
            module.pop();
        }
        Some(module)
    }

    /// Whether the whole file is there for tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The text before the unit tests at the bottom; nothing of a file that is there for tests.
    pub(super) fn outside_tests(&self) -> &str {
        if self.is_test() { "" } else { self.text.get(..self.tests_start()).unwrap_or_default() }
    }

    /// Where the unit tests at the bottom begin.
    fn tests_start(&self) -> usize {
        self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len())
    }

    /// The number of the first line that belongs to tests.
    pub(super) fn tests_line(&self) -> usize {
        if self.is_test() {
            return 1;
        }
        self.outside_tests().lines().count() + 1
    }
}
