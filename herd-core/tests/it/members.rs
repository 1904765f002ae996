//! Facts about servers on their way through a herd of real nodes and links, without sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails by panicking; the lints know only #[test] functions"
)]

use std::collections::BTreeSet;

use herd_core::{
    limits::HEARTBEAT_EVERY,
    link::{Claim, Identity, Link, LinkEvent, Side},
    members::Fact,
    node::{Node, NodeSettings},
    time::Now,
    wire::peer::NONCE_BYTES,
};
use proptest::prelude::*;

use crate::{
    nodes::{name, settings},
    pair::{at, identity},
};

/// Servers, and the links between them with both their ends.
#[derive(Default)]
struct Herd {
    nodes: Vec<Node>,
    links: Vec<[(usize, Link); 2]>,
    /// Who found out that it has to stop.
    claims: Vec<(usize, Claim)>,
    /// Bytes of all frames.
    bytes: usize,
    nonces: u8,
}

impl Herd {
    /// Servers of these names; no two lives have the same incarnation.
    fn new(names: &[&str]) -> Self {
        let mut herd = Self::default();
        for (i, name) in names.iter().enumerate() {
            herd.nodes.push(life(name, 10 + i as u64, i as u64));
        }
        herd
    }

    fn connect(&mut self, a: usize, b: usize) {
        let ends = [(a, b, Side::Dialler), (b, a, Side::Acceptor)].map(|(own, other, side)| {
            let [own_name, other_name] = [own, other].map(|i| self.nodes[i].settings().name.to_string());
            let incarnation = self.nodes[own].settings().incarnation;
            let identity = Identity { incarnation, ..identity(&own_name, &other_name) };
            self.nonces = self.nonces.wrapping_add(1);
            (own, Link::new(identity, side, None, [self.nonces; NONCE_BYTES], at(0).moment))
        });
        self.links.push(ends);
    }

    /// Breaks all links of a server.
    fn part(&mut self, server: usize) {
        let (lost, kept) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|ends: &[(usize, Link); 2]| ends.iter().any(|(i, _)| *i == server));
        self.links = kept;
        for (i, link) in lost.into_iter().flatten() {
            link.close(&self.nodes[i]);
        }
    }

    /// Lets all talk until nobody has anything to say.
    fn talk(&mut self, now: Now) {
        for _ in 0..1000 {
            let mut is_silent = true;
            for ends in &mut self.links {
                for from in [0, 1] {
                    let (own, link) = &mut ends[from];
                    let mut bytes = Vec::new();
                    if link.next_time() <= now.moment {
                        link.handle_time(&self.nodes[*own], now).unwrap();
                    }
                    while link.has_bytes(&self.nodes[*own]) {
                        link.next_bytes(&self.nodes[*own], now, &mut bytes);
                    }
                    is_silent &= bytes.is_empty();
                    self.bytes += bytes.len();
                    let (to, link) = &mut ends[1 - from];
                    link.handle(&self.nodes[*to], &bytes, now).unwrap();
                    for event in link.take_events() {
                        match event {
                            LinkEvent::Proved(_) => {
                                link.open(&self.nodes[*to], None, now.moment);
                                link.handle(&self.nodes[*to], &[], now).unwrap();
                            }
                            LinkEvent::Claimed(claim) => self.claims.push((*to, claim)),
                            LinkEvent::Fresh { .. }
                            | LinkEvent::Evicted(_)
                            | LinkEvent::Synced
                            | LinkEvent::Members => {}
                        }
                    }
                }
            }
            if is_silent {
                return;
            }
        }
        panic!("a herd never falls silent")
    }

    /// What a server knows of all that have not left.
    fn facts(&self, server: usize) -> Vec<Fact> {
        self.nodes[server].members().list().into_iter().map(|member| member.fact).collect()
    }
}

/// A server's life that began at this second.
fn life(server: &str, incarnation: u64, began: u64) -> Node {
    Node::new(NodeSettings { incarnation, started: at(began).moment, ..settings(server, 7) })
}

