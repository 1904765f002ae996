//! `cargo xtask sim --broken`: breaks copies of the core on purpose, one way after the other, and sees the simulation notice.
//!
//! The ways are data: `herd-sim/broken.toml`. The core itself stays clean of them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::excerpt;

/// The ways to break it.
const VARIANTS: &str = "herd-sim/broken.toml";
/// Where copies are built.
const BUILD: &str = "target/broken/build";
/// What a copy is made of.
const COPIED: [&str; 2] = ["herd-core", "herd-sim"];
/// Within so many seeds each has to be noticed.
const SEEDS: u64 = 1000;
/// A broken herd may talk for ever; a thousand runs of a whole one take half a minute.
const TIME_MAX: Duration = Duration::from_secs(300);

/// One way to break the core.
#[derive(Debug)]
struct Variant {
    name: String,
    about: String,
    file: String,
    find: String,
    replace: String,
    /// Whose runs show it, instead of runs drawn over all scenarios.
    scenario: Option<String>,
}

/// Runs all, or those that are named, and prints a table.
///
/// # Errors
/// One of them went unnoticed, or could not be made.
pub(crate) fn run(names: &[String]) -> anyhow::Result<()> {
    let mut variants = read()?;
    variants.retain(|variant| names.is_empty() || names.contains(&variant.name));
    let tree = crate::root().join("target/broken/tree");
    println!("| variant | which | after seeds | told as |\n|---|---|---|---|");
    let mut unnoticed = 0;
    for variant in &variants {
        copy(&tree)?;
        let path = tree.join(&variant.file);
        fs::write(&path, variant.apply(&fs::read_to_string(&path)?)?)?;
        let scenario = variant.scenario.as_deref();
        let noticed = build(&tree).and_then(|()| noticed(scenario));
        let (seeds, told) = noticed.with_context(|| format!("variant {:?}", variant.name))?.map_or_else(
            || {
                unnoticed += 1;
                ("**none**".to_owned(), format!("nothing within {SEEDS} seeds or {TIME_MAX:?}"))
            },
            |(seed, told)| ((seed + 1).to_string(), told),
        );
        let of = scenario.map(|name| format!(" of `{name}`")).unwrap_or_default();
        println!("| {} | {} | {seeds}{of} | {told} |", variant.name, variant.about);
    }
    if unnoticed > 0 {
        bail!("{unnoticed} of {} variants went unnoticed", variants.len());
    }
    Ok(())
}

impl Variant {
    /// The text with the break in it.
    fn apply(&self, text: &str) -> anyhow::Result<String> {
        let found = text.matches(&self.find).count();
        if found != 1 {
            bail!("variant {:?} fits {found} times into {}", self.name, self.file);
        }
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

fn read() -> anyhow::Result<Vec<Variant>> {
    let text = fs::read_to_string(crate::root().join(VARIANTS)).context(VARIANTS)?;
    let table: toml::Table = text.parse().context(VARIANTS)?;
    let entries = table.get("variant").and_then(toml::Value::as_array).context("no variants")?;
    let variant = |entry: &toml::Value| {
        let text = |key: &str| {
            entry.get(key).and_then(toml::Value::as_str).map(str::to_owned).context(key.to_owned())
        };
        Ok(Variant {
            name: text("name")?,
            about: text("about")?,
            file: text("file")?,
            find: text("find")?,
            replace: text("replace")?,
            scenario: entry.get("scenario").map(|_| text("scenario")).transpose()?,
        })
    };
    entries.iter().map(variant).collect()
}

/// Makes a workspace of the crates that are needed. Files that are as they were keep their times, so that little is built.
fn copy(tree: &Path) -> anyhow::Result<()> {
    for part in COPIED {
        copy_folder(&crate::root().join(part), &tree.join(part))?;
    }
    put(&tree.join("Cargo.lock"), &fs::read(crate::root().join("Cargo.lock"))?)?;
    let manifest = fs::read_to_string(crate::root().join("Cargo.toml"))?;
    put(&tree.join("Cargo.toml"), excerpt::manifest(&manifest, &COPIED).as_bytes())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            put(&to, &fs::read(&from)?)?;
        }
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

fn build(tree: &Path) -> anyhow::Result<()> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--release", "--package", "herd-sim"]).current_dir(tree);
    build
        .env("CARGO_TARGET_DIR", crate::root().join(BUILD))
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("RUSTFLAGS", "-Awarnings");
    if !build.status().context("cannot start cargo")?.success() {
        bail!("it does not build");
    }
    Ok(())
}

/// Runs what was built: the first seed that fails and how it says so, if one does.
fn noticed(scenario: Option<&str>) -> anyhow::Result<Option<(u64, String)>> {
    let target = crate::root().join(BUILD);
    let mut command = Command::new(target.join("release/herd-sim"));
    command.args(["--no-shrink", "--violations", "1", "--seeds", &SEEDS.to_string()]);
    command.args(scenario.map(|name| ["--scenario", name]).into_iter().flatten());
    let errors = target.join("errors.txt");
    let mut child = command.stdout(Stdio::null()).stderr(fs::File::create(&errors)?).spawn()?;
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if began.elapsed() > TIME_MAX {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        return Ok(None);
    }
    let told = fs::read_to_string(&errors)?;
    let replay = told
        .lines()
        .position(|line| line.starts_with("replay: "))
        .context("it failed without a violation")?;
    let line = |at: usize| told.lines().nth(at).unwrap_or_default();
    let seed = line(replay).rsplit(' ').next().and_then(|seed| seed.parse().ok()).context("no seed")?;
    Ok(Some((seed, summary(line(replay.saturating_sub(1))))))
}

/// What is told without the server that it is told of, and without names, numbers and texts.
fn summary(told: &str) -> String {
    let what =
        told.split_once(": ").filter(|(server, _)| !server.contains(' ')).map_or(told, |(_, what)| what);
    let what = what.split([':', '(', '[', '\'']).next().unwrap_or_default();
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_alphabetic() || c == ',');
    what.trim_end().split(' ').filter(is_word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_what_is_wrong_and_not_with_whom() {
        let check = |told: &str, expected: &str| assert_eq!(summary(told), expected);
        check("s01: refused news of c9\\xc3: (+1+2 3) (after 5 ms)", "refused news of");
        check("servers differ: [(A, 1, 2)] (after 5 ms)", "servers differ");
        check("time stands still: somebody asks (after 5 ms)", "time stands still");
        check("a panic (assertion failed: left == right) (after 5 ms)", "a panic");
        check("98 live records on links for 12 reports (after 5 ms)", "live records on links for reports");
    }

    #[test]
    fn every_broken_variant_still_fits_and_is_a_change() {
        let variants = read().unwrap();
        assert!(variants.len() >= 15);
        for variant in variants {
            let text = fs::read_to_string(crate::root().join(&variant.file)).unwrap();
            assert_ne!(variant.apply(&text).unwrap(), text, "{}", variant.name);
        }
    }

    #[test]
    fn a_variant_that_names_a_scenario_names_one_that_there_is() {
        let scenarios: Vec<_> = read().unwrap().into_iter().filter_map(|variant| variant.scenario).collect();
        assert!(!scenarios.is_empty());
        for scenario in scenarios {
            let file = format!("herd-sim/scenarios/{scenario}.toml");
            assert!(crate::root().join(&file).exists(), "{file}");
        }
    }
}
