//! What is on disk when the program is killed, when there is no room, and when somebody else wants it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use rlimit::{Resource, prlimit};

use crate::{
    flock::{Client, Flock, SERVERS},
    program::{PATIENCE, Running, finish, line_with},
};

/// What the promise leaves to the last moment.
const WRITTEN_AFTER: Duration = Duration::from_millis(100);

/// One server of its own, with what its folder has.
struct Server {
    running: Running,
    line: SocketAddr,
}

/// Writes down the configuration of one server and starts it.
fn start(folder: &Path, durability: &str) -> Server {
    let text = format!(
        "name = 'h'\ndurability = '{durability}'\n[servers.A]\nlisten.line = '127.0.0.1:0'\n[traffic]\nenabled = false\n"
    );
    fs::write(folder.join("herd.toml"), text).unwrap();
    // Without this the system ends a process that meets its bound on files, where a disk without room only refuses.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" serve A --config herd.toml", env!("CARGO_BIN_EXE_herd")]);
    command.current_dir(folder).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = Running::start(command);
    let line = line_with(&running.stdout, |line| line.starts_with("listening line "));
    let line = line["listening line ".len()..].parse().unwrap();
    line_with(&running.stdout, |line| line == "ready");
    Server { running, line }
}

impl Server {
    /// Lets no file grow beyond `bytes`; or lets them, again.
    fn limit_files(&self, bytes: Option<u64>) {
        let pid = i32::try_from(self.running.id()).unwrap();
        prlimit(pid, Resource::FSIZE, Some((bytes.unwrap_or(rlimit::INFINITY), rlimit::INFINITY)), None)
            .unwrap();
    }

    fn complaint(&self, text: &str) {
        line_with(&self.running.stderr, |line| line.contains(text));
    }
}

/// A reply to a report, and when it came.
struct Acknowledged {
    line: String,
    at: Instant,
}

fn client_of(line: &str) -> &str {
    line.split(' ').nth(3).unwrap()
}

/// Reports of new clients, one after the other, until the server is gone: what was acknowledged.
fn report_until_the_end(server: SocketAddr, prefix: &str, each: impl Fn()) -> Vec<Acknowledged> {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let report = format!("IAMAT {prefix}-{number} +34.068930-118.445127 {number}\n");
        let mut line = String::new();
        let sent = reader.get_mut().write_all(report.as_bytes());
        if sent.and_then(|()| reader.read_line(&mut line)).is_err() || line.pop() != Some('\n') {
            break;
        }
        acknowledged.push(Acknowledged { line, at: Instant::now() });
        each();
    }
    acknowledged
}

fn kill(pids: &[u32]) {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    assert!(Command::new("kill").arg("-KILL").args(pids).status().unwrap().success());
}

/// Those that the server at `line` does not know as they were acknowledged.
fn lost(line: SocketAddr, acknowledged: &[Acknowledged]) -> Vec<&Acknowledged> {
    let mut client = Client::connect(line);
    acknowledged.iter().filter(|one| client.at_line(client_of(&one.line)) != one.line).collect()
}

#[test]
fn what_was_acknowledged_100_ms_before_a_kill_of_all_five_is_there() {
    let mut flock = Flock::goloman();
    let (tx, rx) = channel();
    let (acknowledged, killed_at) = thread::scope(|scope| {
        let senders: Vec<_> = SERVERS
            .into_iter()
            .map(|name| {
                let (line, tx) = (flock.line(name), tx.clone());
                scope.spawn(move || report_until_the_end(line, name, || tx.send(()).unwrap()))
            })
            .collect();
        // So many that syncs, and writing while one goes on, lie behind all servers.
        assert_eq!(rx.iter().take(6000).count(), 6000);
        let pids: Vec<_> = SERVERS.into_iter().map(|name| flock.id(name)).collect();
        let killed_at = Instant::now();
        kill(&pids);
        (senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>(), killed_at)
    });
    SERVERS.iter().for_each(|name| flock.kill(name));
    for (name, acknowledged) in SERVERS.into_iter().zip(&acknowledged) {
        // Alone: what it knows, it has from its own disk.
        flock.start(name);
        for one in lost(flock.line(name), acknowledged) {
            let age = killed_at.duration_since(one.at);
            assert!(age < WRITTEN_AFTER, "{name}: {} was acknowledged {age:?} before the kill", one.line);
        }
        flock.kill(name);
    }
}

