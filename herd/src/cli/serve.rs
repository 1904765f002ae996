//! `herd serve`: one server in this process, by itself or supervised by `herd up`.
//!
//! Binds everything, says where, runs until it is told to stop. Under supervision standard input carries the
//! neighbours' addresses, and its end means stop: so no server outlives its supervisor, however that ended.

use std::{
    future::{self, Future},
    io::{self, BufRead, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    thread,
};

use anyhow::Context;
use herd_core::{
    node::NodeSettings,
    secret::{HerdKey, Secret},
    server::Name,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{Failure, HerdArgs, stop_signal};
use crate::{
    clock::Clock,
    config::{AddressOverride, Config, Durability, NearbyConfig},
    ending::Ending,
    frontends::ClientLimits,
    gateway::{Ask, Provider},
    links::Certificates,
    listen::Listeners,
    nearby::{Nearby, gate::Home},
    roster::{Contact, Roster},
    run::{RunError, RunSettings, run as run_server},
    storage::StorageSettings,
    supervisor::{Announcement, Instruction},
    traffic::TrafficSettings,
};

/// Open files that clients leave to the rest of a server: 128 strangers at the peers' port, a link for each of 50 neighbours,
/// 16 operators, 64 requests to providers, and its own files, twice over.
const FILES_RESERVED: u64 = 512;

/// Most threads of a server: more cores than any machine of today has.
const THREADS_MAX: u16 = 1024;

/// Runs one server.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's name in the configuration; with --join any name that no other server has
    #[arg(value_parser = Name::new)]
    name: Name,
    #[command(flatten)]
    herd: HerdArgs,
    /// Joins a running herd by one of its servers, of which this is the peer address (HOST:PORT): nobody else needs a
    /// change. Clients are served on any free port here unless there is --line
    #[arg(long, value_name = "ADDR")]
    join: Vec<Contact>,
    /// Speaks the line protocol here, whatever the configuration says
    #[arg(long, value_name = "ADDR")]
    line: Option<SocketAddr>,
    /// Lets other servers connect here, whatever the configuration says
    #[arg(long, value_name = "ADDR")]
    peer: Option<SocketAddr>,
    /// Takes an operator's orders here (a loopback address), whatever the configuration says
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Threads that serve clients and neighbours (1 to 1024) [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(THREADS_MAX)))]
    threads: Option<u16>,
    /// Standard input carries the neighbours' addresses, its end means stop
    #[arg(long, hide = true)]
    supervised: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut config = args.herd.load()?;
    if !args.join.is_empty() {
        config.enlist(&args.name);
    }
    config.readdress(&args.name, AddressOverride { line: args.line, peer: args.peer, admin: args.admin })?;
    log_diagnostics();
    // Each client is an open file; the limits of the configuration apply whether or not this helps.
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => config.limits.connections_max = fitting(config.limits.connections_max, files),
        Err(error) => tracing::warn!(%error, "cannot raise the limit on open files"),
    }
    let threads = args.threads.unwrap_or_else(|| threads_for(1)).into();
    // One thread has nobody to share work with: looking for that costs each report some microseconds.
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .worker_threads(threads)
        // A turn of a client takes up to a tenth of a millisecond: after eight of them whoever else became ready is seen,
        // instead of after 61.
        .event_interval(8)
        .enable_all()
        .build()?;
    let served = runtime.block_on(serve(config, args));
    // All that matters is done; a look-up that still waits for a disk must not keep the process.
    runtime.shutdown_background();
    served
}

/// Each server's threads when so many share the cores that this process may use: what falls to it, rounded up. More would only keep
/// each other waiting.
pub(super) fn threads_for(servers: usize) -> u16 {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    u16::try_from(cores.div_ceil(servers.max(1))).unwrap_or(THREADS_MAX).min(THREADS_MAX)
}

/// As many connections as the open files that the system allows leave for clients.
fn fitting(connections_max: u32, files: u64) -> u32 {
    let for_clients = u32::try_from(files - FILES_RESERVED.min(files / 2)).unwrap_or(u32::MAX);
    if for_clients < connections_max {
        tracing::warn!(
            connections = for_clients,
            files,
            "fewer clients than configured: open files are limited"
        );
    }
    connections_max.min(for_clients)
}

