//! The traffic log, as docs/log.md describes it.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command as Program,
    sync::Arc,
    time::Duration,
};

use herd::traffic::{Channel, Party, Traffic, TrafficSettings};
use herd_core::{
    command::QuestionLimits,
    node::{Node, NodeSettings},
    secret::HerdKey,
    server::Name,
    time::Timestamp,
    wire::{line, record},
};

use crate::server::{PATIENCE, Server, Setup, expect, expect_end};

const LIMITS: QuestionLimits = QuestionLimits { radius_km_max: None, bound_max: 20 };

fn node(name: &str) -> Arc<Node> {
    let herd = Name::new("herd").unwrap();
    Arc::new(Node::new(NodeSettings::new(Name::new(name).unwrap(), 1, 2, HerdKey::derive(&herd, None))))
}

fn settings(path: PathBuf) -> TrafficSettings {
    TrafficSettings { path, file_bytes_max: 1 << 30, files_max: 3 }
}

fn client(number: u64) -> Party {
    Party { channel: Channel::Client(number), peer: Some(SocketAddr::from(([127, 0, 0, 1], 50_000))) }
}

#[test]
fn a_conversation_is_logged_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/Goloman.log");
    let server = Server::start(Setup { log: Some(path.clone()), ..Setup::default() });
    server.clock.set(Timestamp::from_nanos(1_520_023_935_182_837_383));
    let mut stream = server.connect();
    let peer = stream.local_addr().unwrap();
    stream
        .write_all(b"IAMAT kiwi +34-118 1520023934\r\n\nWHATSAT kiwi 10 5\na\\b\xff\xe2\x80\xa8c\n")
        .unwrap();
    let at = "AT Goloman +1.182837383 kiwi +34-118 1520023934";
    expect(&mut stream, format!("{at}\n? \n{at}\n{{}}\n\n").as_bytes());
    expect(&mut stream, b"? a\\b\xff\xe2\x80\xa8c\n");
    server.clock.set(Timestamp::from_nanos(1_520_023_937_000_000_000));
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    expect_end(&mut stream);
    let datagram = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    datagram.set_read_timeout(Some(PATIENCE)).unwrap();
    datagram.send_to(b"hello", server.address).unwrap();
    datagram.recv(&mut [0; 16]).unwrap();
    let sender = datagram.local_addr().unwrap();
    server.stop();

    let (first, second) = ("2018-03-02T20:52:15.182837383Z c1", "2018-03-02T20:52:17.000000000Z");
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        format!("{first} {peer} + client"),
        format!("{first} {peer} < IAMAT kiwi +34-118 1520023934\\x0d"),
        format!("{first} {peer} < "),
        format!("{first} {peer} < WHATSAT kiwi 10 5"),
        format!("{first} {peer} < a\\\\b\\xff\\xe2\\x80\\xa8c"),
        format!("{first} {peer} > {at}"),
        format!("{first} {peer} > ? "),
        format!("{first} {peer} > {at}"),
        format!("{first} {peer} > (+4 bytes of places)"),
        format!("{first} {peer} > ? a\\\\b\\xff\\xe2\\x80\\xa8c"),
        format!("{second} c1 {peer} - closed"),
        format!("{second} u {sender} < hello"),
        format!("{second} u {sender} > ? hello"),
        format!("{second} - - - server stops"),
    ];
    let log = fs::read_to_string(path).unwrap();
    // The server may start before or after its clock is set.
    let (start, log) = log.split_once('\n').unwrap();
    assert!(start.ends_with(&format!("Z - - + server starts, herd {version}")), "{start}");
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn lines_that_find_no_room_are_counted_and_the_count_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("A.log");
    let traffic = Traffic::start(settings(path.clone()), node("A"), Timestamp::default()).unwrap();
    let long = vec![b'x'; 1 << 20];
    let mut pen = traffic.pen();
    for _ in 0..10 {
        pen.received(client(1), Timestamp::default(), [long.as_slice(), b"short"]);
    }
    pen.received(client(1), Timestamp::default(), [b"still fits".as_slice()]);
    drop(pen);
    traffic.flush();
    let log = fs::read_to_string(&path).unwrap();
    let kept = log.lines().filter(|line| line.ends_with("< short")).count();
    assert_eq!(kept, 7);
    let last: Vec<_> = log.lines().rev().take(2).collect();
    assert_eq!(
        last,
        [
            "1970-01-01T00:00:00.000000000Z - - ! 6 lines lost",
            "1970-01-01T00:00:00.000000000Z c1 127.0.0.1:50000 < still fits"
        ]
    );
    assert!(traffic.stop(PATIENCE));
    assert_eq!(fs::read_to_string(&path).unwrap(), log);
}

