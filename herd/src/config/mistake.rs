//! What is wrong with a configuration: always the file, the line, the key and what was expected.
//!
//! An [`Outline`] knows where each key of the text stands, so checks may speak of keys and never of positions.

use std::{fmt, io, path::PathBuf};

use toml::de::{DeTable, DeValue};

/// Why there is no configuration. Its author is at fault; nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path:?}: {error}")]
    Unreadable {
        /// The file that was named.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The text is no valid configuration.
    #[error("{origin}:{line}: {message}")]
    Wrong {
        /// The file, or the preset's name.
        origin: String,
        /// Line in it, from 1.
        line: usize,
        /// Which key, what was expected, what was found.
        message: String,
    },
    /// An override on the command line does not fit the configuration.
    #[error("{0}")]
    Override(String),
}

/// A mistake at a key, given by its path (`["servers", "Hands", "peer"]`).
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) path: Vec<String>,
    pub(super) message: String,
}

impl Mistake {
    pub(super) fn new(path: &[&str], message: impl Into<String>) -> Self {
        Self { path: path.iter().map(|&key| key.to_owned()).collect(), message: message.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.split_last() {
            Some((key, [])) => write!(f, "{key}: {}", self.message),
            Some((key, table)) => write!(f, "{key} in [{}]: {}", table.join("."), self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Every key of a configuration text and where it begins.
#[derive(Debug, Default)]
pub(super) struct Outline {
    keys: Vec<(Vec<String>, usize)>,
}

impl Outline {
    pub(super) fn new(table: &DeTable<'_>) -> Self {
        let mut outline = Self::default();
        outline.collect(&[], table);
        outline
    }

    fn collect(&mut self, above: &[String], table: &DeTable<'_>) {
        for (key, value) in table {
            let mut path = above.to_vec();
            path.push(key.get_ref().clone().into_owned());
            if let DeValue::Table(inner) = value.get_ref() {
                self.collect(&path, inner);
            }
            self.keys.push((path, key.span().start));
        }
    }

    /// Where a key, or failing that the closest table around it, begins.
    pub(super) fn offset(&self, path: &[String]) -> usize {
        let known =
            |path: &[String]| self.keys.iter().find(|(key, _)| key == path).map(|(_, offset)| *offset);
        (1..=path.len()).rev().find_map(|depth| known(path.get(..depth)?)).unwrap_or(0)
    }

    /// The key that the text at `offset` belongs to: the last one that begins at or before it.
    pub(super) fn path_at(&self, offset: usize) -> &[String] {
        let before = self.keys.iter().filter(|(_, start)| *start <= offset);
        before.max_by_key(|(_, start)| *start).map_or(&[], |(path, _)| path)
    }
}

/// Line of a byte offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// What the parser complained about, in our words: which key in which table, and the nearest known one.
pub(super) fn explain(message: &str, path: &[String]) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let table = match path {
        [] | [_] => String::new(),
        [table @ .., _] => format!(" in [{}]", table.join(".")),
    };
    let key = path.last().map_or("", String::as_str);
    if message.starts_with("unknown field") {
        let found = quoted.next().unwrap_or_default();
        format!("unknown key {found:?}{table}; {}", suggest(found, &quoted.collect::<Vec<_>>()))
    } else if message.starts_with("unknown variant") {
        let found = quoted.next().unwrap_or_default();
        format!("{key}{table}: unknown value {found:?}; {}", suggest(found, &quoted.collect::<Vec<_>>()))
    } else if message.starts_with("missing field") {
        let within = if path.is_empty() { String::new() } else { format!(" in [{}]", path.join(".")) };
        format!("missing key {:?}{within}", quoted.next().unwrap_or_default())
    } else if key.is_empty() {
        message.replace('\n', " ")
    } else {
        format!("{key}{table}: {}", message.replace('\n', " "))
    }
}

/// `did you mean ..?` if something known is near, else all that is known.
pub(super) fn suggest(found: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|name| (distance(found, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + name.len() / 4 => format!("did you mean {name:?}?"),
        Some(_) => format!("expected one of {}", known.join(", ")),
        None => "nothing is known here".to_owned(),
    }
}

/// Edits (insert, remove, replace a character, case ignored) between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let best = (diagonal + usize::from(x != *y)).min(*above + 1).min(left + 1);
            diagonal = std::mem::replace(above, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "ab", 2),
            ("talk_with", "talks_with", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }
}
