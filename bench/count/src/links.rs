//! A report's whole way to a neighbour: two nodes, and the two ends of the link between them.

use std::hint::black_box;

use anyhow::{Context, ensure};
use herd_core::{
    link::{Identity, Link, LinkEvent, Side},
    node::Node,
    secret::HerdKey,
    server::Name,
    time::{Moment, Now},
    wire::peer::NONCE_BYTES,
};

use crate::{
    pieces::Work,
    reports::{self, SERVER, clock, rounds},
};

/// One server as its neighbour sees it.
struct End {
    node: Node,
    link: Link,
    /// What it says next.
    out: Vec<u8>,
}

/// Batches of clients' reports that are applied here, sent, and merged there.
pub(crate) fn pass_on(batch: usize) -> anyhow::Result<Work> {
    let rounds: Vec<_> = rounds().map(|round| reports::commands(reports::lines(round + 1))).collect();
    let [mut here, mut there] = linked()?;
    let mut answers = Vec::new();
    Ok(Box::new(move |round| {
        let now = now(round + 1);
        for commands in rounds.get(round).context("no such round")?.chunks(batch) {
            answers.clear();
            black_box(here.node.apply(commands, now.clock, &mut answers));
            here.say(now);
            ensure!(!here.out.is_empty(), "nothing is passed on");
            there.link.handle(&there.node, &here.out, now)?;
        }
        ensure!(here.node.digest() == there.node.digest(), "not all has arrived");
        Ok(())
    }))
}

/// No moment passes, so that nobody has to say that it lives.
const fn now(round: usize) -> Now {
    Now { moment: Moment::from_nanos(1), clock: clock(round) }
}

/// Two ends that have nothing more to say to each other; both hold the first round.
fn linked() -> anyhow::Result<[End; 2]> {
    let mut ends = [End::new(SERVER, "Bailey", Side::Dialler)?, End::new("Bailey", SERVER, Side::Acceptor)?];
    let [here, there] = &mut ends;
    here.node.apply(&reports::commands(reports::lines(0)), clock(0), &mut Vec::new());
    loop {
        here.settle()?;
        there.settle()?;
        if here.out.is_empty() && there.out.is_empty() {
            break;
        }
        there.hear(&here.out)?;
        here.hear(&there.out)?;
    }
    ensure!(here.link.progress().is_some(), "the two do not agree");
    Ok(ends)
}

impl End {
    fn new(name: &str, neighbour: &str, side: Side) -> anyhow::Result<Self> {
        let (herd, neighbour) = (Name::new("herd")?, Name::new(neighbour)?);
        let node = reports::node(name)?;
        let identity = Identity {
            key: HerdKey::derive(&herd, None),
            herd,
            server: Name::new(name)?,
            incarnation: node.settings().incarnation,
            neighbours: vec![neighbour.clone()],
            joins: false,
        };
        let expected = (side == Side::Dialler).then_some(neighbour);
        let nonce = [u8::from(side == Side::Dialler); NONCE_BYTES];
        let link = Link::new(identity, side, expected, nonce, now(0).moment);
        Ok(Self { node, link, out: Vec::new() })
    }

    /// Does what is due, and says what there is to say.
    fn settle(&mut self) -> anyhow::Result<()> {
        if self.link.next_time() <= now(0).moment {
            self.link.handle_time(&self.node, now(0))?;
        }
        self.say(now(0));
        Ok(())
    }

    fn say(&mut self, now: Now) {
        self.out.clear();
        while self.link.has_bytes(&self.node) {
            self.link.next_bytes(&self.node, now, &mut self.out);
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.link.handle(&self.node, bytes, now(0))?;
        if self.link.take_events().iter().any(|event| matches!(event, LinkEvent::Proved(_))) {
            self.link.open(&self.node, None, now(0).moment);
            self.link.handle(&self.node, &[], now(0))?;
        }
        while self.link.has_work() {
            self.link.work(&self.node, now(0))?;
        }
        Ok(())
    }
}
