//! All servers on loopback, each edge through a relay for either end that dials.
//!
//! For where namespaces are not allowed: no packet is lost here, but connections hang, crawl and lag all the same.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;

use super::{
    super::{
        place::Place,
        relay::{Relay, Way},
    },
    Addresses, Direction, EDGES, Network, Server, both_ways,
};

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Wired {
    place: Place,
    ways: Vec<OneWay>,
    wires: Vec<Wire>,
}

/// What passes from one server to another, whoever dialled.
#[derive(Debug)]
struct OneWay {
    from: Server,
    to: Server,
    way: Arc<Way>,
}

#[derive(Debug)]
struct Wire {
    dialler: Server,
    neighbour: Server,
    relay: Relay,
}

impl Wired {
    pub(in super::super) fn new() -> anyhow::Result<Self> {
        let place = Place::Here;
        let (mut ways, mut wires) = (Vec::new(), Vec::new());
        for (a, b) in EDGES {
            let (there, back) = (Arc::<Way>::default(), Arc::<Way>::default());
            let wire = |dialler, neighbour, there: &Arc<Way>, back: &Arc<Way>| {
                let any = (Ipv4Addr::LOCALHOST, 0).into();
                let relay = Relay::start(&place, any, Arc::clone(there), Arc::clone(back))?;
                anyhow::Ok(Wire { dialler, neighbour, relay })
            };
            wires.push(wire(a, b, &there, &back)?);
            wires.push(wire(b, a, &back, &there)?);
            ways.extend([OneWay { from: a, to: b, way: there }, OneWay { from: b, to: a, way: back }]);
        }
        Ok(Self { place, ways, wires })
    }

    fn way(&self, from: Server, to: Server) -> anyhow::Result<&Way> {
        let found = self.ways.iter().find(|way| (way.from, way.to) == (from, to));
        Ok(&found.context("no such edge")?.way)
    }
}

impl Network for Wired {
    fn describe(&self) -> String {
        "loopback, with relays between the servers".to_owned()
    }

    fn place(&self, _: Server) -> &Place {
        &self.place
    }

    fn addresses(&self, _: Server) -> Addresses {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        Addresses { line: any, peer: any }
    }

    fn note(&self, server: Server, peer: SocketAddr) -> Vec<Direction> {
        self.wires.iter().filter(|wire| wire.neighbour == server).for_each(|wire| wire.relay.lead_to(peer));
        let own = self.wires.iter().filter(|wire| wire.dialler == server);
        own.map(|wire| Direction { dialler: server, neighbour: wire.neighbour, address: wire.relay.address })
            .collect()
    }

    fn cut(&self, from: Server, to: Server) -> anyhow::Result<()> {
        self.way(from, to)?.cut(true);
        Ok(())
    }

    fn mend(&self, from: Server, to: Server) -> anyhow::Result<()> {
        self.way(from, to)?.cut(false);
        Ok(())
    }

    fn slow(&self, server: Server, rate: u64) -> anyhow::Result<()> {
        for (from, to) in both_ways(server) {
            self.way(from, to)?.slow(rate);
        }
        Ok(())
    }

    fn delay(&self, (a, b): (Server, Server), delay: Duration) -> anyhow::Result<Vec<Direction>> {
        self.way(a, b)?.delay(delay);
        self.way(b, a)?.delay(delay);
        Ok(Vec::new())
    }
}
