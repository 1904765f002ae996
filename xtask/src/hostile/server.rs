//! Two real servers that are neighbours: the one that is attacked, and one that may be stopped.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::root;

use super::{
    apart::Apart,
    cores::{CLIENT_CORE, SERVER_CORE, Turn, on_core},
};

/// Where the servers keep their logs and tables. On a disk the kernel's own threads write them, which hold a core for
/// milliseconds before anybody else gets it, and what they do to one round or another is not the servers' doing.
const IN_MEMORY: &str = "/dev/shm";

/// Longest wait for anything that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The servers, which end with it.
pub(super) struct Herd {
    attacked: Server,
    neighbour: Server,
    folder: PathBuf,
    /// The writers of the attacked one.
    writers: Option<Apart>,
}

struct Server {
    process: Child,
    addresses: Vec<(String, SocketAddr)>,
}

impl Herd {
    pub(super) fn start(program: &Path) -> anyhow::Result<Self> {
        let memory = Path::new(IN_MEMORY);
        let folder = if memory.is_dir() { memory.to_owned() } else { root().join("target") };
        let folder = folder.join(format!("herd-hostile-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let attacked = Server::start(
            on_core(SERVER_CORE, Turn::First, program),
            "Attacked",
            &folder,
            "127.0.0.1:0".parse()?,
        )?;
        let peer = attacked.address("peer")?;
        let neighbour =
            Server::start(on_core(CLIENT_CORE, Turn::BeforeOthers, program), "Neighbour", &folder, peer)?;
        let writers = Apart::keep(attacked.process.id(), CLIENT_CORE)?;
        let herd = Self { attacked, neighbour, folder, writers: Some(writers) };
        herd.wait_for_link(true)?;
        Ok(herd)
    }

    pub(super) fn line(&self) -> SocketAddr {
        self.attacked.address("line").unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.attacked.address("peer").unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// What the attacked server has in memory.
    pub(super) fn memory_mib(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.attacked.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }

    /// Stops the neighbour as a debugger does: its sockets stay open. Says when.
    pub(super) fn stop_neighbour(&mut self) -> anyhow::Result<Instant> {
        self.neighbour.signal("STOP")?;
        Ok(Instant::now())
    }

    pub(super) fn wait_until_noticed(&self, stopped: Instant) -> anyhow::Result<Duration> {
        self.wait_for_link(false)?;
        Ok(stopped.elapsed())
    }

    pub(super) fn wake_neighbour(&mut self) -> anyhow::Result<()> {
        self.neighbour.signal("CONT")?;
        self.wait_for_link(true)
    }

    fn wait_for_link(&self, is_up: bool) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let mut operator = TcpStream::connect(self.attacked.address("admin")?)?;
            operator.write_all(b"status\n")?;
            let mut status = String::new();
            BufReader::new(operator).read_line(&mut status)?;
            if status.contains("\"state\":\"down\"") != is_up {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("the neighbour is not {}", if is_up { "linked" } else { "given up" });
    }
}

impl Server {
    fn start(mut command: Command, name: &str, folder: &Path, peer: SocketAddr) -> anyhow::Result<Self> {
        let file = folder.join(format!("{name}.toml"));
        let addresses = "line = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"";
        let text = format!(
            "name = \"hostile\"\n[servers.Attacked]\ntalks_with = [\"Neighbour\"]\npeer = \"{peer}\"\n\
             [servers.Attacked.listen]\n{addresses}\n[servers.Neighbour.listen]\n{addresses}\n"
        );
        fs::write(&file, text)?;
        // A supervised server ends when its standard input does, that is with us.
        command.args(["serve", name, "--supervised", "--config"]).arg(&file);
        let log = fs::File::create(folder.join(format!("{name}.err")))?;
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let out = process.stdout.take().context("no output to read")?;
        let mut addresses = Vec::new();
        for line in BufReader::new(out).lines() {
            let line = line?;
            let mut words = line.split_whitespace().rev();
            match (words.next().and_then(|word| word.parse().ok()), words.next()) {
                (Some(address), Some(what)) => addresses.push((what.to_owned(), address)),
                _ => break,
            }
        }
        Ok(Self { process, addresses })
    }

    fn address(&self, what: &str) -> anyhow::Result<SocketAddr> {
        let found = self.addresses.iter().find(|(known, _)| known == what);
        found.map(|(_, address)| *address).with_context(|| format!("the server says no {what} address"))
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let number = self.process.id().to_string();
        let status =
            Command::new("kill").args(["-s", signal, &number]).status().context("cannot start kill")?;
        if status.success() { Ok(()) } else { bail!("kill -s {signal} {number}: {status}") }
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        // First, or it would look after whoever is given the number next.
        self.writers = None;
        for server in [&mut self.attacked, &mut self.neighbour] {
            let _ = server.process.kill();
            let _ = server.process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
