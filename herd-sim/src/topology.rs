//! Who talks with whom: the herds that ship, and shapes of any size.

use serde::Deserialize;

use crate::scenario::Scenario;

/// A named shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Five servers, six edges, one of them a leaf.
    #[default]
    Goloman,
    /// Five servers in a path.
    Farmar,
    /// Five servers, six edges.
    Riley,
    /// Five servers, six edges.
    Bailey,
    /// Any number in a row.
    Line,
    /// Any number in a circle.
    Ring,
    /// Any number around one.
    Star,
    /// Any number, all with all.
    Clique,
    /// A random tree with as many random edges again.
    Random,
}

const GOLOMAN: &[(&str, &str)] = &[
    ("Goloman", "Hands"),
    ("Goloman", "Holiday"),
    ("Goloman", "Wilkes"),
    ("Hands", "Wilkes"),
    ("Holiday", "Welsh"),
    ("Holiday", "Wilkes"),
];
const FARMAR: &[(&str, &str)] =
    &[("Farmar", "Meeks"), ("Farmar", "Young"), ("Gasol", "Meeks"), ("Gasol", "Young"), ("Hill", "Meeks")];
const RILEY: &[(&str, &str)] = &[
    ("Riley", "Jaquez"),
    ("Riley", "Juzang"),
    ("Jaquez", "Bernard"),
    ("Jaquez", "Campbell"),
    ("Juzang", "Bernard"),
    ("Juzang", "Campbell"),
];
const BAILEY: &[(&str, &str)] = &[
    ("Bona", "Bailey"),
    ("Bona", "Clark"),
    ("Bona", "Campbell"),
    ("Clark", "Jaquez"),
    ("Campbell", "Bailey"),
    ("Campbell", "Jaquez"),
];

/// The names of a scenario's servers, in order, and its edges as pairs of their numbers.
pub(crate) fn of(scenario: &Scenario, rng: &mut fastrand::Rng) -> (Vec<String>, Vec<(usize, usize)>) {
    let (mut names, mut edges) = whole(scenario, rng);
    if let Some(servers) = scenario.cut.servers.filter(|&servers| servers < names.len()) {
        names.truncate(servers);
        edges.retain(|&(a, b)| a < servers && b < servers);
        // Whoever has lost all edges to those before it gets one, so that the rest holds together.
        for server in 1..servers {
            if !edges.iter().any(|&(a, b)| a.max(b) == server) {
                edges.push((server - 1, server));
            }
        }
    }
    (names, edges)
}

fn whole(scenario: &Scenario, rng: &mut fastrand::Rng) -> (Vec<String>, Vec<(usize, usize)>) {
    let own: Vec<_> = scenario.edges.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let named = match scenario.topology {
        _ if !own.is_empty() => own.as_slice(),
        Preset::Goloman => GOLOMAN,
        Preset::Farmar => FARMAR,
        Preset::Riley => RILEY,
        Preset::Bailey => BAILEY,
        Preset::Line | Preset::Ring | Preset::Star | Preset::Clique | Preset::Random => {
            let names = (0..scenario.servers).map(|i| format!("s{i:02}")).collect();
            return (names, generated(scenario.topology, scenario.servers, rng));
        }
    };
    let mut names: Vec<String> = named.iter().flat_map(|(a, b)| [(*a).to_owned(), (*b).to_owned()]).collect();
    names.sort();
    names.dedup();
    let number = |name: &str| names.iter().position(|known| known == name).unwrap_or_default();
    let edges = named.iter().map(|(a, b)| (number(a), number(b))).collect();
    (names, edges)
}

fn generated(shape: Preset, servers: usize, rng: &mut fastrand::Rng) -> Vec<(usize, usize)> {
    let mut edges: Vec<(usize, usize)> = match shape {
        Preset::Line => (1..servers).map(|i| (i - 1, i)).collect(),
        Preset::Ring => (0..servers).map(|i| (i, (i + 1) % servers)).collect(),
        Preset::Star => (1..servers).map(|i| (0, i)).collect(),
        Preset::Clique => (0..servers).flat_map(|a| (a + 1..servers).map(move |b| (a, b))).collect(),
        Preset::Goloman | Preset::Farmar | Preset::Riley | Preset::Bailey | Preset::Random => (1..servers)
            .flat_map(|i| [(rng.usize(..i), i), (rng.usize(..servers), rng.usize(..servers))])
            .collect(),
    };
    edges.retain(|(a, b)| a != b);
    edges.iter_mut().for_each(|(a, b)| (*a, *b) = (*a.min(b), *a.max(b)));
    edges.sort_unstable();
    edges.dedup();
    edges
}
