//! `herd up`: the whole herd on this machine, its addresses, and what to try next.

use std::{
    env,
    future::Future,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::Context;
use herd_core::server::Name;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::{Failure, HerdArgs, check, complain, demo::Demo, serve::threads_for, stop_signal};
use crate::{
    config::{AddressOverride, Config, NearbyConfig},
    supervisor::{News, SuperviseError, supervise},
};

/// Runs the whole herd on this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    herd: HerdArgs,
    /// Moves N made-up clients about the world's cities, each reporting at most once a second
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    demo: u32,
    /// Decides the made-up clients' paths
    #[arg(long, value_name = "S", default_value_t = 1, requires = "demo")]
    seed: u64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = args.herd.load()?;
    if let Some(parts) = check::parts(&config) {
        complain(&parts);
    }
    let program = env::current_exe().context("cannot find this program's own file")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(up(args, &config, &program))
}

async fn up(args: &Args, config: &Config, program: &Path) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let signal = stop_signal()?;
    let (tx, addresses) = tokio::sync::oneshot::channel();
    let mut tx = Some(tx);
    let demo = Demo { clients: args.demo, seed: args.seed };
    let tell = |news: News<'_>| {
        if let News::Up(servers) = &news {
            // Standard output may be closed; the herd runs all the same.
            drop(io::stdout().lock().write_all(greeting(config, servers, demo).as_bytes()));
            let lines = servers.iter().filter_map(|(_, addresses)| addresses.line.map(reachable)).collect();
            drop(tx.take().map(|tx| tx.send(lines)));
        } else {
            report(&news);
        }
    };
    let threads = threads_for(config.servers.len());
    let command = |name: &Name, bound: AddressOverride| {
        let mut command = serve_command(program, &args.herd, name, bound);
        command.arg("--threads").arg(threads.to_string());
        command
    };
    let supervised = async {
        let result = supervise(config, command, tell, stop.cancelled()).await;
        stop.cancel();
        result
    };
    let ((), result, ()) = tokio::join!(cancel_on(signal, &stop), supervised, async {
        stop.run_until_cancelled(demo.run(addresses)).await.unwrap_or_default();
    },);
    result.map_err(|error| match error {
        SuperviseError::Refused(..) => Failure::Wrong(error.into()),
        SuperviseError::Unstartable(..) => Failure::AtWork(error.into()),
    })
}

async fn cancel_on(signal: impl Future<Output = ()>, stop: &CancellationToken) {
    if stop.run_until_cancelled(signal).await.is_some() {
        stop.cancel();
    }
}

/// The command line of one server; it reads the same configuration as we did.
fn serve_command(program: &Path, herd: &HerdArgs, name: &Name, bound: AddressOverride) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", name.as_str(), "--supervised"]);
    if let Some(preset) = herd.preset {
        command.args(["--preset", preset.name()]);
    }
    if let Some(file) = &herd.config {
        command.arg("--config").arg(file);
    }
    if let Some(base) = herd.port_base {
        command.arg("--port-base").arg(base.to_string());
    }
    for (option, address) in [("--line", bound.line), ("--peer", bound.peer), ("--admin", bound.admin)] {
        if let Some(address) = address {
            command.arg(option).arg(address.to_string());
        }
    }
    command
}

fn report(news: &News<'_>) {
    match news {
        News::Up(_) => {}
        News::Said(name, line) => drop(writeln!(io::stderr().lock(), "{name}: {line}")),
        News::Died(name, status, wait) => {
            complain(&format!("{name} died ({}), starting it again in {}", how(status), seconds(*wait)));
        }
        News::Back(name) => complain(&format!("{name} is back")),
        News::Left(name) => complain(&format!("{name} has left the herd")),
    }
}

