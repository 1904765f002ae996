//! Who talks with whom in a herd that is measured, and that herd: each server a process of its own that dials those that
//! were started before it.

use std::net::SocketAddr;

use super::{
    contender::Server,
    herds::{Keeps, configuration, serve_with},
    process::{Core, cpu_seconds},
};

/// A neighbour that only listens, in the generator's process.
const TAP: &str = "Tap";

/// Names, and pairs of them that talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: String,
    servers: Vec<String>,
    edges: Vec<(usize, usize)>,
    /// Those that have [`TAP`] for one more neighbour.
    tapped: Vec<usize>,
}

impl Shape {
    /// The default preset, with a tap at each of `tapped`.
    pub(super) fn five(tapped: &[usize]) -> Self {
        let servers = ["Goloman", "Hands", "Holiday", "Welsh", "Wilkes"].map(str::to_owned).to_vec();
        let edges = vec![(0, 1), (0, 2), (0, 4), (1, 4), (2, 3), (2, 4)];
        Self { name: "five-tapped".to_owned(), servers, edges, tapped: tapped.to_vec() }
    }

    /// Two servers, with a tap at the second.
    pub(super) fn pair() -> Self {
        let servers = ["First", "Second"].map(str::to_owned).to_vec();
        Self { name: "pair".to_owned(), servers, edges: vec![(0, 1)], tapped: vec![1] }
    }

    /// One after the other.
    pub(super) fn line(count: usize) -> Self {
        Self::of("line", count, (1..count).map(|server| (server - 1, server)).collect())
    }

    /// The first server talks with so many others, which talk with nobody else.
    pub(super) fn star(links: usize) -> Self {
        Self::of("star", links + 1, (1..=links).map(|leaf| (0, leaf)).collect())
    }

    /// Servers in a ring, an even number of them, each of which talks with the `links` nearest; if that is odd, with the
    /// one opposite as well.
    pub(super) fn mesh(count: usize, links: usize) -> Self {
        let to_right = (0..count).flat_map(|server| (1..=links / 2).map(move |far| (server, far)));
        let across = (0..count / 2).map(|server| (server, count / 2)).filter(|_| links % 2 == 1);
        let edges = to_right.chain(across).map(|(server, far)| (server, (server + far) % count));
        Self::of("mesh", count, edges.map(|(a, b)| (a.min(b), a.max(b))).collect())
    }

    fn of(name: &str, count: usize, edges: Vec<(usize, usize)>) -> Self {
        let servers = (0..count).map(|server| format!("S{server}")).collect();
        Self { name: format!("{name}-{count}-{}", edges.len()), servers, edges, tapped: Vec::new() }
    }

    /// The configuration of the server that is to start when `known` are the addresses of those before it. Of two that
    /// talk one must have an address: pairs of later ones are left out.
    fn configuration(&self, known: &[SocketAddr]) -> String {
        let own = known.len();
        let server = |(at, name): (usize, &String)| {
            let peer = match known.get(at) {
                Some(address) => format!("peer = \"{address}\"\n"),
                None if at == own => "listen.line = \"127.0.0.1:0\"\npeer = \"127.0.0.1:0\"\n".to_owned(),
                None => String::new(),
            };
            let earlier = self.edges.iter().filter(|(earlier, later)| *later == at && *earlier <= own);
            let earlier = earlier.filter_map(|(earlier, _)| self.servers.get(*earlier)).cloned();
            let tap = (at <= own && self.tapped.contains(&at)).then(|| TAP.to_owned());
            let neighbours: Vec<_> = earlier.chain(tap).map(|name| format!("\"{name}\"")).collect();
            format!("[servers.{name}]\n{peer}talks_with = [{}]\n", neighbours.join(", "))
        };
        let servers: String = self.servers.iter().enumerate().map(server).collect();
        let has_tap = self.tapped.iter().any(|at| *at <= own);
        if has_tap { format!("{servers}[servers.{TAP}]\n") } else { servers }
    }
}

/// A herd of some shape.
#[derive(Debug)]
pub(super) struct Shaped {
    pub(super) servers: Vec<Server>,
    /// Where neighbours connect.
    pub(super) peers: Vec<SocketAddr>,
}

impl Shaped {
    /// Starts the servers in their order. Links may come up later.
    ///
    /// # Errors
    /// One does not start.
    pub(super) fn start(shape: &Shape, core: Core) -> anyhow::Result<Self> {
        let mut started = Self { servers: Vec::new(), peers: Vec::new() };
        // As `herd up` shares cores among servers.
        let threads = core.count().div_ceil(shape.servers.len().max(1)).to_string();
        for name in &shape.servers {
            let servers = shape.configuration(&started.peers);
            let file = configuration(&format!("{}/{name}", shape.name), &servers, Keeps::Nothing)?;
            let (server, peer) = serve_with(name, &file, core, &["--threads", &threads])?;
            started.servers.push(server);
            started.peers.extend(peer);
        }
        Ok(started)
    }

    /// Where clients connect.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.address).collect()
    }

    /// CPU seconds that each has used.
    ///
    /// # Errors
    /// One ended.
    pub(super) fn used(&self) -> anyhow::Result<Vec<f64>> {
        self.servers.iter().map(|server| cpu_seconds(server.process.id())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(shape: &Shape) -> Vec<usize> {
        let of = |at: usize| shape.edges.iter().filter(|(a, b)| *a == at || *b == at).count();
        (0..shape.servers.len()).map(of).collect()
    }

    #[test]
    fn shapes_have_the_links_that_they_are_named_for() {
        assert_eq!(links(&Shape::line(4)), [1, 2, 2, 1]);
        assert_eq!(links(&Shape::star(3)), [3, 1, 1, 1]);
        for count in 2..=8 {
            let mesh = Shape::mesh(10, count);
            assert_eq!(links(&mesh), [count; 10]);
            let mut edges = mesh.edges.clone();
            edges.sort_unstable();
            edges.dedup();
            assert_eq!(edges.len(), mesh.edges.len(), "no edge twice");
        }
    }

    #[test]
    fn the_five_are_those_of_the_default_preset() {
        let five = Shape::five(&[]);
        let preset = include_str!("../../../herds/goloman.toml");
        for (at, name) in five.servers.iter().enumerate() {
            let neighbours = five.edges.iter().filter_map(|&(a, b)| match at {
                _ if a == at => five.servers.get(b),
                _ if b == at => five.servers.get(a),
                _ => None,
            });
            let neighbours: Vec<_> = neighbours.map(|name| format!("\"{name}\"")).collect();
            let section = format!("[servers.{name}]\ntalks_with = [{}]\n", neighbours.join(", "));
            assert!(preset.contains(&section), "{section}");
        }
    }

    #[test]
    fn a_server_knows_where_those_before_it_are() {
        let text = Shape::pair().configuration(&["127.0.0.1:7".parse().unwrap()]);
        let first = "[servers.First]\npeer = \"127.0.0.1:7\"\ntalks_with = []\n";
        let second = "[servers.Second]\nlisten.line = \"127.0.0.1:0\"\npeer = \"127.0.0.1:0\"\n\
                      talks_with = [\"First\", \"Tap\"]\n[servers.Tap]\n";
        assert_eq!(text, format!("{first}{second}"));
        let first = "[servers.S0]\nlisten.line = \"127.0.0.1:0\"\npeer = \"127.0.0.1:0\"\ntalks_with = []\n";
        let others = "[servers.S1]\ntalks_with = [\"S0\"]\n[servers.S2]\ntalks_with = []\n";
        assert_eq!(Shape::line(3).configuration(&[]), format!("{first}{others}"));
    }
}