async fn serve(config: Config, args: &Args) -> Result<(), Failure> {
    let Some(server) = config.server(&args.name) else {
        return Err(Failure::Wrong(anyhow::anyhow!("there is no server {}", args.name)));
    };
    let stop = CancellationToken::new();
    let signal = stop_signal()?;
    let listeners = Listeners::bind(server).map_err(|error| Failure::Wrong(error.into()))?;
    let (roster, neighbours) = watch::channel(Roster::new(&config, &args.name));
    let (certificates, used) = watch::channel(None);
    let renewal = renewal(&config, &args.name, certificates)?;
    let settings =
        RunSettings { contacts: args.join.clone(), ..settings(&config, &args.name, neighbours, used)? };
    if args.supervised {
        follow_instructions(roster, stop.clone());
    }
    let shutdown = async move {
        tokio::select! {
            () = signal => {}
            () = stop.cancelled() => {}
            () = renewal => {}
        }
    };
    let ending = match run_server(settings, listeners, announce, shutdown).await {
        Ok(ending) => ending,
        Err(error @ RunError::Storage(_)) => return Err(Failure::Wrong(error.into())),
        Err(error) => return Err(Failure::AtWork(error.into())),
    };
    match ending {
        // Nobody may be reading any more.
        Ending::Left => drop(writeln!(io::stdout().lock(), "{}", Announcement::Left)),
        Ending::Stopped | Ending::Claimed(_) => {}
    }
    Ok(())
}

/// What the configuration makes of this server. Opens the provider's files, so that what is wrong with them is said
/// before anything is announced.
fn settings(
    config: &Config,
    name: &Name,
    roster: watch::Receiver<Roster>,
    certificates: watch::Receiver<Option<Certificates>>,
) -> Result<RunSettings, Failure> {
    let secret = config.secret.as_ref().map(|secret| Secret::new(secret.expose()));
    let herd_key = HerdKey::derive(&config.name, secret.as_ref());
    let (limits, clock) = (&config.limits, Clock::system());
    let node = NodeSettings {
        future_tolerance: limits.future_tolerance,
        ttl: limits.ttl,
        clients_max: bound(limits.clients_max),
        log_bytes_max: bound(limits.log_bytes_max),
        ..NodeSettings::new(name.clone(), random()?, random()?, herd_key)
    };
    let provider = provider(config, name, &clock)?;
    let storage = (config.durability != Durability::None).then(|| StorageSettings {
        folder: config.data_dir.join(name.as_str()),
        replies_wait: config.durability == Durability::Fsync,
    });
    let traffic = config.traffic.enabled.then(|| TrafficSettings {
        path: config.log_dir.join(format!("{name}.log")),
        file_bytes_max: config.traffic.file_bytes_max,
        files_max: config.traffic.files_max,
    });
    Ok(RunSettings {
        herd: config.name.clone(),
        node,
        clock,
        limits: ClientLimits {
            line_bytes_max: bound(limits.line_bytes_max),
            connections_max: bound(limits.connections_max),
            connections_per_address_max: bound(limits.connections_per_address_max),
            idle_timeout: limits.idle_timeout,
            reply_bytes_max: bound(limits.reply_bytes_max),
        },
        provider,
        storage,
        traffic,
        roster,
        contacts: Vec::new(),
        certificates,
    })
}

/// Reads the certificates of the links, if they use any. What it returns reads them again when the operator says so, and
/// does not end.
fn renewal(
    config: &Config,
    name: &Name,
    current: watch::Sender<Option<Certificates>>,
) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let files = config.tls.as_ref().map(|files| files.of(name));
    if let Some(files) = &files {
        let (certificates, complaint) =
            Certificates::load(files, name).map_err(|error| Failure::Wrong(error.into()))?;
        if let Some(why) = complaint {
            tracing::warn!(why, "neighbours will not accept the certificate of this server");
        }
        current.send_replace(Some(certificates));
    }
    let again = files.as_ref().map(|_| signal(SignalKind::hangup())).transpose()?;
    let name = name.clone();
    Ok(async move {
        match (again, files) {
            (Some(again), Some(files)) => Certificates::renew(again, &files, &name, &current).await,
            _ => future::pending().await,
        }
    })
}

/// A bound beyond what the machine can count bounds nothing.
fn bound(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

fn random() -> Result<u64, Failure> {
    Ok(getrandom::u64().context("the operating system gives no random numbers")?)
}

fn provider(config: &Config, name: &Name, clock: &Clock) -> Result<Provider, Failure> {
    // Relative paths were resolved when the configuration was read.
    let here = Path::new("");
    let home = |subject: &str| Home {
        budget_file: config.data_dir.join(name.as_str()).join(format!("{subject}-budget")),
        clock: clock.clone(),
    };
    let (subject, nearby) = match &config.nearby {
        NearbyConfig::Places(places) => ("places", Nearby::places(places, here, home("places"))),
        NearbyConfig::Messages(messages) => ("messages", Nearby::messages(messages, here, home("messages"))),
    };
    let nearby = Arc::new(nearby.map_err(|error| Failure::Wrong(error.into()))?);
    let (limits, control) = (nearby.limits(), Arc::clone(&nearby));
    let ask: Ask = Arc::new(move |position, question| {
        let nearby = Arc::clone(&nearby);
        Box::pin(async move { nearby.answer(position, question).await })
    });
    Ok(Provider { subject, limits, ask, control })
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
