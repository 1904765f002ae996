//! Datagrams: every line is answered in one datagram to its sender, none with much more than was sent.
//!
//! Input: datagrams, with a byte 255 between two.
#![cfg_attr(fuzzing, no_main)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use herd::{
    clock::Clock,
    engine::Engine,
    frontends::line::udp,
    gateway::{Gateway, Provider},
    nearby::{Nearby, PLACES_LIMITS, PlacesConfig, gate::Home},
    traffic::Traffic,
};
use herd_core::{
    node::{Node, NodeSettings},
    secret::HerdKey,
    server::Name,
    time::Timestamp,
};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

const LINE_BYTES_MAX: usize = 100;
/// `AT `, a space, the server's name and the skew come in place of `IAMAT `.
const LINE_GROWTH_MAX: usize = 32;

static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
    let name = Name::new("Fuzz").unwrap();
    let mut settings = NodeSettings::new(name.clone(), 1, 2, HerdKey::derive(&name, None));
    settings.clients_max = 1000;
    let clock = Clock::standing(Timestamp::from_nanos(1_700_000_000_000_000_000));
    let home = Home { budget_file: PathBuf::new(), clock: clock.clone() };
    let control = Arc::new(Nearby::places(&PlacesConfig::default(), Path::new(""), home).unwrap());
    let ask = Arc::new(|_, _| panic!("a datagram buys no answer of a provider"));
    let engine = Engine::new(Arc::new(Node::new(settings)), clock, Traffic::off());
    Gateway::new(Arc::new(engine), Provider { subject: "places", limits: PLACES_LIMITS, ask, control })
});

pub(crate) fn check(input: &[u8]) {
    let mut datagrams = Vec::new();
    let mut start = 0;
    for (datagram, port) in input.split(|&byte| byte == u8::MAX).zip(1..) {
        let range = start..start + datagram.len();
        start = range.end + 1;
        datagrams.push((range, SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    let mut replies = udp::replies(&GATEWAY, LINE_BYTES_MAX, input, &datagrams).into_iter().peekable();
    for (range, client) in datagrams {
        let datagram = &input[range];
        let reply = replies.next_if(|(_, to)| *to == client).map_or_else(Vec::new, |(reply, _)| reply);
        let lines: Vec<&[u8]> = datagram.split_inclusive(|&byte| byte == b'\n').collect();
        let expected = lines.iter().filter(|line| !line.starts_with(b"? ? ")).count();
        let told: Vec<&[u8]> = reply.split_inclusive(|&byte| byte == b'\n').collect();
        assert_eq!(told.len(), expected);
        assert!(told.iter().all(|line| line.starts_with(b"AT Fuzz ") || line.starts_with(b"? ")));
        assert!(reply.len() <= datagram.len() + LINE_GROWTH_MAX * lines.len());
    }
    assert!(replies.next().is_none(), "a reply to nobody");
}
