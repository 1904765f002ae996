//! What lines of the log begin with: when, whose connection, what happened.
//!
//! Under load most of it is as in the line before, and is kept: dates for a second, connections for as long as the same
//! one speaks.

use std::{io::Write as _, net::SocketAddr, ops::Range};

use herd_core::time::Timestamp;

use super::{
    entry::{Channel, Event, Party},
    escape::{NANOS_PER_SECOND, escape, print_time},
};
use crate::digits::fill;

/// Where in a time its nine digits of a second are.
const NANOS: Range<usize> = 20..29;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Head {
    second: Option<u64>,
    time: Vec<u8>,
    party: Option<Party>,
    who: Vec<u8>,
    text: Vec<u8>,
}

impl Head {
    /// What the lines of an entry begin with.
    pub(super) fn set(&mut self, event: Event, party: Party, at: Timestamp) {
        self.set_time(at);
        if self.party != Some(party) {
            self.party = Some(party);
            self.who.clear();
            print_party(&mut self.who, party);
        }
        self.text.clear();
        for part in [&self.time, &self.who, event.sign().as_bytes()] {
            self.text.extend_from_slice(part);
            self.text.push(b' ');
        }
    }

    fn set_time(&mut self, at: Timestamp) {
        let second = at.as_nanos() / NANOS_PER_SECOND;
        if self.second != Some(second) {
            self.second = Some(second);
            self.time.clear();
            print_time(&mut self.time, at);
        }
        if let Some(nanos) = self.time.get_mut(NANOS) {
            fill(nanos, at.as_nanos());
        }
    }

    /// Appends a line of the entry.
    pub(super) fn line(&self, out: &mut Vec<u8>, text: &[u8]) {
        out.extend_from_slice(&self.text);
        escape(out, text);
        out.push(b'\n');
    }
}

/// Appends for example `c12 127.0.0.1:40404`. By hand where it is usual: the standard library's way takes longer than all
/// else that there is to do for a client that asks one thing at a time.
fn print_party(out: &mut Vec<u8>, Party { channel, peer }: Party) {
    match channel {
        Channel::Client(number) => print_number(out, b"c", number),
        Channel::Datagram => out.push(b'u'),
        Channel::Link(number) => print_number(out, b"l", number),
        Channel::Log => out.push(b'-'),
    }
    match peer {
        None => out.extend_from_slice(b" -"),
        Some(SocketAddr::V4(peer)) => {
            for (separator, octet) in [b" ", b".", b".", b"."].into_iter().zip(peer.ip().octets()) {
                print_number(out, separator, octet.into());
            }
            print_number(out, b":", peer.port().into());
        }
        Some(SocketAddr::V6(peer)) => {
            // Writing to memory cannot fail.
            let _ = write!(out, " {peer}");
        }
    }
}

fn print_number(out: &mut Vec<u8>, before: &[u8], number: u64) {
    out.extend_from_slice(before);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &mut Head, at: u64, channel: Channel, peer: Option<&str>, expected: &str) {
        let peer = peer.map(|peer| peer.parse().unwrap());
        head.set(Event::Sent, Party { channel, peer }, Timestamp::from_nanos(at));
        let mut out = Vec::new();
        head.line(&mut out, b"AT");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn nothing_of_the_line_before_shows() {
        let head = &mut Head::default();
        let second = 1_520_023_934_000_000_000;
        let time = "2018-03-02T20:52:14";
        let client = Channel::Client(1);
        check(head, second + 5, client, Some("1.2.3.4:5"), &format!("{time}.000000005Z c1 1.2.3.4:5 > AT\n"));
        check(
            head,
            second + 918_963_997,
            Channel::Client(u64::MAX),
            Some("255.250.0.19:65535"),
            &format!("{time}.918963997Z c18446744073709551615 255.250.0.19:65535 > AT\n"),
        );
        check(
            head,
            second,
            Channel::Link(7),
            Some("[::1]:80"),
            &format!("{time}.000000000Z l7 [::1]:80 > AT\n"),
        );
        check(
            head,
            0,
            Channel::Datagram,
            Some("10.0.0.1:1"),
            "1970-01-01T00:00:00.000000000Z u 10.0.0.1:1 > AT\n",
        );
        check(head, 999_999_999, Channel::Log, None, "1970-01-01T00:00:00.999999999Z - - > AT\n");
    }
}
