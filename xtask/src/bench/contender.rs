//! Who is measured: how each is built, started and asked for its address, or why it is absent.
//!
//! One more contender: one variant, one arm in each `match`.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use super::{
    herds::{self, Keeps},
    process::{Core, Process},
};
use crate::root;

/// A server, or the same server in another setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// Copies input to output: the floor.
    Echo,
    /// Ours, in memory only.
    Herd,
    /// Ours, with its traffic log.
    HerdLogging,
    /// Ours, as it comes: with its table on disk, too.
    HerdStoring,
    /// `SET client "location time"`.
    RedisSet,
    /// `GEOADD` at places all over the world.
    RedisGeoadd,
    Asyncio,
    Twisted,
    Node,
    Java,
}

/// Why a contender cannot run here.
pub(super) type Absence = String;

impl Contender {
    /// In the order of the tables.
    pub(super) const ALL: [Self; 10] = [
        Self::Echo,
        Self::Herd,
        Self::HerdLogging,
        Self::HerdStoring,
        Self::RedisSet,
        Self::RedisGeoadd,
        Self::Asyncio,
        Self::Twisted,
        Self::Node,
        Self::Java,
    ];

    /// As `--only` wants it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Herd => "herd",
            Self::HerdLogging => "herd-log",
            Self::HerdStoring => "herd-disk",
            Self::RedisSet => "redis-set",
            Self::RedisGeoadd => "redis-geoadd",
            Self::Asyncio => "asyncio",
            Self::Twisted => "twisted",
            Self::Node => "node",
            Self::Java => "java",
        }
    }

    /// For a table.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Echo => "echo (the floor)",
            Self::Herd => "**herd**, log off",
            Self::HerdLogging => "**herd**, log on",
            Self::HerdStoring => "**herd**, log on, table on disk",
            Self::RedisSet => "Redis SET",
            Self::RedisGeoadd => "Redis GEOADD",
            Self::Asyncio => "Python asyncio streams",
            Self::Twisted => "Python Twisted",
            Self::Node => "Node.js",
            Self::Java => "Java",
        }
    }

    /// What it is to be asked, in the generator's words.
    pub(super) const fn language(self) -> &'static str {
        match self {
            Self::RedisSet => "set",
            Self::RedisGeoadd => "geoadd",
            Self::Echo
            | Self::Herd
            | Self::HerdLogging
            | Self::HerdStoring
            | Self::Asyncio
            | Self::Twisted
            | Self::Node
            | Self::Java => "iamat",
        }
    }

    /// Makes ready whatever is not part of the workspace's build: compiles, or installs into `target/`.
    ///
    /// # Errors
    /// What is there does not work. What is not there is an [`Absence`].
    pub(super) fn prepare(self) -> anyhow::Result<Result<(), Absence>> {
        let needed: &[&str] = match self {
            Self::Echo | Self::Herd | Self::HerdLogging | Self::HerdStoring => &[],
            Self::RedisSet | Self::RedisGeoadd => &["redis-server"],
            Self::Asyncio | Self::Twisted => &["python3"],
            Self::Node => &["node"],
            Self::Java => &["java", "javac"],
        };
        if let Some(missing) = needed.iter().find(|program| !is_installed(program)) {
            return Ok(Err(format!("no {missing} on this machine")));
        }
        if self == Self::Java {
            compile_java()?;
        }
        Ok(if self == Self::Twisted { install_twisted() } else { Ok(()) })
    }

    /// Starts it as `name` on a free port; a baseline tells the `neighbours` what it hears.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn start(self, name: &str, neighbours: &[SocketAddr]) -> anyhow::Result<Server> {
        let mut command = match self {
            Self::Echo => rig(&["echo"]),
            Self::Herd => return herds::solo(Keeps::Nothing),
            Self::HerdLogging => return herds::solo(Keeps::Log),
            Self::HerdStoring => return herds::solo(Keeps::LogAndTable),
            Self::RedisSet | Self::RedisGeoadd => return redis(self.name(), &[]),
            Self::Asyncio => program("python3", &["bench/asyncio/herd.py"]),
            Self::Twisted => program(&python_of_twisted().to_string_lossy(), &["bench/twisted/herd.py"]),
            Self::Node => program("node", &["bench/node/herd.js"]),
            Self::Java => program("java", &["-classpath", "target/bench/java", "Herd"]),
        };
        if self != Self::Echo {
            command.args([name, "0"]).args(neighbours.iter().map(|address| address.port().to_string()));
        }
        let mut process = Process::start(self.name(), &command, Core::Server)?;
        let address = process.announced(|line| line.rsplit(' ').next()?.parse().ok())?;
        Ok(Server { process, address })
    }
}

/// A contender that runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
}

/// A command of the rig, built by `cargo xtask bench` itself.
pub(super) fn rig(arguments: &[&str]) -> Command {
    program(&root().join("target/release/rig").to_string_lossy(), arguments)
}

/// Where a run leaves configurations, logs and what it compiled.
pub(super) fn workshop() -> anyhow::Result<PathBuf> {
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A command in the root of the workspace.
pub(super) fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// Whether there is a program of this name to be started.
pub(super) fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Redis without persistence; what is called `name` has a folder of that name.
///
/// # Errors
/// It does not start.
pub(super) fn redis(name: &str, more: &[&str]) -> anyhow::Result<Server> {
    let port = free_port()?.to_string();
    // A folder of its own: a replica leaves its primary's table there, and the next one would begin with that.
    let folder = workshop()?.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir(&folder)?;
    let quiet = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", &port];
    let command =
        program("redis-server", &[&quiet[..], &["--dir", &folder.to_string_lossy()], more].concat());
    let mut process = Process::start("redis-server", &command, Core::Server)?;
    let ready = if more.is_empty() { "Ready to accept connections" } else { "Finished with success" };
    process.announced(|line| line.contains(ready).then_some(()))?;
    Ok(Server { process, address: format!("127.0.0.1:{port}").parse()? })
}

/// A port for a server that cannot be told to take any: it was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?.port())
}

fn python_of_twisted() -> PathBuf {
    root().join("target/bench/venv/bin/python")
}

/// Whether Twisted was installed by an earlier run.
#[cfg(test)]
pub(super) fn has_twisted() -> bool {
    python_of_twisted().exists()
}

/// Twisted in a virtual environment of its own; absent if there is no way to get it.
fn install_twisted() -> Result<(), Absence> {
    if python_of_twisted().exists() {
        return Ok(());
    }
    let steps = [
        program("python3", &["-m", "venv", "target/bench/venv"]),
        program(
            "target/bench/venv/bin/pip",
            &["install", "--quiet", "--requirement", "bench/twisted/requirements.txt"],
        ),
    ];
    for mut step in steps {
        if !step.current_dir(root()).status().is_ok_and(|status| status.success()) {
            // Half an environment would look like a whole one next time.
            drop(fs::remove_dir_all(root().join("target/bench/venv")));
            return Err("Twisted cannot be installed into a virtual environment".to_owned());
        }
    }
    Ok(())
}

fn compile_java() -> anyhow::Result<()> {
    let classes = workshop()?.join("java");
    let source = root().join("bench/java/Herd.java");
    let is_fresh = |class: &Path| Some(modified(class)? >= modified(&source)?);
    if is_fresh(&classes.join("Herd.class")) == Some(true) {
        return Ok(());
    }
    let mut javac = program("javac", &["-d"]);
    let status = javac.arg(&classes).arg(&source).status().context("cannot start javac")?;
    if !status.success() {
        bail!("javac: {status}");
    }
    Ok(())
}

fn modified(file: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}
