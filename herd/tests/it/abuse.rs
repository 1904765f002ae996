//! What clients may do to a server, and that the others do not notice.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use herd::gateway::Ask;

use crate::{
    program::{Running, line_with},
    server::{BODY, PATIENCE, Server, Setup, SlowProvider, expect, expect_end},
};

/// Whether a connection was refused: it ends at once, with or without a farewell.
fn is_refused(mut stream: TcpStream) -> bool {
    // The server may have closed already.
    let _ = stream.write_all(b"hello\n");
    match stream.read(&mut [0; 16]) {
        Ok(bytes) => bytes == 0,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
            true
        }
    }
}

#[test]
fn a_client_that_never_reads_is_cut_and_others_are_served_meanwhile() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let ask: Ask = Arc::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { vec![b'x'; 100_000] })
    });
    let server = Server::start(Setup { ask, ..Setup::default() });
    server.exchange(b"IAMAT kiwi +34-118 1");
    let mut deaf = server.connect();
    let writing = thread::spawn(move || {
        let lines = b"WHATSAT kiwi 10 5\n".repeat(10_000);
        loop {
            if let Err(error) = deaf.write_all(&lines) {
                return error.kind();
            }
        }
    });
    let mut other = server.connect();
    while !writing.is_finished() {
        other.write_all(b"hello\n").unwrap();
        expect(&mut other, b"? hello\n");
    }
    let how = writing.join().unwrap();
    assert!(matches!(how, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{how}");
    // 1 MiB of replies in the server, the rest in the system's buffers: up to 6 MiB on each side.
    let asked = asked.load(Ordering::SeqCst);
    assert!(
        asked < 200,
        "{asked} answers of 100,000 bytes were asked for, and there was nowhere to put them"
    );
    other.write_all(b"hello\n").unwrap();
    expect(&mut other, b"? hello\n");
}

#[test]
fn connections_beyond_the_limit_are_refused_and_the_others_served() {
    let mut setup = Setup::default();
    setup.limits.connections_per_address_max = 4;
    let server = Server::start(setup);
    let mut open: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for stream in &mut open {
        stream.write_all(b"hello\n").unwrap();
        expect(stream, b"? hello\n");
    }
    for _ in 0..200 {
        assert!(is_refused(server.connect()));
    }
    for stream in &mut open {
        stream.write_all(b"hello\n").unwrap();
        expect(stream, b"? hello\n");
    }
    drop(open.pop());
    let deadline = Instant::now() + PATIENCE;
    while is_refused(server.connect()) {
        assert!(Instant::now() < deadline, "the place of one that left stays taken");
    }
}

#[test]
fn a_server_with_few_open_files_keeps_some_for_itself_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let config = "name = 'a'\n[servers.A.listen]\nline = '127.0.0.1:0'";
    fs::write(folder.path().join("a.toml"), config).unwrap();
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_herd");
    command.args(["-c", &format!("ulimit -n 40; exec '{program}' serve A --config a.toml")]);
    command.current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = Running::start(command);
    let line = line_with(&running.stdout, |line| line.contains("127.0.0.1"));
    let address = line.split_whitespace().last().unwrap();
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let hello = |stream: &mut TcpStream| {
        stream.write_all(b"hello\n").unwrap();
        expect(stream, b"? hello\n");
    };
    let mut first = connect();
    hello(&mut first);
    let crowd: Vec<_> = (0..60).map(|_| connect()).collect();
    // Half of the files are for clients.
    line_with(&running.stderr, |line| line.contains("too many connections"));
    hello(&mut first);
    drop(crowd);
    let deadline = Instant::now() + PATIENCE;
    while is_refused(connect()) {
        assert!(Instant::now() < deadline, "the places of those that left stay taken");
    }
    hello(&mut first);
}

#[test]
fn a_silent_client_is_closed() {
    let mut setup = Setup::default();
    setup.limits.idle_timeout = Duration::from_millis(100);
    let server = Server::start(setup);
    let mut stream = server.connect();
    stream.write_all(b"hello\nhel").unwrap();
    expect(&mut stream, b"? hello\n");
    expect_end(&mut stream);
}

#[test]
fn a_server_that_stops_answers_what_has_arrived_and_accepts_nobody() {
    let provider = SlowProvider::new();
    let mut server = Server::start(Setup { ask: provider.ask(), ..Setup::default() });
    let mut waiting = server.connect();
    waiting.write_all(b"IAMAT kiwi +34-118 1\nWHATSAT kiwi 10 5\n").unwrap();
    let at_kiwi = b"AT Goloman -1.000000000 kiwi +34-118 1\n";
    expect(&mut waiting, &at_kiwi.repeat(2));
    let mut idle = server.connect();
    idle.write_all(b"hello\n").unwrap();
    expect(&mut idle, b"? hello\n");

    server.begin_to_stop();
    expect_end(&mut idle);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(server.address).is_ok() {
        assert!(Instant::now() < deadline, "a server that stops accepts connections");
    }
    provider.answer(1);
    expect(&mut waiting, BODY);
    expect_end(&mut waiting);
    server.stop();
}

#[test]
fn a_client_that_would_wait_for_ever_does_not_keep_a_server_from_stopping() {
    let server = Server::start(Setup { ask: SlowProvider::new().ask(), ..Setup::default() });
    let mut waiting = server.connect();
    waiting.write_all(b"IAMAT kiwi +34-118 1\nWHATSAT kiwi 10 5\n").unwrap();
    expect(&mut waiting, b"AT Goloman -1.000000000 kiwi +34-118 1\n");
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_client_that_goes_on_sending_has_every_reply_when_the_server_stops() {
    // The server closed the connection with bytes of the client's still coming in: that resets it, and replies that were
    // on their way were lost. What still comes is now read and thrown away until the client closes.
    let mut server = Server::start(Setup::default());
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    writer.write_all(b"hello\n").unwrap();
    expect(&mut stream, b"? hello\n");
    writer.write_all(&b"hello\n".repeat(20_000)).unwrap();
    server.begin_to_stop();
    let writing = thread::spawn(move || while writer.write_all(b"hello\n").is_ok() {});
    let mut replied = Vec::new();
    stream.read_to_end(&mut replied).unwrap();
    // The server has gone if this machine is slow.
    let _ = stream.shutdown(Shutdown::Both);
    writing.join().unwrap();
    let replies = replied.len() / b"? hello\n".len();
    assert!(replied == b"? hello\n".repeat(replies) && replies > 0, "{} bytes", replied.len());
    server.stop();
}

#[test]
fn a_client_that_never_reads_does_not_keep_a_server_from_stopping() {
    let server = Server::start(Setup::default());
    let mut deaf = server.connect();
    let mut writer = deaf.try_clone().unwrap();
    let writing = thread::spawn(move || while writer.write_all(b"hello\n").is_ok() {});
    expect(&mut deaf, b"? hello\n");
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    writing.join().unwrap();
}
