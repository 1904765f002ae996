//! Newcomers and leavers, with the real program: servers that are in nobody's file, servers that leave for good, and two
//! that claim one name.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Stdio,
    time::Instant,
};

use crate::{
    flock::{Client, Flock},
    program::{PATIENCE, Running, finish, herd, line_with, signal},
};

const ANY: &str = "127.0.0.1:0";
const PLACE: &str = "+34.068930-118.445127";

/// A server of a herd whose file knows A alone.
struct Server {
    running: Running,
    line: SocketAddr,
    peer: SocketAddr,
    admin: SocketAddr,
}

/// The command line of `name`, listening for others at `peer` and joining by `contacts`.
fn command(folder: &Path, name: &str, peer: &str, contacts: &[SocketAddr]) -> std::process::Command {
    let file = folder.join("herd.toml");
    if !file.exists() {
        std::fs::write(&file, "name = 'h'\n[servers.A]\nlisten.line = '127.0.0.1:0'\n").unwrap();
    }
    let mut command = herd(&["serve", name, "--peer", peer, "--admin", ANY]);
    command.arg("--config").arg(file);
    for contact in contacts {
        command.args(["--join", &contact.to_string()]);
    }
    command.stdin(Stdio::null()).current_dir(folder);
    command
}

impl Server {
    fn start(folder: &Path, name: &str, peer: &str, contacts: &[SocketAddr]) -> Self {
        let running = Running::start(command(folder, name, peer, contacts));
        let address = |what: &str| -> SocketAddr {
            let prefix = format!("listening {what} ");
            line_with(&running.stdout, |line| line.starts_with(&prefix))[prefix.len()..].parse().unwrap()
        };
        let (line, peer, admin) = (address("line"), address("peer"), address("admin"));
        line_with(&running.stdout, |line| line == "ready");
        Self { running, line, peer, admin }
    }

    /// Kills it with SIGKILL and starts it where others find it again.
    fn restart(self, folder: &Path, name: &str, contacts: &[SocketAddr]) -> Self {
        let peer = self.peer.to_string();
        drop(self);
        Self::start(folder, name, &peer, contacts)
    }

    /// Ends it as an operator does: all that it was told is on disk.
    fn stop(mut self) {
        signal("TERM", &self.running.id().to_string());
        assert_eq!(self.running.exit_code(), Some(0));
    }

    /// A report of `client` that all of `others` come to know.
    fn report(&self, client: &str, others: &[&Self]) -> String {
        let said = Client::connect(self.line).iamat(client, PLACE, "1520023934");
        others.iter().for_each(|other| other.knows(client, &said));
        said
    }

    fn knows(&self, client: &str, said: &str) {
        Client::connect(self.line).wait_for(client, said);
    }
}

/// A chain A - B - C, of which the file knows A alone.
fn chain(folder: &Path) -> [Server; 3] {
    let a = Server::start(folder, "A", ANY, &[]);
    let b = Server::start(folder, "B", ANY, &[a.peer]);
    let c = Server::start(folder, "C", ANY, &[b.peer]);
    [a, b, c]
}

#[test]
fn who_joins_hears_and_is_heard_one_and_two_hops_away() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = chain(folder.path());
    assert!(a.report("kiwi", &[&b, &c]).starts_with("AT A "));
    assert!(b.report("bike", &[&a, &c]).starts_with("AT B "));
    assert!(c.report("emu", &[&b, &a]).starts_with("AT C "));
    // One more at each end, and one that has two contacts.
    let d = Server::start(folder.path(), "D", ANY, &[a.peer]);
    let e = Server::start(folder.path(), "E", ANY, &[c.peer, d.peer]);
    e.report("moa", &[&a, &b, &c, &d]);
}

#[test]
fn contacts_and_joiners_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = chain(folder.path());
    let said = c.report("emu", &[&a]);
    let a = a.restart(folder.path(), "A", &[]);
    a.knows("emu", &said);
    let b = b.restart(folder.path(), "B", &[a.peer]);
    b.knows("emu", &said);
    a.report("kiwi", &[&b, &c]);
    let c = c.restart(folder.path(), "C", &[b.peer]);
    c.knows("emu", &said);
    c.report("moa", &[&a, &b]);
}

#[test]
fn a_log_counts_what_is_older_than_its_server_and_tells_what_a_break_held_up() {
    let folder = tempfile::tempdir().unwrap();
    let a = Server::start(folder.path(), "A", ANY, &[]);
    let peer = a.peer.to_string();
    let kiwi = a.report("kiwi", &[]);
    let b = Server::start(folder.path(), "B", ANY, &[a.peer]);
    b.knows("kiwi", &kiwi);
    a.stop();
    // Where B does not look for it.
    let a = Server::start(folder.path(), "A", ANY, &[]);
    let plum = a.report("plum", &[]);
    a.stop();
    let _a = Server::start(folder.path(), "A", &peer, &[]);
    b.knows("plum", &plum);

    let told = plum.trim_end();
    let deadline = Instant::now() + PATIENCE;
    let log = loop {
        let log = std::fs::read_to_string(folder.path().join("logs/B.log")).unwrap();
        if log.contains(&format!(" ~ {told}\n")) {
            break log;
        }
        assert!(Instant::now() < deadline, "{log}");
        std::thread::yield_now();
    };
    let of_links = log.lines().filter_map(|line| line.split_once(" ~ ")).map(|(_, text)| text);
    assert_eq!(of_links.collect::<Vec<_>>(), ["(1 reports from before this server started)", told], "{log}");
}

