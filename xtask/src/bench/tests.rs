//! The baselines are honest: each speaks the line protocol, and tells its neighbours what it hears.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Options,
    contender::{Contender, has_twisted},
};

/// What a client says after an `IAMAT` and its ID: the example of the protocol.
const WHERE_AND_WHEN: &str = "+34.068930-118.445127 1520023934.918963997";

struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn of(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// Sends a line; the first line of the reply.
    fn ask(&mut self, line: &str) -> String {
        self.reader.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// A reply's JSON, which ends with a blank line.
    fn json(&mut self) -> String {
        std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty())).collect()
    }
}

fn now_nanos() -> i128 {
    i128::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn check(contender: Contender) {
    if let Err(absence) = contender.prepare().unwrap() {
        println!("skipped: {}: {absence}", contender.name());
        return;
    }
    let second = contender.start("Second", &[]).unwrap();
    let first = contender.start("First", &[second.address]).unwrap();
    let mut client = Client::of(first.address);

    let before = now_nanos();
    let at = client.ask(&format!("IAMAT kiwi.cs.ucla.edu {WHERE_AND_WHEN}"));
    let skew = at.strip_prefix("AT First +").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    assert_eq!(at, format!("AT First +{skew} kiwi.cs.ucla.edu {WHERE_AND_WHEN}"));
    let (seconds, fraction) = skew.split_once('.').unwrap();
    assert_eq!(fraction.len(), 9, "{skew}");
    let received = 1_520_023_934_918_963_997 + format!("{seconds}{fraction}").parse::<i128>().unwrap();
    // Some clocks tell no more than microseconds.
    assert!((before - 1_000_000..=now_nanos() + 1_000_000).contains(&received), "{skew}");

    let ahead = client.ask(" IAMAT\tahead +34-118 9223372036.854775807 \r");
    assert!(
        ahead.starts_with("AT First -") && ahead.ends_with(" ahead +34-118 9223372036.854775807"),
        "{ahead}"
    );
    for invalid in
        ["", "IAMAT", "IAMAT a +90.1-118 1", "IAMAT a +34-118 -1", "WHATSAT nobody 10 5", "iamat a +1+1 1"]
    {
        assert_eq!(client.ask(invalid), format!("? {invalid}"));
    }
    assert_eq!(client.ask("WHATSAT kiwi.cs.ucla.edu 10 5"), at);
    assert_eq!(client.json(), r#"{"results": [], "status": "ZERO_RESULTS"}"#);
    assert_eq!(client.ask("IAMAT kiwi.cs.ucla.edu +1+1 1").split(' ').nth(3), Some("kiwi.cs.ucla.edu"));
    assert_eq!(client.ask("WHATSAT kiwi.cs.ucla.edu 10 5"), at, "an older report changes nothing");
    client.json();

    // The link may come up after the first reports: so go on until one is heard of.
    let mut neighbour = Client::of(second.address);
    let heard = (1..100_000).any(|time| {
        let told = client.ask(&format!("IAMAT roamer +34-118 {time}"));
        let heard = neighbour.ask("WHATSAT roamer 10 5");
        let is_known = !heard.starts_with('?');
        if is_known {
            neighbour.json();
            assert!(heard.starts_with("AT First +"), "{heard} after {told}");
        }
        is_known
    });
    assert!(heard, "the neighbour hears of nothing");
}

#[test]
fn python_with_asyncio_speaks_the_protocol() {
    check(Contender::Asyncio);
}

#[test]
fn python_with_twisted_speaks_the_protocol() {
    if has_twisted() {
        check(Contender::Twisted);
    } else {
        println!("skipped: twisted: `cargo xtask bench` installs it");
    }
}

#[test]
fn node_js_speaks_the_protocol() {
    check(Contender::Node);
}

#[test]
fn java_speaks_the_protocol() {
    check(Contender::Java);
}

#[test]
fn options_are_checked() {
    let parse = |line: &str| Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let quick = parse("--quick --only node --seconds 2").unwrap();
    assert_eq!((quick.seconds, quick.only.as_deref(), quick.is_whole), (2.0, Some("node"), false));
    assert!(Options::parse(&[]).unwrap().is_whole);
    for wrong in ["--only nobody", "--seconds", "--seconds 0", "--seconds x", "--faster"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
