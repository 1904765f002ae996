//! Our own servers in the settings that are measured: alone, five as they ship.
//!
//! Each setting is a configuration in `target/bench`; what it does not say is as it comes, but that nothing is written
//! to a disk unless said.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::{
    contender::{Server, program, workshop},
    process::{Core, Process},
};
use crate::root;

/// The binary that is measured.
pub(super) fn herd(arguments: &[&str]) -> Command {
    program(&root().join("target/release/herd").to_string_lossy(), arguments)
}

/// What a server writes to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    Nothing,
    /// The traffic log.
    Log,
    /// That and the table, as it comes.
    LogAndTable,
}

/// A server without neighbours.
///
/// # Errors
/// It does not start.
pub(super) fn solo(keeps: Keeps) -> anyhow::Result<Server> {
    let name = match keeps {
        Keeps::Nothing => "silent",
        Keeps::Log => "logging",
        Keeps::LogAndTable => "storing",
    };
    solo_called(name, keeps)
}

/// The same in a folder of this name, for several that run at once.
///
/// # Errors
/// It does not start.
pub(super) fn solo_called(name: &str, keeps: Keeps) -> anyhow::Result<Server> {
    let file = configuration(name, "[servers.Solo]\nlisten.line = \"127.0.0.1:0\"\n", keeps)?;
    serve("Solo", &file, Core::Server).map(|(server, _)| server)
}

/// A server without neighbours that answers from an index of places.
///
/// # Errors
/// It does not start.
pub(super) fn with_places(index: &Path, core: Core) -> anyhow::Result<Server> {
    let servers = format!(
        "[servers.Solo]\nlisten.line = \"127.0.0.1:0\"\n[places]\nprovider = \"embedded\"\nindex = \"{}\"\n",
        index.display()
    );
    serve("Solo", &configuration("with-places", &servers, Keeps::Nothing)?, core).map(|(server, _)| server)
}

/// A server without neighbours that asks a service of places at this address, as often as it likes.
///
/// # Errors
/// It does not start.
pub(super) fn with_provider(provider: SocketAddr) -> anyhow::Result<Server> {
    let servers = format!(
        "[servers.Solo]\nlisten.line = \"127.0.0.1:0\"\n[places]\nprovider = \"google\"\napi_key = \"made-up-and-asked-by-nobody\"\n\
         base_url = \"http://{provider}\"\nrequests_per_second = 10000\nrequests_per_day = 1000000000\n"
    );
    let file = configuration("with-provider", &servers, Keeps::Nothing)?;
    serve("Solo", &file, Core::Server).map(|(server, _)| server)
}

/// A server that has `Tap` for a neighbour, and where that may connect.
///
/// # Errors
/// It does not start.
pub(super) fn with_tap() -> anyhow::Result<(Server, SocketAddr)> {
    let servers = "[servers.Solo]\nlisten.line = \"127.0.0.1:0\"\npeer = \"127.0.0.1:0\"\n\
                   talks_with = [\"Tap\"]\n[servers.Tap]\n";
    let (server, peer) = serve("Solo", &configuration("with-tap", servers, Keeps::Nothing)?, Core::Server)?;
    Ok((server, peer.context("a server without an address for neighbours")?))
}

/// Five servers as the default preset has them, each report given to the first.
#[derive(Debug)]
pub(super) struct Five {
    supervisor: Process,
    /// Where clients connect, in the order of the preset.
    pub(super) addresses: Vec<SocketAddr>,
}

impl Five {
    /// # Errors
    /// They do not start.
    pub(super) fn start() -> anyhow::Result<Self> {
        let preset = fs::read_to_string(root().join("herds/goloman.toml")).context("no default preset")?;
        let file = workshop()?.join("five.toml");
        fs::write(&file, format!("durability = \"none\"\n{preset}\n[traffic]\nenabled = false\n"))?;
        let command = herd(&["up", "--config", &file.to_string_lossy(), "--port-base", "0"]);
        let mut supervisor = Process::start("herd up", &command, Core::Any)?;
        let servers = preset.lines().filter(|line| line.starts_with("[servers.")).count();
        // `Goloman  127.0.0.1:12000  peer ...`
        let address = |line: &str| line.split_whitespace().nth(1)?.parse().ok();
        let addresses =
            (0..servers).map(|_| supervisor.announced(address)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { supervisor, addresses })
    }

    /// The ids of the servers.
    ///
    /// # Errors
    /// They ended.
    pub(super) fn ids(&self) -> anyhow::Result<Vec<u32>> {
        self.supervisor.children()
    }
}

/// The configuration of a herd with these `servers`, in a folder that is called `name`.
///
/// # Errors
/// It cannot be written.
pub(super) fn configuration(name: &str, servers: &str, keeps: Keeps) -> anyhow::Result<PathBuf> {
    let folder = workshop()?.join(name);
    // Nothing of an earlier run is to be found again.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let file = folder.join("herd.toml");
    let durability = if keeps == Keeps::LogAndTable { "write-behind" } else { "none" };
    let logs = keeps != Keeps::Nothing;
    let text =
        format!("name = \"bench\"\ndurability = \"{durability}\"\n{servers}[traffic]\nenabled = {logs}\n");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// A server, and where neighbours find it if it has such an address.
///
/// # Errors
/// It does not start.
pub(super) fn serve(name: &str, file: &Path, core: Core) -> anyhow::Result<(Server, Option<SocketAddr>)> {
    serve_with(name, file, core, &[])
}

/// The same with more `options`.
///
/// # Errors
/// It does not start.
pub(super) fn serve_with(
    name: &str,
    file: &Path,
    core: Core,
    options: &[&str],
) -> anyhow::Result<(Server, Option<SocketAddr>)> {
    let command = herd(&[&["serve", name, "--config", &file.to_string_lossy()], options].concat());
    let mut process = Process::start("herd", &command, core)?;
    let (mut line, mut peer) = (None, None);
    process.announced(|text| {
        // `listening line 127.0.0.1:12000`, ..., `ready`
        let mut words = text.split(' ').skip(1);
        match (words.next(), words.next().and_then(|address| address.parse().ok())) {
            (Some("line"), address) => line = address,
            (Some("peer"), address) => peer = address,
            _ => {}
        }
        (text == "ready").then_some(())
    })?;
    let address = line.context("a server without an address for clients")?;
    Ok((Server { process, address }, peer))
}