#[test]
fn a_name_that_its_neighbour_hears_is_not_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = chain(folder.path());
    b.report("bike", &[&a, &c]);
    // Beside each other they would already quarrel about the data folder.
    let elsewhere = tempfile::tempdir().unwrap();
    for (name, contact, at) in [("B", &a, "A"), ("C", &b, "B")] {
        let mut second = Running::start(command(elsewhere.path(), name, ANY, &[contact.peer]));
        let error = line_with(&second.stderr, |line| line.starts_with("herd: "));
        let expected = format!("herd: the name {name} is taken: a server of this name is linked with {at}");
        assert_eq!(error, expected);
        assert_eq!(second.exit_code(), Some(1));
    }
    // Nor the contact's own.
    let mut second = Running::start(command(elsewhere.path(), "A", ANY, &[a.peer]));
    line_with(&second.stderr, |line| line.starts_with("herd: the name A is taken"));
    assert_eq!(second.exit_code(), Some(1));
    b.report("emu", &[&a, &c]);
}

#[test]
fn of_two_servers_with_one_name_far_apart_the_younger_ends() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, c] = chain(folder.path());
    a.report("kiwi", &[&b, &c]);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut second = Running::start(command(elsewhere.path(), "A", ANY, &[c.peer]));
    let error = line_with(&second.stderr, |line| line.starts_with("herd: "));
    let expected =
        format!("herd: the name A is taken: an older server of this name is running: peer {}", a.peer);
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(second.exit_code(), Some(1));
    a.report("emu", &[&b, &c]);
}

#[test]
fn who_leaves_is_not_missed_and_may_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, mut c] = chain(folder.path());
    let said = c.report("emu", &[&a]);
    let order = finish(&["leave", &c.admin.to_string()]);
    assert_eq!(
        (order.code, order.stdout.as_str(), order.stderr.as_str()),
        (Some(0), "C leaves the herd\n", "")
    );
    line_with(&c.running.stdout, |line| line == "left");
    assert_eq!(c.running.exit_code(), Some(0));
    assert!(folder.path().join("logs/C.log").exists());
    a.knows("emu", &said);
    let shown = || finish(&["status", &b.admin.to_string()]).stdout;
    assert!(!shown().contains("\nC "), "the edge is forgotten: {}", shown());
    let c = Server::start(folder.path(), "C", ANY, &[b.peer]);
    c.knows("emu", &said);
    c.report("moa", &[&a, &b]);
}

#[test]
fn who_left_is_dialled_no_more_although_the_file_has_the_edge() {
    let mut flock = Flock::goloman();
    let welsh = flock.peer("Welsh");
    let wilkes = flock.peer("Wilkes");
    let said = Client::connect(flock.line("Welsh")).iamat("kiwi", PLACE, "1520023934");
    flock.wait_for("Holiday", "kiwi", &said);
    assert_eq!(finish(&["leave", &flock.admin("Welsh").to_string()]).code, Some(0));
    assert_eq!(flock.exit_code("Welsh"), Some(0));
    // Wilkes, that died, is dialled by all its neighbours again and again.
    flock.kill("Wilkes");
    let [at_welsh, at_wilkes] = [welsh, wilkes].map(|address| TcpListener::bind(address).unwrap());
    let dialled: Vec<TcpStream> = at_wilkes.incoming().take(8).map(Result::unwrap).collect();
    assert_eq!(dialled.len(), 8);
    at_welsh.set_nonblocking(true).unwrap();
    assert_eq!(at_welsh.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    drop((at_welsh, at_wilkes));
    // Started again, it finds its neighbour itself.
    flock.start("Welsh");
    flock.wait_for("Welsh", "kiwi", &said);
}

#[test]
fn what_is_no_address_to_join_is_a_wrong_argument() {
    let run = finish(&["serve", "New", "--join", "12300"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("expected the peer address of a running server"), "{}", run.stderr);
}

#[test]
fn why_a_contact_is_no_contact_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let a = Server::start(folder.path(), "A", ANY, &[]);
    // A client's port is the likeliest slip of the pen; what was spent just now is nobody's.
    let nobody = TcpListener::bind(ANY).unwrap().local_addr().unwrap();
    for (name, wrong) in [("B", a.line), ("C", nobody)] {
        let joiner = Server::start(folder.path(), name, ANY, &[wrong]);
        let told = format!("no link neighbour=\"{wrong}\"");
        line_with(&joiner.running.stderr, |line| line.contains(&told));
    }
}