fn how(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

fn seconds(wait: Duration) -> String {
    format!("{:.1} s", wait.as_secs_f64())
}

/// One line per server, then commands to try.
fn greeting(config: &Config, servers: &[(&Name, AddressOverride)], demo: Demo) -> String {
    let widest = servers.iter().map(|(name, _)| name.as_str().len()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, addresses) in servers {
        text += &format!("{:widest$}", name.as_str());
        if let Some(line) = addresses.line {
            text += &format!("  {line}");
        }
        if let Some(peer) = addresses.peer {
            text += &format!("  peer {peer}");
        }
        if let Some(admin) = addresses.admin {
            text += &format!("  admin {admin}");
        }
        text.push('\n');
    }
    let program = own_name(env::args_os().next().map(PathBuf::from), env::current_dir().ok().as_deref());
    text + &things_to_try(config, servers, demo, &program)
}

/// Commands that work as they stand: tell one server, ask the one farthest from it, talk to a third, and ask about one
/// of the made-up clients if there are any.
fn things_to_try(config: &Config, servers: &[(&Name, AddressOverride)], demo: Demo, program: &str) -> String {
    let line = |index: usize| servers.get(index).and_then(|(_, addresses)| addresses.line).map(reachable);
    let Some((first, told)) = (0..servers.len()).find_map(|index| Some((index, line(index)?))) else {
        return String::new();
    };
    let hops = config.hops_from(first);
    let farthest =
        (0..servers.len()).filter(|&i| line(i).is_some()).max_by_key(|&i| hops.get(i).copied().flatten());
    let asked = farthest.and_then(line).unwrap_or(told);
    let between = (0..servers.len()).find(|&i| i != first && Some(i) != farthest && line(i).is_some());
    let third = between.and_then(line).unwrap_or(told);
    let (question, small) = match config.nearby {
        NearbyConfig::Places(_) => ("10 5", "2 1"),
        NearbyConfig::Messages(_) => ("100 3", "5 1"),
    };
    let mut text = format!(
        "\ntry, in another terminal:\n  \
         {program} iamat {told} kiwi.cs.ucla.edu +34.068930-118.445127 --time 1520023934.918963997\n  \
         {program} whatsat {asked} kiwi.cs.ucla.edu {question}\n  \
         {program} send {third} 'IAMAT bike.example {PARIS} 1520023934.918963997' 'WHATSAT bike.example {small}'\n"
    );
    if let Some(admin) = servers.get(first).and_then(|(_, addresses)| addresses.admin) {
        text += &format!("  {program} status {admin}\n");
    }
    if let Some(somebody) = demo.somebody() {
        text += &format!(
            "\n{} made-up clients move about the world's cities; where is this one?\n  \
             {program} whatsat {asked} {somebody} {question}\n",
            demo.clients
        );
    }
    text
}

/// By the Eiffel Tower: built-in places and messages are around it.
const PARIS: &str = "+48.8584+002.2945";

/// An address as a client on this machine can use it.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

/// What the user has to type to run this program from the current folder.
fn own_name(typed: Option<PathBuf>, folder: Option<&Path>) -> String {
    let typed = typed.unwrap_or_else(|| PathBuf::from("herd"));
    let here = folder.and_then(|folder| typed.strip_prefix(folder).ok()).unwrap_or(&typed);
    let is_path = typed.components().count() > 1 || typed.has_root();
    let shown = here.strip_prefix(".").unwrap_or(here).display();
    let shown = if is_path && !here.has_root() && !here.starts_with("..") {
        format!("./{shown}")
    } else {
        shown.to_string()
    };
    let is_plain = shown.chars().all(|c| c.is_ascii_alphanumeric() || "./_-+".contains(c));
    if is_plain { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use herd_core::{command::Question, position::Location};

    use super::*;
    use crate::{
        config::{Preset, Server},
        nearby::{embedded::Embedded, messages::Messages},
    };

    #[test]
    fn the_program_is_named_as_it_can_be_typed() {
        for (typed, shown) in [
            ("herd", "herd"),
            ("./herd", "./herd"),
            ("target/release/herd", "./target/release/herd"),
            ("/home/ada/herd/target/release/herd", "./target/release/herd"),
            ("/usr/local/bin/herd", "/usr/local/bin/herd"),
            ("../herd", "../herd"),
            ("/opt/it's here/herd", r"'/opt/it'\''s here/herd'"),
        ] {
            assert_eq!(own_name(Some(typed.into()), Some(Path::new("/home/ada/herd"))), shown);
        }
    }

    fn tried(preset: Preset, demo: Demo) -> String {
        let config = preset.config().unwrap();
        let addresses = |server: &Server| {
            let &Server { line, peer, admin, .. } = server;
            AddressOverride { line, peer, admin }
        };
        let servers: Vec<_> = config.servers.iter().map(|server| (&server.name, addresses(server))).collect();
        things_to_try(&config, &servers, demo, "herd")
    }

    #[test]
    fn the_farthest_server_is_asked() {
        let text = tried(Preset::Goloman, Demo { clients: 0, seed: 1 });
        let told =
            "herd iamat 127.0.0.1:12000 kiwi.cs.ucla.edu +34.068930-118.445127 --time 1520023934.918963997\n";
        assert!(text.contains(told), "{text}");
        assert!(text.contains("herd whatsat 127.0.0.1:12003 kiwi.cs.ucla.edu 10 5\n"), "{text}");
        assert!(text.contains("herd send 127.0.0.1:12001 'IAMAT "), "{text}");
        assert!(text.contains("\n  herd status 127.0.0.1:12200\n"), "{text}");
        assert!(!text.contains("made-up"), "{text}");
    }

    #[test]
    fn made_up_clients_show() {
        let demo = Demo { clients: 7, seed: 3 };
        let text = tried(Preset::Goloman, demo);
        let asked = format!("herd whatsat 127.0.0.1:12003 {} 10 5\n", demo.somebody().unwrap());
        assert!(text.contains("7 made-up clients") && text.ends_with(&asked), "{text}");
    }

    #[tokio::test]
    async fn what_comes_along_answers_the_questions_that_are_shown() {
        for preset in [Preset::Goloman, Preset::Farmar] {
            let text = tried(preset, Demo { clients: 0, seed: 1 });
            for (location, asked) in
                [("+34.068930-118.445127", "kiwi.cs.ucla.edu "), (PARIS, "WHATSAT bike.example ")]
            {
                let question = text.rsplit_once(asked).unwrap().1;
                let (radius, rest) = question.split_once(' ').unwrap();
                let bound = rest.split(['\'', '\n']).next().unwrap();
                let question = Question { radius_km: radius.parse().unwrap(), bound: bound.parse().unwrap() };
                let position = Location::parse(location.as_bytes()).unwrap().position();
                let answer = match preset.config().unwrap().nearby {
                    NearbyConfig::Places(_) => Embedded::open(None).unwrap().answer(position, question).await,
                    NearbyConfig::Messages(_) => Messages::open(None).unwrap().answer(position, question),
                };
                let answer = String::from_utf8(answer).unwrap();
                // Of a place in Google's format, of a message in Twitter's.
                let found = answer.matches("\"vicinity\"").count() + answer.matches("\"from_user\"").count();
                assert_eq!(found.to_string(), bound, "{preset} {location}: {answer}");
            }
        }
    }
}
