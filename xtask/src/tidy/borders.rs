//! Who may import whom: the arrows of ARCHITECTURE.md, each as the names that a part must not know.
//!
//! Tests are free: they may stand a part on whatever it needs.

use super::{
    Finding,
    paths::paths,
    tree::{File, Tree},
};

/// A part of the tree and what it must not name.
struct Border {
    /// A folder; a file of that name counts too.
    part: &'static str,
    forbidden: &'static [&'static str],
}

/// The front-ends, which are strangers to each other.
const FRONTENDS: &str = "herd/src/frontends";

const BORDERS: [Border; 6] = [
    Border {
        part: "herd-core/src",
        forbidden: &["herd", "tokio", "std::net", "std::fs", "std::thread", "std::process"],
    },
    Border { part: "herd-sim/src", forbidden: &["herd", "tokio", "std::net", "std::thread"] },
    Border { part: FRONTENDS, forbidden: &["crate::links", "crate::storage"] },
    Border { part: "herd/src/links", forbidden: &["crate::nearby", "crate::frontends"] },
    Border { part: "herd/src/nearby", forbidden: &["crate::links", "crate::frontends"] },
    // A client, as any stranger could write it.
    Border {
        part: "herd/src/load",
        forbidden: &[
            "crate::run",
            "crate::engine",
            "crate::gateway",
            "crate::frontends",
            "crate::links",
            "crate::nearby",
            "herd_core::node",
            "herd_core::link",
        ],
    },
];

pub(super) fn findings(tree: &Tree) -> Vec<Finding> {
    let frontends = frontends(tree);
    tree.rust().flat_map(|file| crossings(file, &frontends)).collect()
}

fn crossings(file: &File, frontends: &[String]) -> Vec<Finding> {
    let mut forbidden: Vec<&str> = BORDERS
        .iter()
        .filter(|border| is_within(&file.path, border.part))
        .flat_map(|border| border.forbidden.iter().copied())
        .collect();
    if let Some(own) = frontend_of(&file.path) {
        let others = frontends.iter().map(String::as_str);
        forbidden.extend(others.filter(|other| other.strip_prefix("crate::frontends::") != Some(own)));
    }
    if forbidden.is_empty() {
        return Vec::new();
    }
    let module = file.module().unwrap_or_default();
    let crossing = |path: &[String]| {
        let path = path.join("::");
        forbidden.iter().find(|name| is_below(&path, name)).map(|name| format!("must not know `{name}`"))
    };
    let named = paths(file.outside_tests(), &module);
    named
        .iter()
        .filter_map(|named| Some(Finding::fault(&file.path, named.line, crossing(&named.path)?)))
        .collect()
}

/// The front-ends of the tree as `crate::frontends::line`.
fn frontends(tree: &Tree) -> Vec<String> {
    let mut found: Vec<String> = tree
        .rust()
        .filter_map(|file| frontend_of(&file.path))
        .map(|name| format!("crate::frontends::{name}"))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The front-end that a file belongs to; none has the table of them.
fn frontend_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix(FRONTENDS)?.strip_prefix('/')?;
    let name = inside.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name)).filter(|name| *name != "mod")
}

fn is_within(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

fn is_below(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, code: &str, expected: &[&str]) {
        let others = ("herd/src/frontends/http.rs", "//! x\n");
        let found = findings(&Tree::of(&[(path, code), others]));
        let found: Vec<String> = found.iter().map(|finding| finding.what.clone()).collect();
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn the_core_knows_no_runtime() {
        check("herd-core/src/log.rs", "use tokio::time;", &["must not know `tokio`"]);
        check("herd-core/src/log.rs", "use std::{fmt, net::IpAddr};", &["must not know `std::net`"]);
        check("herd-core/src/log.rs", "use herd_core::x; use crate::herd::y;", &[]);
    }

    #[test]
    fn a_front_end_knows_neither_links_nor_other_front_ends() {
        let path = "herd/src/frontends/line/tcp.rs";
        check(path, "use crate::{gateway::Gateway, links::Link};", &["must not know `crate::links`"]);
        check(path, "use super::super::http::X;", &["must not know `crate::frontends::http`"]);
        check(path, "use super::udp::X; use crate::frontends::{Frontend, line::Y};", &[]);
        check("herd/src/frontends/mod.rs", "pub mod http; use self::http::X;", &[]);
    }

    #[test]
    fn links_and_places_are_strangers() {
        check("herd/src/links/mod.rs", "crate::nearby::ask()", &["must not know `crate::nearby`"]);
        check("herd/src/links.rs", "crate::nearby::ask()", &["must not know `crate::nearby`"]);
        check("herd/src/nearby/mod.rs", "use crate::links;", &["must not know `crate::links`"]);
    }

    #[test]
    fn a_load_is_a_client() {
        check("herd/src/load/mod.rs", "use crate::gateway::X;", &["must not know `crate::gateway`"]);
        check(
            "herd/src/load/replay.rs",
            "use herd_core::{position, node::Node};",
            &["must not know `herd_core::node`"],
        );
    }

    #[test]
    fn tests_may_import_anything() {
        check("herd/src/links/tests.rs", "use crate::nearby::X;", &[]);
        check("herd/src/links/dial.rs", "//! x\n#[cfg(test)]\nmod tests { use crate::nearby::X; }", &[]);
    }
}
