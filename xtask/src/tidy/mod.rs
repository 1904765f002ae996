//! The rules that no lint knows: sizes and names of files, unfinished work, who may import whom, documents that tell
//! the truth.
//!
//! Not a parser of Rust: it reads words and paths, and errs on the side of a finding that a person can see through.

mod tree;
mod source;
mod paths;
mod borders;
mod documents;

use std::fmt;

use anyhow::bail;

use self::tree::Tree;

/// Something in the tree that a rule is about.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1; 0 if it is about the whole file.
    line: usize,
    what: String,
    weight: Weight,
}

/// Whether a finding stops the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Fault,
    Warning,
}

impl Finding {
    fn fault(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), weight: Weight::Fault }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = if self.weight == Weight::Warning { "warning: " } else { "" };
        write!(f, "{weight}{}", self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Prints what the rules find in the files that git tracks or would track.
///
/// # Errors
/// The files cannot be read, or a finding is more than a warning.
pub(crate) fn run() -> anyhow::Result<()> {
    let tree = Tree::read(crate::root())?;
    let findings = findings(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    let faults = findings.iter().filter(|finding| finding.weight == Weight::Fault).count();
    if faults > 0 {
        bail!("{faults} faults in {} files", tree.files().len());
    }
    println!("{} files are tidy", tree.files().len());
    Ok(())
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let rules = [source::findings, borders::findings, documents::findings];
    rules.iter().flat_map(|rule| rule(tree)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_tree_is_tidy() {
        let tree = Tree::read(crate::root()).unwrap();
        let faults: Vec<String> = findings(&tree)
            .iter()
            .filter(|finding| finding.weight == Weight::Fault)
            .map(ToString::to_string)
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