#[test]
fn with_fsync_all_that_was_acknowledged_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "fsync");
    let (tx, rx) = channel();
    let mut acknowledged = thread::scope(|scope| {
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let (line, tx) = (server.line, tx.clone());
                scope
                    .spawn(move || report_until_the_end(line, &format!("s{sender}"), || tx.send(()).unwrap()))
            })
            .collect();
        assert_eq!(rx.iter().take(400).count(), 400);
        kill(&[server.running.id()]);
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
    });
    let server = start(folder.path(), "fsync");
    assert_eq!(lost(server.line, &acknowledged).len(), 0, "of {}", acknowledged.len());

    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.set_read_timeout(Some(PATIENCE)).unwrap();
    datagrams.send_to(b"IAMAT udp +34-118 1\nIAMAT s0-0 +34-118 0\n", server.line).unwrap();
    let mut reply = [0; 512];
    let bytes = datagrams.recv(&mut reply).unwrap();
    kill(&[server.running.id()]);
    let lines = String::from_utf8(reply[..bytes].to_vec()).unwrap();
    let line = lines.lines().next().unwrap().to_owned();
    acknowledged.push(Acknowledged { line, at: Instant::now() });
    let server = start(folder.path(), "fsync");
    let missing = lost(server.line, &acknowledged);
    // The second line of the datagram was later in its time of receipt, so it took the place of what was there.
    assert_eq!(missing.iter().map(|one| client_of(&one.line)).collect::<Vec<_>>(), ["s0-0"]);
}

/// Reports until the server complains that it cannot write; says what was acknowledged by then and after.
fn report_until_full(server: &Server) -> Vec<String> {
    let mut client = Client::connect(server.line);
    let mut acknowledged = Vec::new();
    let began = Instant::now();
    loop {
        acknowledged.push(client.iamat(&format!("c{}", acknowledged.len()), "+34-118", "1"));
        match server.running.stderr.try_recv() {
            Ok(line) => {
                assert!(line.contains("reports cannot be written to disk; serving goes on"), "{line}");
                break;
            }
            Err(_) => assert!(began.elapsed() < PATIENCE, "no complaint"),
        }
    }
    for _ in 0..10 {
        acknowledged.push(client.iamat(&format!("c{}", acknowledged.len()), "+34-118", "1"));
    }
    assert_eq!(client.at_line("c0"), acknowledged[0]);
    acknowledged
}

#[test]
fn a_full_disk_stops_nothing_and_is_written_to_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "write-behind");
    let wal = fs::metadata(folder.path().join("herd-data/A/reports/store.db-wal")).unwrap().len();
    server.limit_files(Some(wal + 64 * 1024));
    let acknowledged = report_until_full(&server);
    server.limit_files(None);
    server.complaint("reports are written to disk again");
    kill(&[server.running.id()]);
    let server = start(folder.path(), "write-behind");
    let mut client = Client::connect(server.line);
    for line in acknowledged {
        assert_eq!(client.at_line(client_of(&line)), line);
    }
}

#[test]
fn with_fsync_replies_wait_for_room_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "fsync");
    let mut client = Client::connect(server.line);
    let known = client.iamat("before", "+34-118", "1");
    server.limit_files(Some(1));
    client.send(b"IAMAT waits +34-118 1\n");
    server.complaint("reports cannot be written to disk");
    // The report counts, but nobody was told that it is safe.
    let mut other = Client::connect(server.line);
    assert_eq!(other.at_line("before"), known);
    let seen = other.at_line("waits");
    assert!(seen.starts_with("AT A "), "{seen}");
    server.limit_files(None);
    assert_eq!(client.line(), seen);
    kill(&[server.running.id()]);
    let server = start(folder.path(), "fsync");
    assert_eq!(Client::connect(server.line).at_line("waits"), seen);
}

#[test]
fn a_second_process_on_a_data_folder_is_refused_and_memory_alone_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path(), "write-behind");
    let config = folder.path().join("herd.toml");
    let second = finish(&["serve", "A", "--config", config.to_str().unwrap()]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(2), ""));
    let expected = "herd: another process uses this data folder; does this server run already? ";
    assert!(second.stderr.starts_with(expected), "{}", second.stderr);
    let said = Client::connect(first.line).iamat("kiwi", "+34-118", "1");

    let memory = start(folder.path(), "none");
    assert_eq!(Client::connect(memory.line).at_line("kiwi"), "? WHATSAT kiwi 1 0");
    assert_eq!(Client::connect(first.line).at_line("kiwi"), said);
}

#[test]
fn a_folder_of_another_herd_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(start(folder.path(), "write-behind"));
    let config = folder.path().join("other.toml");
    fs::write(&config, "name = 'other'\n[servers.A]\nlisten.line = '127.0.0.1:0'\n").unwrap();
    let refused = finish(&["serve", "A", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2));
    let expected = "herd: this data folder belongs to server A of herd h, not to server A of herd other: ";
    assert!(refused.stderr.starts_with(expected), "{}", refused.stderr);
}

#[test]
fn what_a_server_that_stops_in_order_was_told_last_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), "write-behind");
    let said = Client::connect(server.line).iamat("kiwi", "+34-118", "1");
    assert!(Command::new("kill").arg(server.running.id().to_string()).status().unwrap().success());
    assert_eq!(server.running.exit_code(), Some(0));
    assert!(server.running.stderr.try_recv().is_err(), "nothing to complain about");
    let server = start(folder.path(), "write-behind");
    assert_eq!(Client::connect(server.line).at_line("kiwi"), said);
}
