//! `herd serve`: one server in this process, by itself or supervised by `herd up`.
//!
//! Binds everything, says where, runs until it is told to stop. Under supervision standard input carries the
//! neighbours' addresses, and its end means stop: so no server outlives its supervisor, however that ended.

use std::{
    future::Future,
    io::{self, BufRead, Write},
    net::SocketAddr,
    thread,
};

use anyhow::Context;
use herd_core::server::Name;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{Failure, HerdArgs, stop_signal};
use crate::{
    config::{AddressOverride, Config},
    listen::Listeners,
    roster::Roster,
    supervisor::{Announcement, Instruction},
};

/// Runs one server.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's name in the configuration
    #[arg(value_parser = Name::new)]
    name: Name,
    #[command(flatten)]
    herd: HerdArgs,
    /// Speaks the line protocol here, whatever the configuration says
    #[arg(long, value_name = "ADDR")]
    line: Option<SocketAddr>,
    /// Lets other servers connect here, whatever the configuration says
    #[arg(long, value_name = "ADDR")]
    peer: Option<SocketAddr>,
    /// Standard input carries the neighbours' addresses, its end means stop
    #[arg(long, hide = true)]
    supervised: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut config = args.herd.load()?;
    config.readdress(&args.name, AddressOverride { line: args.line, peer: args.peer })?;
    log_diagnostics();
    // Each client is an open file; the limits of the configuration apply whether or not this helps.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, args))
}

async fn serve(config: Config, args: &Args) -> Result<(), Failure> {
    let Some(server) = config.server(&args.name) else {
        return Err(Failure::Wrong(anyhow::anyhow!("there is no server {}", args.name)));
    };
    let stop = CancellationToken::new();
    let signal = stop_signal()?;
    let listeners = Listeners::bind(server).map_err(|error| Failure::Wrong(error.into()))?;
    let (roster, neighbours) = watch::channel(Roster::new(&config, &args.name));
    if args.supervised {
        follow_instructions(roster, stop.clone());
    }
    announce(&listeners).context("cannot announce the addresses")?;
    let shutdown = async move {
        tokio::select! {
            () = signal => {}
            () = stop.cancelled() => {}
        }
    };
    run_until(config, args.name.clone(), neighbours, listeners, shutdown).await
}

/// One line per bound address, then `ready`: connections are accepted from here on.
fn announce(listeners: &Listeners) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (what, address) in listeners.addresses()? {
        writeln!(out, "{}", Announcement::Listening { what: what.to_owned(), address })?;
    }
    writeln!(out, "{}", Announcement::Ready)?;
    out.flush()
}

/// Keeps the roster as standard input says, and stops the server at its end.
fn follow_instructions(roster: watch::Sender<Roster>, stop: CancellationToken) {
    // A thread of its own that nobody joins: a read of standard input cannot be cancelled, it ends with the process.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match line.parse() {
                Ok(Instruction::Peer { name, address }) => {
                    roster.send_if_modified(|roster| roster.note(&name, address));
                }
                Err(()) => tracing::warn!(line, "not an instruction"),
            }
        }
        stop.cancel();
    });
}

/// Diagnostics go to standard error; `RUST_LOG` chooses them, from `warn` up unless it is set.
fn log_diagnostics() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // A supervisor that was killed no longer reads: what cannot be written is lost, and must not be complained about.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .log_internal_errors(false)
        .init();
}

/// The seam to `run`: everything is bound and known, the server runs until `shutdown` ends.
async fn run_until(
    _config: Config,
    _name: Name,
    _neighbours: watch::Receiver<Roster>,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    shutdown.await;
    drop(listeners);
    Ok(())
}
