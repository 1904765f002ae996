//! A herd of real `serve` processes whose supervisor is the test: who is killed stays dead until the test says so.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{ChildStdin, Stdio},
    time::Instant,
};

use crate::program::{PATIENCE, Running, finish, herd, line_with};

/// The servers of the preset `goloman`, and who talks with whom.
pub(crate) const SERVERS: [&str; 5] = ["Goloman", "Hands", "Holiday", "Welsh", "Wilkes"];
const PRESET: &str = include_str!("../../../herds/goloman.toml");
const EDGES: [(&str, &str); 6] = [
    ("Goloman", "Hands"),
    ("Goloman", "Holiday"),
    ("Goloman", "Wilkes"),
    ("Hands", "Wilkes"),
    ("Holiday", "Welsh"),
    ("Holiday", "Wilkes"),
];

pub(crate) struct Flock {
    folder: tempfile::TempDir,
    args: Vec<String>,
    servers: BTreeMap<&'static str, Server>,
}

struct Server {
    running: Running,
    instructions: ChildStdin,
    line: SocketAddr,
    peer: SocketAddr,
    admin: SocketAddr,
}

impl Flock {
    /// All servers of the preset, on free ports.
    pub(crate) fn goloman() -> Self {
        let mut flock =
            Self { folder: tempfile::tempdir().unwrap(), args: Vec::new(), servers: BTreeMap::new() };
        SERVERS.iter().for_each(|name| flock.start(name));
        flock
    }

    /// The same herd with certificates from `herd cert` in the folder `certs`; nobody is started.
    pub(crate) fn sealed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("plain.toml"), PRESET).unwrap();
        let made = finish(&["cert", "--config", &path("plain.toml"), "--out", &path("certs")]);
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
        let (_, section) = made.stdout.split_once("\n\n[tls]\n").unwrap();
        std::fs::write(path("tls.toml"), format!("{PRESET}\n[tls]\n{section}")).unwrap();
        let args = vec!["--config".to_owned(), path("tls.toml")];
        Self { folder, args, servers: BTreeMap::new() }
    }

    /// Where everything of this herd is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Servers that are started from now on read this file of the folder.
    pub(crate) fn configure(&mut self, file: &str) {
        let path = self.folder.path().join(file).to_str().unwrap().to_owned();
        self.args = vec!["--config".to_owned(), path];
    }

    /// Tells a server something as its supervisor.
    pub(crate) fn instruct(&mut self, name: &str, line: &str) {
        self.servers.get_mut(name).unwrap().instructions.write_all(line.as_bytes()).unwrap();
    }

    /// Has a dead server know nothing when it comes back.
    pub(crate) fn forget(&self, name: &str) {
        std::fs::remove_dir_all(self.data(name)).unwrap();
    }

    /// The data folder of a server.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("herd-data").join(name)
    }

    /// Starts a server, with what its disk has, and tells everybody where it is.
    pub(crate) fn start(&mut self, name: &'static str) {
        let mut args = vec!["serve", name, "--port-base", "0", "--supervised"];
        args.extend(self.args.iter().map(String::as_str));
        let mut command = herd(&args);
        command.stdin(Stdio::piped()).current_dir(self.folder.path());
        let mut running = Running::start(command);
        let instructions = running.child.stdin.take().unwrap();
        let address = |what: &str| -> SocketAddr {
            let line = line_with(&running.stdout, |_| true);
            line.strip_prefix(&format!("listening {what} ")).unwrap().parse().unwrap()
        };
        let (line, peer, admin) = (address("line"), address("peer"), address("admin"));
        self.servers.insert(name, Server { running, instructions, line, peer, admin });
        self.tell_roster();
    }

    /// Kills a server with SIGKILL.
    pub(crate) fn kill(&mut self, name: &str) {
        drop(self.servers.remove(name).unwrap());
    }

    /// Who lives.
    pub(crate) fn alive(&self) -> Vec<&'static str> {
        self.servers.keys().copied().collect()
    }

    pub(crate) fn id(&self, name: &str) -> u32 {
        self.servers[name].running.id()
    }

    pub(crate) fn line(&self, name: &str) -> SocketAddr {
        self.servers[name].line
    }

    pub(crate) fn peer(&self, name: &str) -> SocketAddr {
        self.servers[name].peer
    }

    pub(crate) fn admin(&self, name: &str) -> SocketAddr {
        self.servers[name].admin
    }

    /// The next line of a server's diagnostics that holds `text`.
    pub(crate) fn complaint(&self, name: &str, text: &str) -> String {
        line_with(&self.servers[name].running.stderr, |line| line.contains(text))
    }

    /// The traffic log of a server.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(format!("{name}.log"))
    }

    /// The servers that `name` can reach over edges between the living, itself included.
    pub(crate) fn reachable(&self, name: &'static str) -> Vec<&'static str> {
        let (mut seen, mut next) = (vec![name], VecDeque::from([name]));
        while let Some(here) = next.pop_front() {
            for (a, b) in EDGES {
                for (from, to) in [(a, b), (b, a)] {
                    if from == here && self.servers.contains_key(to) && !seen.contains(&to) {
                        seen.push(to);
                        next.push_back(to);
                    }
                }
            }
        }
        seen
    }

    /// Asks `name` about `client` until the AT line is `expected`.
    pub(crate) fn wait_for(&self, name: &str, client: &str, expected: &str) {
        Client::connect(self.line(name)).wait_for(client, expected);
    }

    /// Waits for a server that is to end by itself; its exit code.
    pub(crate) fn exit_code(&mut self, name: &str) -> Option<i32> {
        self.servers.remove(name).unwrap().running.exit_code()
    }

    fn tell_roster(&mut self) {
        let roster: Vec<String> =
            self.servers.iter().map(|(name, server)| format!("peer {name} {}\n", server.peer)).collect();
        for server in self.servers.values_mut() {
            server.instructions.write_all(roster.concat().as_bytes()).unwrap();
        }
    }
}

/// A client's connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// The next line of a reply, without its LF.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert_eq!(line.pop(), Some('\n'), "a whole line");
        line
    }

    /// Reports and returns the AT line.
    pub(crate) fn iamat(&mut self, client: &str, location: &str, time: &str) -> String {
        self.send(format!("IAMAT {client} {location} {time}\n").as_bytes());
        self.line()
    }

    /// Asks about `client` until the AT line is `expected`.
    pub(crate) fn wait_for(&mut self, client: &str, expected: &str) {
        let began = Instant::now();
        loop {
            let answer = self.at_line(client);
            if answer == expected {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{answer:?}, not {expected:?}");
        }
    }

    /// The AT line of a client, or the refusal.
    pub(crate) fn at_line(&mut self, client: &str) -> String {
        self.send(format!("WHATSAT {client} 1 0\n").as_bytes());
        let first = self.line();
        if first.starts_with("AT ") {
            // The body of zero places ends with an empty line.
            while !self.line().is_empty() {}
        }
        first
    }

    /// Everything until the server closes, after closing our half.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        self.reader.get_mut().shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap();
        rest
    }
}
