//! The command line: one file per command. Only here, and in `main`, is anything printed or the exit code chosen.
//!
//! 0: done. 1: failed at work. 2: wrong arguments or configuration.

use std::{
    future::Future,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use self::output::output;
use crate::config::{Config, ConfigError, Preset};

mod up;
mod demo;
mod serve;
mod client;
mod check;
mod drawing;
mod cert;
mod places;
mod order;
mod output;
mod status;
mod load;

/// The end of `herd --help`.
const GOOD_TO_KNOW: &str = "\
Ports:        the i-th server (from 0) of a preset takes clients on 12000 + i, orders
              on 12200 + i, neighbours on 12300 + i; --port-base N starts elsewhere
Exit codes:   0 done; 1 failed at work; 2 wrong arguments or configuration, or
              a taken port
Traffic logs: SERVER.log in the log_dir of the configuration; presets: logs/,
              riley logs/riley/ and bailey logs/bailey/
Diagnostics:  on standard error; RUST_LOG=info says more, RUST_LOG=herd=debug
              much more
Tables:       herd-data/SERVER, or SERVER in the data_dir of the configuration; presets:
              riley herd-data/riley/ and bailey herd-data/bailey/
Docs:         README.md; docs/: configuration.md, protocol.md, members.md, security.md,
              storage.md, replication.md, reliability.md, status.md, log.md, nearby.md,
              places.md, load.md, performance.md";

/// A herd of application servers for live locations
#[derive(Debug, Parser)]
#[command(name = "herd", version, arg_required_else_help = true, after_help = GOOD_TO_KNOW)]
enum Command {
    /// Runs the whole herd on this machine, one supervised process per server
    Up(up::Args),
    /// Runs one server
    Serve(serve::Args),
    /// Tells a server where a client is
    Iamat(client::IamatArgs),
    /// Asks a server what is near a client
    Whatsat(client::WhatsatArgs),
    /// Sends lines to a server and prints the replies
    Send(client::SendArgs),
    /// Reads a configuration, draws the herd and names its weak points
    Check(check::Args),
    /// Makes certificates for the links of a herd, and a CA for development
    Cert(cert::Args),
    /// Makes place indexes; stops and resumes the provider of a running server
    Places(places::PlacesArgs),
    /// Shows how a running server stands with its neighbours
    Status(status::Args),
    /// Takes a server out of its herd for good: its reports stay, nobody dials it any more until it is started again
    Leave(order::OrderArgs),
    /// Loads servers with requests and measures what they make of them
    Load(load::Args),
    /// Prints the effective configuration, without secrets
    Config(HerdArgs),
}

/// Which herd is meant.
#[derive(Clone, Debug, clap::Args)]
struct HerdArgs {
    /// A herd that ships: goloman (default), farmar, riley or bailey
    #[arg(long)]
    preset: Option<Preset>,
    /// A configuration file
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// Server i speaks the line protocol on port N + i, takes orders on N + 200 + i and speaks with its neighbours on
    /// N + 300 + i; 0: any free ports
    #[arg(long, value_name = "N")]
    port_base: Option<u16>,
}

impl HerdArgs {
    fn load(&self) -> Result<Config, ConfigError> {
        let mut config = match &self.config {
            Some(file) => Config::load(file)?,
            None => self.preset.unwrap_or_default().config()?,
        };
        if let Some(base) = self.port_base {
            config.rebase(base)?;
        }
        Ok(config)
    }
}

/// Why a command did not succeed; each kind has its exit code.
#[derive(Debug)]
enum Failure {
    /// The arguments, the configuration or a taken port are at fault: exit code 2.
    Wrong(anyhow::Error),
    /// The world is at fault: exit code 1.
    AtWork(anyhow::Error),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Wrong(error.into())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::AtWork(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::AtWork(error.into())
    }
}

/// Runs the command that the process was given.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Up(args) => up::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Iamat(args) => client::iamat(&args),
        Command::Whatsat(args) => client::whatsat(&args),
        Command::Send(args) => client::send(&args),
        Command::Check(args) => check::run(&args),
        Command::Cert(args) => cert::run(&args),
        Command::Places(args) => places::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Leave(args) => leave(&args),
        Command::Load(args) => load::run(&args),
        Command::Config(args) => print_config(&args),
    };
    let (code, error) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Wrong(error)) => (2, error),
        Err(Failure::AtWork(error)) => (1, error),
    };
    if output::is_unread(&error) {
        return ExitCode::SUCCESS;
    }
    complain(&format!("{error:#}"));
    ExitCode::from(code)
}

fn print_config(args: &HerdArgs) -> Result<(), Failure> {
    let mut config = args.load()?;
    config.anchor()?;
    Ok(output().write_all(config.to_string().as_bytes())?)
}

fn leave(server: &order::OrderArgs) -> Result<(), Failure> {
    let said = order::order(server, "leave")?;
    Ok(writeln!(output(), "{said}")?)
}

/// One line to standard error. If even that is gone there is nobody left to tell.
fn complain(message: &str) {
    drop(writeln!(io::stderr().lock(), "herd: {message}"));
}

/// Ends with Ctrl-C or SIGTERM; from the call on these no longer end the process.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn help_says_what_an_operator_looks_for() {
        let help = Command::command().render_help().to_string();
        for part in ["12000 + i", "Exit codes:", "log_dir", "RUST_LOG", "docs/"] {
            assert!(help.contains(part), "{help}");
        }
    }

    #[test]
    fn a_southern_location_is_no_option() {
        let parsed =
            Command::try_parse_from(["herd", "iamat", "localhost:1", "c", "-33.9+151.2", "--time", "5"]);
        assert!(matches!(parsed, Ok(Command::Iamat(_))), "{parsed:?}");
    }
}
