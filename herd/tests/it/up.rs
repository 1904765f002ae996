//! `herd up`: what it prints, and that its processes live and die as promised.

use std::{
    fs,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::Stdio,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use crate::program::{PATIENCE, Running, finish, herd, line_with, signal};

/// A herd that is up, and the addresses it printed.
struct Herd {
    up: Running,
    servers: Vec<(String, SocketAddr)>,
    /// Where they take orders.
    admins: Vec<String>,
}

impl Herd {
    /// In `folder`, so that its logs are there.
    fn start(folder: &Path) -> Self {
        let mut command = herd(&["up", "--port-base", "0", "--demo", "10"]);
        // A group of its own, as a shell gives it: Ctrl-C goes to the whole group.
        command.current_dir(folder).process_group(0);
        let up = Running::start(command);
        let mut admins = Vec::new();
        let servers = (0..5)
            .map(|_| {
                let line = line_with(&up.stdout, |_| true);
                let fields: Vec<&str> = line.split_whitespace().collect();
                assert!(matches!(fields.as_slice(), [_, _, "peer", _, "admin", _]), "{line}");
                admins.push(fields[5].to_owned());
                (fields[0].to_owned(), fields[1].parse().unwrap())
            })
            .collect();
        Self { up, servers, admins }
    }

    /// The process of a server.
    fn process(&self, name: &str) -> u32 {
        let parent = format!("PPid:\t{}", self.up.id());
        let is_it = |id: u32| {
            let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
            read("status").lines().any(|line| line == parent)
                && read("cmdline").split('\0').any(|arg| arg == name)
        };
        let ids =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.into_iter().find(|&id| is_it(id)).unwrap()
    }

    /// One connection to each server: its end shows that the server is gone.
    fn watch(&self) -> Vec<TcpStream> {
        self.servers.iter().map(|(_, address)| TcpStream::connect(address).unwrap()).collect()
    }
}

fn wait_for_the_end_of(watched: Vec<TcpStream>) {
    for mut stream in watched {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let result = stream.read_to_end(&mut Vec::new());
        let is_gone = result
            .as_ref()
            .map_or_else(|error| error.kind() == std::io::ErrorKind::ConnectionReset, |_| true);
        assert!(is_gone, "{result:?}");
    }
}

#[test]
fn it_prints_every_server_and_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let herd = Herd::start(folder.path());
    let names: Vec<&str> = herd.servers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Goloman", "Hands", "Holiday", "Welsh", "Wilkes"]);
    let address = |index: usize| herd.servers[index].1;
    line_with(&herd.up.stdout, |line| {
        line.ends_with(&format!(
            "iamat {} kiwi.cs.ucla.edu +34.068930-118.445127 --time 1520023934.918963997",
            address(0)
        ))
    });
    line_with(&herd.up.stdout, |line| {
        line.ends_with(&format!("whatsat {} kiwi.cs.ucla.edu 10 5", address(3)))
    });
    line_with(&herd.up.stdout, |line| line.contains(&format!("send {} 'IAMAT ", address(1))));
    line_with(&herd.up.stdout, |line| line.starts_with("10 made-up clients move about"));
    let asked = format!("whatsat {} ", address(3));
    line_with(&herd.up.stdout, |line| line.contains(&asked) && line.contains(".demo "));
}

#[test]
fn its_servers_share_the_cores() {
    let folder = tempfile::tempdir().unwrap();
    let herd = Herd::start(folder.path());
    let told = fs::read_to_string(format!("/proc/{}/cmdline", herd.process("Holiday"))).unwrap();
    let threads = std::thread::available_parallelism().unwrap().get().div_ceil(5);
    assert!(told.contains(&format!("--threads\0{threads}\0")), "{told:?}");
}

#[test]
fn a_herd_in_parts_runs_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herd.toml");
    fs::write(&file, "name = 'h'\n[servers.A]\nlisten.line = '127.0.0.1:0'\n[servers.B]\n").unwrap();
    let up = Running::start(herd(&["up", "--config", file.to_str().unwrap()]));
    assert_eq!(line_with(&up.stderr, |_| true), "herd: 2 parts never hear each other: A | B");
    line_with(&up.stdout, |line| line.starts_with("A  127.0.0.1:"));
}

