//! docs/performance.md: prose that people write, and between two markers what the last whole run found.

use std::{fs, time::Duration};

use anyhow::Context;

use super::{Options, absences::Absences, machine};

const START: &str = "<!-- measured: `cargo xtask bench` writes from here -->";
const END: &str = "<!-- measured: to here -->";

/// What the numbers are to be read with.
pub(super) fn preamble(options: &Options, others: f64, took: Duration, absences: &Absences) -> String {
    let Options { rounds, seconds, clients, .. } = options;
    let minutes = took.as_secs_f64() / 60.0;
    format!(
        "Machine: {}. Versions: {}. Medians of {rounds} rounds of {seconds} s, {clients} clients; the whole run took \
         {minutes:.1} minutes, in which other processes kept {others:.2} cores busy. {}\n",
        machine::description(),
        machine::versions(),
        absences.print(),
    )
}

/// Puts `measured` between the markers.
///
/// # Errors
/// The document, or a marker in it, is missing.
pub(super) fn write(measured: &str) -> anyhow::Result<()> {
    let file = crate::root().join("docs/performance.md");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = replaced(&text, measured).context("docs/performance.md lost its markers")?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn replaced(text: &str, measured: &str) -> Option<String> {
    let (before, rest) = text.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n{}\n{END}{after}", measured.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prose_stays() {
        let text = format!("before\n{START}\nold\n{END}\nafter\n");
        assert_eq!(replaced(&text, "new\n").unwrap(), format!("before\n{START}\nnew\n{END}\nafter\n"));
        assert_eq!(replaced("before\nafter\n", "new"), None);
    }
}
