//! Datagrams: every line is answered in one datagram to its sender, none with much more than was sent.
//!
//! Input: datagrams, with a byte 255 between two.
#![cfg_attr(fuzzing, no_main)]

mod gateway;

use std::net::{Ipv4Addr, SocketAddr};

use herd::frontends::line::udp;

use gateway::GATEWAY;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

const LINE_BYTES_MAX: usize = 100;
/// `AT `, a space, the server's name and the skew come in place of `IAMAT `.
const LINE_GROWTH_MAX: usize = 32;

pub(crate) fn check(input: &[u8]) {
    let mut datagrams = Vec::new();
    let mut start = 0;
    for (datagram, port) in input.split(|&byte| byte == u8::MAX).zip(1..) {
        let range = start..start + datagram.len();
        start = range.end + 1;
        datagrams.push((range, SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    let (replies, wait) = udp::replies(&GATEWAY, LINE_BYTES_MAX, input, &datagrams);
    assert!(wait.is_none(), "there is no disk to wait for");
    let mut replies = replies.into_iter().peekable();
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
