//! A text or a path in quotes, as a configuration writes it. Rust's own escapes are not those of TOML.

use std::{
    fmt::{self, Write},
    path::Path,
};

/// A path between quotes; what is not Unicode in it is lost, as it is in any configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a>(pub(crate) &'a Path);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.to_string_lossy().chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broke: paths were printed with Rust's escapes, and TOML has no `\u{7}`.
    #[test]
    fn an_odd_path_is_read_back() {
        for odd in ["a b", "\"\\", "\0\u{7}\t\n\u{7f}\u{85}", "é\u{2028}'"] {
            let text = format!("path = {}", Quoted(Path::new(odd)));
            let table: toml::Table = toml::from_str(&text).unwrap();
            assert_eq!(table["path"].as_str(), Some(odd), "{text}");
        }
    }
}
