//! Rules about single files: how they start, how long and how named they are, that they are finished, that they
//! name no folder of somebody's machine.

use super::{
    Finding, Weight,
    tree::{File, Tree},
};

/// Longest source file in lines: what a reader takes in at one sitting.
const LINES_MAX: usize = 600;
/// Longest that goes without saying.
const LINES_USUAL_MAX: usize = 400;

/// Longest target of the fuzzer, its model aside: what it claims is to be seen at a glance.
const TARGET_LINES_MAX: usize = 70;

/// Roles where a noun of the domain belongs.
const VAGUE_NAMES: [&str; 10] =
    ["util", "utils", "common", "helper", "helpers", "misc", "types", "manager", "handler", "handlers"];

/// What unfinished work looks like. Written in two pieces, so that this file is no finding.
const UNFINISHED: [&str; 4] =
    [concat!("to", "do!("), concat!("unimplement", "ed!("), concat!("FIX", "ME"), concat!("#[ign", "ore")];

/// Folders of a machine rather than of the project.
const MACHINE_FOLDERS: [&str; 4] = ["/root/", "/home/", "/Users/", "/tmp/"];
/// Those that a test may speak of: every reader knows them for examples.
const EXAMPLE_FOLDERS: [&str; 2] = ["/home/", "/tmp/"];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let of_sources = tree.rust().flat_map(of_source);
    let of_all = tree.files().iter().flat_map(machine_folders);
    of_sources.chain(of_all).collect()
}

fn of_source(file: &File) -> Vec<Finding> {
    let path = file.path.as_str();
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") {
        findings.push(Finding::fault(path, 1, "starts without `//!` that says what the file is"));
    }
    let lines = file.text.lines().count();
    let is_target = file.text.contains("fuzz_target!(");
    let lines_max = if is_target && path.starts_with("fuzz/") { TARGET_LINES_MAX } else { LINES_MAX };
    if lines > lines_max {
        findings.push(Finding::fault(path, 0, format!("more than {lines_max} lines: {lines}")));
    } else if lines > LINES_USUAL_MAX {
        let what = format!("more than {LINES_USUAL_MAX} lines: {lines}");
        findings.push(Finding { weight: Weight::Warning, ..Finding::fault(path, 0, what) });
    }
    let mut names = path.split('/').map(|name| name.strip_suffix(".rs").unwrap_or(name));
    if let Some(name) = names.find(|name| VAGUE_NAMES.contains(name)) {
        findings.push(Finding::fault(path, 0, format!("a file name is a noun of the domain, not {name:?}")));
    }
    let tests_line = file.tests_line();
    for (number, line) in (1..).zip(file.text.lines()) {
        if let Some(mark) = UNFINISHED.iter().find(|mark| line.contains(**mark)) {
            findings.push(Finding::fault(path, number, format!("unfinished: {mark}")));
        }
        if number >= tests_line && line.contains(concat!("thread::", "sleep")) {
            findings.push(Finding::fault(path, number, "a test that sleeps: wait for the condition"));
        }
    }
    findings
}

fn machine_folders(file: &File) -> Vec<Finding> {
    let tests_line = file.tests_line();
    let name = |line: &str| {
        let folder = MACHINE_FOLDERS.iter().find(|folder| names_folder(line, folder))?;
        Some(*folder)
    };
    let find = |(number, line): (usize, &str)| {
        let folder = name(line)?;
        let is_fine = EXAMPLE_FOLDERS.contains(&folder) && file.path.ends_with(".rs") && number >= tests_line;
        (!is_fine).then(|| Finding::fault(&file.path, number, format!("a folder of some machine: {folder}")))
    };
    (1..).zip(file.text.lines()).filter_map(find).collect()
}

/// Whether `line` holds an absolute path below `folder`: not a relative one, not the path of a URL, not the bare folder.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + folder.len()..).and_then(|text| text.chars().next());
        let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}' | ')' | '*');
        !before.is_some_and(is_inside) && after.is_some_and(|c| c.is_alphanumeric() || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = findings(&Tree::of(&[(path, text)]));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_source_starts_with_what_it_is() {
        check("a/src/log.rs", "//! The log.\n", &[]);
        check(
            "a/src/log.rs",
            "use std::fmt;\n",
            &["a/src/log.rs:1: starts without `//!` that says what the file is"],
        );
    }

    #[test]
    fn a_long_source_is_a_warning_and_a_longer_one_a_fault() {
        check("a.rs", &"//! x\n".repeat(400), &[]);
        check("a.rs", &"//! x\n".repeat(401), &["warning: a.rs: more than 400 lines: 401"]);
        check("a.rs", &"//! x\n".repeat(601), &["a.rs: more than 600 lines: 601"]);
        let target = format!("{}{}\n", "//! x\n".repeat(70), "fuzz_target!(|input: &[u8]| check(input));");
        check("fuzz/targets/a.rs", &target, &["fuzz/targets/a.rs: more than 70 lines: 71"]);
    }

    #[test]
    fn a_role_is_no_name() {
        check(
            "a/src/util/log.rs",
            "//! x\n",
            &["a/src/util/log.rs: a file name is a noun of the domain, not \"util\""],
        );
        check(
            "a/src/types.rs",
            "//! x\n",
            &["a/src/types.rs: a file name is a noun of the domain, not \"types\""],
        );
        check("a/src/utility_pole.rs", "//! x\n", &[]);
    }

    #[test]
    fn unfinished_work_is_found_also_in_comments() {
        for mark in UNFINISHED {
            check(
                "a.rs",
                &format!("//! x\n// {mark} later)\n"),
                &[format!("a.rs:2: unfinished: {mark}").as_str()],
            );
        }
    }

    #[test]
    fn a_test_that_sleeps_is_found_and_other_code_may() {
        let sleep = concat!("std::thread::", "sleep(x);");
        check("a.rs", &format!("//! x\n{sleep}\n"), &[]);
        let finding = "a test that sleeps: wait for the condition";
        check(
            "a.rs",
            &format!("//! x\n#[cfg(test)]\nmod tests {{\n{sleep}\n}}\n"),
            &[format!("a.rs:4: {finding}").as_str()],
        );
        check(
            "a/tests/it/x.rs",
            &format!("//! x\n{sleep}\n"),
            &[format!("a/tests/it/x.rs:2: {finding}").as_str()],
        );
    }

    #[test]
    fn a_path_of_some_machine_is_found_and_a_url_is_not() {
        let path = concat!("/ho", "me/someone/herd");
        check("a.md", &format!("see {path}\n"), &["a.md:1: a folder of some machine: /home/"]);
        check("a.md", &format!("see https://example.org{path} and ..{path}\n"), &[]);
        let path = concat!("/t", "mp/herd");
        check("a.toml", &format!("x = \"{path}\"\n"), &["a.toml:1: a folder of some machine: /tmp/"]);
        check("a/tests/it/x.rs", &format!("//! x\nlet x = \"{path}\";\n"), &[]);
    }
}