const NAMES: [&str; 5] = ["A", "B", "C", "D", "E"];

proptest! {
    #[test]
    fn whatever_happens_connected_servers_end_with_the_same_facts(
        extra in prop::collection::btree_set((0..5_usize, 0..5_usize), 0..4),
        events in prop::collection::vec((0..5_usize, 0..3_u8), 0..8),
    ) {
        let mut herd = Herd::new(&NAMES);
        // A chain and a few edges more.
        let edges: BTreeSet<_> = (1..5).map(|i| (i - 1, i)).chain(extra.into_iter().filter(|(a, b)| a < b)).collect();
        edges.iter().for_each(|&(a, b)| herd.connect(a, b));
        for (i, (server, event)) in events.into_iter().enumerate() {
            // Some of what was to be told has not arrived when the next thing happens.
            if event != 1 {
                herd.talk(at(1));
            }
            herd.part(server);
            if event == 2 {
                // Its former life is remembered everywhere.
                herd.nodes[server] = life(NAMES[server], 100 - i as u64, 1);
            }
            edges.iter().filter(|(a, b)| [*a, *b].contains(&server)).for_each(|&(a, b)| herd.connect(a, b));
        }
        herd.talk(at(1));
        prop_assert!(herd.claims.is_empty(), "{:?}", herd.claims);
        let facts = herd.facts(0);
        for (i, fact) in facts.iter().enumerate() {
            prop_assert_eq!(fact.incarnation, herd.nodes[i].settings().incarnation);
            let linked = edges.iter().filter_map(|&(a, b)| if a == i { Some(b) } else { (b == i).then_some(a) });
            let linked: BTreeSet<_> = linked.map(|other| name(NAMES[other])).collect();
            prop_assert_eq!(fact.neighbours.clone(), linked.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(&herd.facts(i), &facts);
            prop_assert!(herd.nodes[i].members().list().iter().all(|member| member.is_reachable));
        }
    }
}

#[test]
fn the_younger_of_two_far_apart_stops_and_all_believe_the_older() {
    // Incarnations and ages in both orders; the last two are one name.
    for (first, second) in [(5, 50), (50, 5)] {
        let mut herd = Herd::new(&["A", "B", "C", "A"]);
        herd.nodes[0] = life("A", first, 0);
        herd.nodes[3] = life("A", second, 900);
        herd.connect(0, 1);
        herd.connect(1, 2);
        herd.talk(at(1));
        herd.connect(2, 3);
        herd.talk(at(1));
        let stopped: BTreeSet<_> = herd.claims.iter().map(|(server, _)| *server).collect();
        assert_eq!(stopped, BTreeSet::from([3]));
        let Some((_, Claim::Answered(fact))) = herd.claims.first() else { panic!("{:?}", herd.claims) };
        assert_eq!(fact.incarnation, first);
        herd.part(3);
        herd.talk(at(1));
        for server in [0, 1, 2] {
            assert_eq!(herd.facts(server)[0].incarnation, first);
        }
    }
}

#[test]
fn who_left_is_forgotten_two_hops_away_and_what_nobody_changes_is_told_once() {
    let mut herd = Herd::new(&["A", "B", "C"]);
    herd.connect(0, 1);
    herd.connect(1, 2);
    herd.talk(at(1));
    let before = herd.bytes;
    let second = u64::try_from(HEARTBEAT_EVERY.as_nanos()).unwrap() / 1_000_000_000;
    (2..12).for_each(|i| herd.talk(at(i * second)));
    // Heartbeats and comparisons only: 100 bytes a second and direction.
    assert!(herd.bytes - before < 10 * 4 * 100, "{}", herd.bytes - before);
    herd.nodes[2].members().leave();
    herd.talk(at(12));
    herd.part(2);
    herd.talk(at(12));
    assert!(herd.nodes[0].members().has_left(&name("C")));
    assert_eq!(herd.facts(0).iter().map(|fact| fact.name.to_string()).collect::<String>(), "AB");
}