#[test]
fn lines_that_the_disk_does_not_take_are_counted_and_it_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("logs");
    fs::write(&in_the_way, "").unwrap();
    let path = in_the_way.join("A.log");
    let traffic = Traffic::start(settings(path.clone()), node("A"), Timestamp::default()).unwrap();
    let log = |line: &[u8]| {
        traffic.pen().received(client(1), Timestamp::default(), [line]);
        traffic.flush();
    };
    log(b"one");
    log(b"two");
    fs::remove_file(&in_the_way).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut lost = 2;
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline);
        log(b"x");
        lost += 1;
    }
    let written = fs::read_to_string(&path).unwrap();
    let expected = [
        // The line that got through was counted above, too.
        format!("1970-01-01T00:00:00.000000000Z - - ! {} lines lost", lost - 1),
        "1970-01-01T00:00:00.000000000Z c1 127.0.0.1:50000 < x".into(),
    ];
    assert_eq!(written.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn copies_from_before_the_start_are_counted_and_later_ones_are_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("A.log");
    let node = node("A");
    let started_at = Timestamp::from_nanos(1_520_023_935_000_000_000);
    let traffic = Traffic::start(settings(path.clone()), Arc::clone(&node), started_at).unwrap();
    let link = Party { channel: Channel::Link(1), ..client(1) };
    let take = |report: &[u8], nanos: u64| {
        let took = Timestamp::from_nanos(started_at.as_nanos() + nanos - 1);
        node.apply(&[line::parse(report, &LIMITS)], took, &mut Vec::new()).fresh
    };
    let first = take(b"IAMAT kiwi +34-118 1520023934", 0);
    let second = take(b"IAMAT plum +34-118 1520023935", 1);
    let third = take(b"IAMAT emu +34-118 1520023934", 0);
    let mut pen = traffic.pen();
    pen.copies(link, started_at, &[first.as_slice(), &second, &third].concat());
    pen.copies(link, started_at, &second);
    pen.copies(link, started_at, &first);
    drop(pen);
    assert!(traffic.stop(PATIENCE));
    let head = "2018-03-02T20:52:15.000000000Z l1 127.0.0.1:50000 ~";
    let expected = [
        format!("{head} AT A +0.000000000 plum +34-118 1520023935"),
        format!("{head} (2 reports from before this server started)"),
        format!("{head} AT A +0.000000000 plum +34-118 1520023935"),
        format!("{head} (1 reports from before this server started)"),
    ];
    assert_eq!(fs::read_to_string(path).unwrap().lines().collect::<Vec<_>>(), expected);
}

/// Lets one server take a report and the other learn of it, and logs both as a herd does.
fn log_a_report(folder: &Path, report: &[u8], took: Timestamp, learnt: Timestamp) {
    let at = |name: &str| folder.join(format!("{name}.log"));
    let (goloman, hands) = (node("Goloman"), node("Hands"));
    let traffic = Traffic::start(settings(at("Goloman")), Arc::clone(&goloman), took).unwrap();
    let command = line::parse(report, &LIMITS);
    let effects = goloman.apply(&[command], took, &mut Vec::new());
    traffic.pen().received(client(1), took, [report]);
    assert!(traffic.stop(PATIENCE));

    let traffic = Traffic::start(settings(at("Hands")), Arc::clone(&hands), took).unwrap();
    let mut records = effects.fresh;
    let server = hands.names().intern(&Name::new("Goloman").unwrap()).unwrap();
    record::set_server(&mut records, server);
    let link = Party { channel: Channel::Link(1), ..client(1) };
    traffic.pen().came(link, learnt, "Goloman");
    traffic.pen().reports(link, learnt, &records);
    assert!(traffic.stop(PATIENCE));
}

#[test]
fn one_line_of_awk_tells_how_long_reports_took_to_reach_servers() {
    let folder = tempfile::tempdir().unwrap();
    let took = Timestamp::from_nanos(1_520_023_935_182_837_383);
    log_a_report(
        folder.path(),
        b"IAMAT kiwi +34-118 1520023934",
        took,
        took.later(Duration::from_micros(250)),
    );
    let midnight = Timestamp::from_nanos(1_520_035_199_999_000_000);
    log_a_report(
        folder.path(),
        b"  IAMAT\tplum +34-118/  01520035199\r",
        midnight,
        midnight.later(Duration::from_millis(3)),
    );
    let hands = fs::read_to_string(folder.path().join("Hands.log")).unwrap();
    assert!(
        hands.contains(
            "2018-03-02T20:52:15.183087383Z l1 127.0.0.1:50000 = AT Goloman +1.182837383 kiwi +34-118 1520023934\n"
        ),
        "{hands}"
    );

    let documentation = include_str!("../../../docs/log.md");
    let awk = documentation.lines().find(|line| line.starts_with("awk ")).unwrap();
    let awk = awk.replace("logs/*.log", "*.log");
    match Program::new("awk").arg("BEGIN{}").status() {
        Err(error) => return println!("skipped: no awk here: {error}"),
        Ok(status) => assert!(status.success()),
    }
    let output = Program::new("sh").arg("-c").arg(awk).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let mut lines: Vec<_> = str::from_utf8(&output.stdout).unwrap().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["0.250 ms Hands.log kiwi +34-118 1520023934", "3.000 ms Hands.log plum +34-118/ 01520035199"]
    );
}
