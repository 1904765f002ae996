//! A network namespace per server, and one for the router between them.
//!
//! Servers cannot tell a cut made here from a broken cable far away: the router drops packets and says nothing. Nothing
//! of it is visible outside, so two runs never meet, and all of it goes with this process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;

use super::{
    super::{
        place::Place,
        relay::{Relay, Way},
    },
    Addresses, Direction, Network, SERVERS, Server,
};

/// Where the first server takes clients, in its own network; the others one higher each, since a configuration knows no
/// networks.
const LINE_PORT: u16 = 12000;
/// Where each server takes neighbours.
const PEER_PORT: u16 = 12300;

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Routed {
    router: Place,
    servers: Vec<Place>,
    /// On the router, while an edge is delayed.
    relays: Mutex<Vec<Relay>>,
}

impl Routed {
    /// Makes it; fails where that is not allowed.
    pub(in super::super) fn new() -> anyhow::Result<Self> {
        let router = Place::apart()?;
        router.within(|| {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot make a router")
        })?;
        let mut servers = Vec::new();
        for server in 0..SERVERS.len() {
            let place = Place::apart()?;
            let (here, there) = (port(server), place.path());
            router.ip(&format!("link add {here} type veth peer name net0 netns {there}"))?;
            router.ip(&format!("address add {}/30 dev {here}", gateway(server)))?;
            router.ip(&format!("link set {here} up"))?;
            place.ip(&format!("address add {}/30 dev net0", host(server)))?;
            place.ip("link set net0 up")?;
            place.ip(&format!("route add default via {}", gateway(server)))?;
            servers.push(place);
        }
        Ok(Self { router, servers, relays: Mutex::default() })
    }

    fn rule(&self, what: &str, from: Server, to: Server) -> anyhow::Result<()> {
        self.router.ip(&format!("rule {what} from {} to {} blackhole", host(from), host(to)))
    }
}

impl Network for Routed {
    fn describe(&self) -> String {
        "a network namespace per server and a router between them".to_owned()
    }

    fn place(&self, server: Server) -> &Place {
        self.servers.get(server).unwrap_or(&self.router)
    }

    fn addresses(&self, server: Server) -> Addresses {
        let port = LINE_PORT + u16::try_from(server).unwrap_or_default();
        Addresses { line: (Ipv4Addr::LOCALHOST, port).into(), peer: peer(server) }
    }

    fn note(&self, _: Server, _: SocketAddr) -> Vec<Direction> {
        Vec::new()
    }

    fn cut(&self, from: Server, to: Server) -> anyhow::Result<()> {
        self.rule("add", from, to)
    }

    fn mend(&self, from: Server, to: Server) -> anyhow::Result<()> {
        self.rule("del", from, to)
    }

    fn isolate(&self, server: Server) -> anyhow::Result<()> {
        self.router.ip(&format!("link set {} down", port(server)))
    }

    fn rejoin(&self, server: Server) -> anyhow::Result<()> {
        self.router.ip(&format!("link set {} up", port(server)))
    }

    fn slow(&self, server: Server, rate: u64) -> anyhow::Result<()> {
        for (place, device) in [(&self.router, port(server)), (self.place(server), "net0".to_owned())] {
            place.tc(&match rate {
                0 => format!("qdisc del dev {device} root"),
                rate => format!("qdisc add dev {device} root tbf rate {rate}bps burst 4kb latency 200ms"),
            })?;
        }
        Ok(())
    }

    fn delay(&self, (a, b): (Server, Server), delay: Duration) -> anyhow::Result<Vec<Direction>> {
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        relays.clear();
        let mut told = Vec::new();
        for (dialler, neighbour) in [(a, b), (b, a)] {
            if delay.is_zero() {
                self.mend(dialler, neighbour)?;
                told.push(Direction { dialler, neighbour, address: peer(neighbour) });
                continue;
            }
            // The way around the relay is closed.
            self.cut(dialler, neighbour)?;
            let (there, back) = (Arc::<Way>::default(), Arc::<Way>::default());
            there.delay(delay);
            back.delay(delay);
            let relay = Relay::start(&self.router, (gateway(dialler), 0).into(), there, back)?;
            relay.lead_to(peer(neighbour));
            told.push(Direction { dialler, neighbour, address: relay.address });
            relays.push(relay);
        }
        Ok(told)
    }
}

/// The router's interface towards a server.
fn port(server: Server) -> String {
    format!("to{server}")
}

fn host(server: Server) -> Ipv4Addr {
    address(server, 2)
}

fn gateway(server: Server) -> Ipv4Addr {
    address(server, 1)
}

fn address(server: Server, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, u8::try_from(server).unwrap_or(u8::MAX), last)
}

fn peer(server: Server) -> SocketAddr {
    (host(server), PEER_PORT).into()
}
