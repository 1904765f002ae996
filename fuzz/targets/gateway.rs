//! A server without sockets, links or disk, as a front-end sees it. Not a target.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use herd::{
    clock::Clock,
    engine::Engine,
    gateway::{Gateway, LinkState, Provider, Surroundings},
    nearby::{Nearby, PLACES_LIMITS, PlacesConfig, gate::Home},
    traffic::Traffic,
};
use herd_core::{
    node::{Node, NodeSettings},
    secret::HerdKey,
    server::Name,
    time::Timestamp,
};

/// Its clients come and go with the inputs; no answer to a datagram depends on them.
pub(crate) static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
    let name = Name::new("Fuzz").unwrap();
    let mut settings = NodeSettings::new(name.clone(), 1, 2, HerdKey::derive(&name, None));
    settings.clients_max = 1000;
    let clock = Clock::standing(Timestamp::from_nanos(1_700_000_000_000_000_000));
    let home = Home { budget_file: PathBuf::new(), clock: clock.clone() };
    let control = Arc::new(Nearby::places(&PlacesConfig::default(), Path::new(""), home).unwrap());
    let ask = Arc::new(|_, _| panic!("a datagram buys no answer of a provider"));
    let provider = Provider { subject: "places", limits: PLACES_LIMITS, ask, control };
    let engine = Engine::new(Arc::new(Node::new(settings)), clock, Traffic::off());
    Gateway::new(Arc::new(engine), provider, Arc::new(Alone))
});

/// No neighbours.
#[derive(Debug)]
struct Alone;

impl Surroundings for Alone {
    fn links(&self) -> Vec<LinkState> {
        Vec::new()
    }
}