#[test]
fn sigterm_and_ctrl_c_stop_all_of_it() {
    for (name, group) in [("TERM", ""), ("INT", "-")] {
        let folder = tempfile::tempdir().unwrap();
        let mut herd = Herd::start(folder.path());
        let processes: Vec<u32> = herd.servers.iter().map(|(name, _)| herd.process(name)).collect();
        let asked_at = Instant::now();
        signal(name, &format!("{group}{}", herd.up.id()));
        // Nobody is taken for dead and restarted, so nothing is reported.
        assert_eq!(herd.up.stderr.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        assert_eq!(herd.up.exit_code(), Some(0));
        // Those that do not stop by themselves are killed after 4.7 s.
        assert!(asked_at.elapsed() < Duration::from_secs(4), "{:?}", asked_at.elapsed());
        for process in processes {
            assert!(!Path::new(&format!("/proc/{process}")).exists(), "{process}");
        }
    }
}

#[test]
fn a_dead_server_comes_back_at_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let herd = Herd::start(folder.path());
    for round in 0..2 {
        let before = herd.process("Welsh");
        signal("KILL", &before.to_string());
        let report = line_with(&herd.up.stderr, |line| line.starts_with("herd: Welsh died"));
        assert!(
            report.starts_with("herd: Welsh died (signal: 9 (SIGKILL)), starting it again in 0."),
            "{round}: {report}"
        );
        line_with(&herd.up.stderr, |line| line == "herd: Welsh is back");
        TcpStream::connect(herd.servers[3].1).unwrap();
        assert_ne!(herd.process("Welsh"), before);
    }
}

#[test]
fn who_leaves_is_not_started_again_and_the_last_one_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut herd = Herd::start(folder.path());
    for (admin, (name, _)) in herd.admins.iter().zip(&herd.servers) {
        assert_eq!(finish(&["leave", admin]).code, Some(0));
        let said = line_with(&herd.up.stderr, |line| line.starts_with("herd: "));
        assert_eq!(said, format!("herd: {name} has left the herd"));
    }
    assert_eq!(herd.up.exit_code(), Some(0));
}

#[test]
fn no_server_outlives_a_killed_supervisor() {
    let folder = tempfile::tempdir().unwrap();
    let herd = Herd::start(folder.path());
    let watched = herd.watch();
    signal("KILL", &herd.up.id().to_string());
    wait_for_the_end_of(watched);
}

#[test]
fn a_server_that_cannot_stop_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut herd = Herd::start(folder.path());
    let stuck = herd.process("Hands");
    signal("STOP", &stuck.to_string());
    signal("TERM", &herd.up.id().to_string());
    assert_eq!(herd.up.exit_code(), Some(0));
    assert!(!Path::new(&format!("/proc/{stuck}")).exists());
}

#[test]
fn a_server_announces_itself_and_stops_with_its_input_or_a_signal() {
    for by_signal in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = herd(&["serve", "Welsh", "--port-base", "0", "--supervised"]);
        command.stdin(Stdio::piped()).current_dir(folder.path());
        let mut serve = Running::start(command);
        for what in ["line", "peer", "admin"] {
            let line = line_with(&serve.stdout, |_| true);
            let address = line.strip_prefix(&format!("listening {what} 127.0.0.1:")).unwrap();
            assert_ne!(address.parse::<u16>().unwrap(), 0);
        }
        assert_eq!(line_with(&serve.stdout, |_| true), "ready");
        if by_signal {
            signal("TERM", &serve.id().to_string());
        } else {
            drop(serve.child.stdin.take());
        }
        assert_eq!(serve.exit_code(), Some(0));
    }
}

#[test]
fn a_taken_port_ends_it_with_the_address_and_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("herd.toml");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let text = format!(
        "name = 'h'\n[servers.A]\ntalks_with = ['B']\npeer = '{taken}'\n[servers.B]\nlisten.line = '127.0.0.1:0'\n"
    );
    fs::write(&file, text).unwrap();
    let run = finish(&["up", "--config", file.to_str().unwrap()]);
    let expected = format!(
        "herd: A: cannot listen on {taken} (peer): Address already in use (os error 98); choose other ports with --port-base N\n"
    );
    assert_eq!((run.code, run.stdout.as_str(), run.stderr), (Some(2), "", expected));
}
