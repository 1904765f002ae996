//! `cargo xtask count`: what each piece of herd-core's work costs in instructions, beside another revision's core.
//!
//! Counted by valgrind, so it does not matter how busy the machine is: equal sources give equal counts. The one thing
//! to know: both sides are built in one folder and run by one path, since where a stack begins decides how memory is
//! aligned, and that costs instructions.

mod sources;
mod valgrind;

use std::{collections::BTreeMap, fs, path::Path, process::Stdio};

use anyhow::{Context, bail};

use self::{sources::Sources, valgrind::Valgrind};

/// Where both sides are built in turn, from the root.
const FOLDER: &str = "target/count";
/// The program that does the work, from the root.
const PROGRAM: &str = "target/count/build/release/count";
/// The set-up is as long for either number of rounds, so the difference is theirs alone.
const ROUNDS: [usize; 2] = [2, 4];

/// Instructions for one operation of each piece, in the program's order.
type Counts = Vec<(String, f64)>;

/// Counts, and prints what there is to compare.
///
/// # Errors
/// Today's core cannot be counted although there is a valgrind, or there is no such revision.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let named = match arguments {
        [] => None,
        [flag, revision] if flag == "--against" => Some(revision.as_str()),
        _ => bail!("only --against REV is known: {}", arguments.join(" ")),
    };
    let Some(valgrind) = Valgrind::find()? else {
        println!("instructions: not counted, no valgrind on this machine");
        return Ok(());
    };
    let today = Sources::of_today()?;
    let after = counts(&today, &valgrind).context("today's core")?;
    let previous = if sources::is_changed()? { "HEAD" } else { "HEAD~1" };
    let Some(revision) = sources::revision(named.unwrap_or(previous))? else {
        if let Some(named) = named {
            bail!("no such revision: {named}");
        }
        println!("no previous commit to compare with");
        print(&after, None);
        return Ok(());
    };
    match counts_of(&revision, &today, &valgrind) {
        Ok(before) => print(&after, Some((&revision, &before))),
        Err(error) => {
            println!("not comparable: {revision}: {error:#}");
            print(&after, None);
        }
    }
    Ok(())
}

/// The counts of a revision's core: by today's pieces, or by its own if today's do not fit.
fn counts_of(revision: &str, today: &Sources, valgrind: &Valgrind) -> anyhow::Result<Counts> {
    let then = Sources::of(revision)?;
    counts(&then.with_pieces_of(today), valgrind).or_else(|error| {
        if !then.have_pieces() {
            return Err(error.context("today's pieces do not fit, and it has none of its own"));
        }
        println!("{revision} is counted by its own pieces, since today's do not fit: {error:#}");
        counts(&then, valgrind)
    })
}

/// Builds and counts, unless the same was counted before.
fn counts(sources: &Sources, valgrind: &Valgrind) -> anyhow::Result<Counts> {
    let folder = crate::root().join(FOLDER);
    let known = folder.join(format!("{:016x}.counts", sources.key(valgrind.version())?));
    if let Ok(text) = fs::read_to_string(&known) {
        return read(&text);
    }
    build(sources, &folder)?;
    let mut text = String::new();
    for (piece, operations) in valgrind::pieces(PROGRAM)? {
        let [few, many] = ROUNDS.map(|rounds| valgrind.instructions(PROGRAM, &piece, rounds));
        let [few, many] = [few?, many?];
        let done = ROUNDS[1].abs_diff(ROUNDS[0]) as f64 * operations;
        text += &format!("{piece}\t{:.1}\n", many.abs_diff(few) as f64 / done);
    }
    fs::write(&known, &text).with_context(|| known.display().to_string())?;
    read(&text)
}

fn build(sources: &Sources, folder: &Path) -> anyhow::Result<()> {
    sources.lay(&folder.join("tree"))?;
    let mut build = crate::cargo(&["build", "--quiet", "--release", "--package", "count"]);
    build.current_dir(folder.join("tree")).env("CARGO_TARGET_DIR", folder.join("build"));
    // Whatever the profile says of it; it is not counted and takes time to read.
    build.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    let output = build.stdin(Stdio::null()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("it does not build: {}", first_error(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(())
}

/// The first of a compiler's errors and where it is, as one line.
fn first_error(told: &str) -> String {
    let lines = told.lines().skip_while(|line| !line.starts_with("error")).take(2);
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

fn read(text: &str) -> anyhow::Result<Counts> {
    let count = |line: &str| {
        let (piece, count) = line.split_once('\t')?;
        Some((piece.to_owned(), count.parse().ok()?))
    };
    text.lines().map(|line| count(line).with_context(|| format!("not a count: {line:?}"))).collect()
}

fn print(after: &Counts, before: Option<(&str, &Counts)>) {
    let Some((revision, before)) = before else {
        println!("{:<44} {:>9}", "instructions for each", "counted");
        after.iter().for_each(|(piece, count)| println!("{piece:<44} {count:>9.1}"));
        return;
    };
    let before: BTreeMap<&str, f64> = before.iter().map(|(piece, count)| (piece.as_str(), *count)).collect();
    println!("{:<44} {revision:>9} {:>9}", "instructions for each", "today");
    for (piece, after) in after {
        match before.get(piece.as_str()) {
            Some(before) => println!("{piece:<44} {before:>9.1} {after:>9.1}{}", change(*before, *after)),
            None => println!("{piece:<44} {:>9} {after:>9.1}", "-"),
        }
    }
}

/// How much more or less it became; nothing if that is less than shows.
fn change(before: f64, after: f64) -> String {
    let percent = (after / before - 1.0) * 100.0;
    if percent.abs() < 0.05 { String::new() } else { format!("{percent:>+9.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_percent_and_none_is_not_told() {
        assert_eq!(change(200.0, 250.0), "    +25.0 %");
        assert_eq!(change(200.0, 199.0), "     -0.5 %");
        assert_eq!(change(1500.0, 1500.1), "");
    }

    #[test]
    fn a_compiler_s_first_error_is_told_in_one_line() {
        let told =
            "warning: odd\n --> a.rs:1\nerror[E1]: no such function\n  --> b.rs:2:3\n   |\nerror: more\n";
        assert_eq!(first_error(told), "error[E1]: no such function --> b.rs:2:3");
        assert_eq!(first_error(""), "");
    }

    #[test]
    fn counts_are_read_as_they_were_written() {
        let check = |text: &str| read(text).unwrap();
        assert_eq!(check("cut a line\t102.7\n"), [("cut a line".to_owned(), 102.7)]);
        assert!(read("cut a line\tmany\n").is_err());
    }
}
