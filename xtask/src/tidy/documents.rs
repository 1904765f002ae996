//! Documents that tell the truth: ARCHITECTURE.md names every module and stays short, links lead somewhere.

use super::{
    Finding,
    tree::{File, Tree},
};

/// The map of the code.
const MAP: &str = "ARCHITECTURE.md";
/// Longest map that somebody reads to the end.
const MAP_LINES_MAX: usize = 250;

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let documents = tree.files().iter().filter(|file| file.path.ends_with(".md"));
    let mut findings: Vec<Finding> = documents.flat_map(|document| dead_links(document, tree)).collect();
    match tree.get(MAP) {
        Some(map) => findings.extend(of_map(map, tree)),
        None => findings.push(Finding::fault(MAP, 0, "missing")),
    }
    findings
}

fn of_map(map: &File, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = map.text.lines().count();
    if lines > MAP_LINES_MAX {
        findings.push(Finding::fault(MAP, 0, format!("more than {MAP_LINES_MAX} lines: {lines}")));
    }
    let known = code_words(&map.text);
    for file in tree.rust().filter(|file| !file.is_test()) {
        let name = file.module().and_then(|module| module.last().copied());
        if let Some(name) = name.filter(|name| !known.contains(name)) {
            findings.push(Finding::fault(
                MAP,
                0,
                format!("does not name the module `{name}` of {}", file.path),
            ));
        }
    }
    findings
}

/// The words between back-ticks.
fn code_words(text: &str) -> Vec<&str> {
    let code = text.split('`').skip(1).step_by(2);
    code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

fn dead_links(document: &File, tree: &Tree) -> Vec<Finding> {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let dead = |(number, line): (usize, &str)| {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let local = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        let dead = local.filter(|target| !exists(tree, &join(folder, target)));
        let finding = |target| Finding::fault(&document.path, number, format!("a link to nowhere: {target}"));
        dead.map(finding).collect::<Vec<_>>()
    };
    (1..).zip(document.text.lines()).flat_map(dead).collect()
}

/// Whether `path` is a file, or a folder that holds one.
fn exists(tree: &Tree, path: &str) -> bool {
    let is_at = |file: &File| {
        file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    tree.files().iter().any(is_at)
}

fn join(folder: &str, target: &str) -> String {
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let found: Vec<String> = findings(&Tree::of(files)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_map_names_every_module() {
        let map = (MAP, "`log`, `wire/{line,lines}` and the table\n");
        check(&[map, ("a/src/log.rs", ""), ("a/src/wire/mod.rs", ""), ("a/src/wire/lines.rs", "")], &[]);
        check(
            &[map, ("a/src/table.rs", "")],
            &["ARCHITECTURE.md: does not name the module `table` of a/src/table.rs"],
        );
        check(&[map, ("a/src/lib.rs", ""), ("a/tests/it/odd.rs", ""), ("a/src/log/tests/odd.rs", "")], &[]);
        check(&[], &["ARCHITECTURE.md: missing"]);
    }

    #[test]
    fn the_map_is_short() {
        check(&[(MAP, &"\n".repeat(251))], &["ARCHITECTURE.md: more than 250 lines: 251"]);
    }

    #[test]
    fn links_lead_somewhere() {
        let map = (MAP, "");
        let good = "[a](docs/a.md#part) [b](./docs/) [c](https://example.org/x.md) [d](#here)";
        check(
            &[
                map,
                ("README.md", good),
                ("docs/a.md", "[up](../README.md)"),
                ("docs/b/c.md", "[up](../a.md)"),
            ],
            &[],
        );
        check(&[map, ("docs/b.md", "\n[a](a.md)")], &["docs/b.md:2: a link to nowhere: a.md"]);
    }
}
