//! `herd iamat`, `whatsat` and `send`: clients of the line protocol for people and scripts.
//!
//! Plain blocking sockets: a client has one thing to do, and `send` has two, so it takes a second thread.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, anyhow};

use super::Failure;

/// Time for a connection to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Time for the next part of a reply: twice the default deadline of a provider.
pub(super) const REPLY_MAX: Duration = Duration::from_secs(10);

/// Tells a server where a client is.
#[derive(Debug, clap::Args)]
pub(super) struct IamatArgs {
    /// The server, for example 127.0.0.1:12000
    addr: String,
    /// The client's ID
    client: String,
    /// Latitude and longitude, for example +34.068930-118.445127
    #[arg(allow_hyphen_values = true)]
    location: String,
    /// POSIX seconds [default: this moment]
    #[arg(long)]
    time: Option<String>,
}

/// Asks a server what is near a client.
#[derive(Debug, clap::Args)]
pub(super) struct WhatsatArgs {
    /// The server, for example 127.0.0.1:12000
    addr: String,
    /// The client's ID
    client: String,
    /// How far around, in kilometres
    radius: String,
    /// Most results wanted
    bound: String,
}

/// Sends lines to a server and prints the replies.
#[derive(Debug, clap::Args)]
pub(super) struct SendArgs {
    /// The server, for example 127.0.0.1:12000
    addr: String,
    /// The lines; standard input if there is none
    #[arg(value_name = "LINE", allow_hyphen_values = true)]
    lines: Vec<String>,
}

pub(super) fn iamat(args: &IamatArgs) -> Result<(), Failure> {
    let now = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
    };
    let time = args.time.clone().unwrap_or_else(now);
    command(&args.addr, &["IAMAT", &args.client, &args.location, &time])
}

pub(super) fn whatsat(args: &WhatsatArgs) -> Result<(), Failure> {
    command(&args.addr, &["WHATSAT", &args.client, &args.radius, &args.bound])
}

/// Sends one command and prints its reply; a refused command is a failure.
fn command(addr: &str, fields: &[&str]) -> Result<(), Failure> {
    if let Some(field) = fields.iter().find(|field| field.is_empty() || field.contains(is_space)) {
        return Err(Failure::Wrong(anyhow!("expected a word without white space, found {field:?}")));
    }
    let mut stream = connect(addr)?;
    stream.set_read_timeout(Some(REPLY_MAX))?;
    let line = fields.join(" ") + "\n";
    stream
        .write_all(line.as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .context("cannot send")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).with_context(|| format!("no complete reply from {addr}"))?;
    io::stdout().lock().write_all(&reply)?;
    match reply.first() {
        None => Err(Failure::AtWork(anyhow!("{addr} closed the connection without a reply"))),
        Some(b'?') => Err(Failure::AtWork(anyhow!("{addr} refused the command"))),
        Some(_) => Ok(()),
    }
}

/// The protocol's white space.
const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | '\x0b' | '\x0c')
}

pub(super) fn send(args: &SendArgs) -> Result<(), Failure> {
    let mut stream = connect(&args.addr)?;
    let mut sending = stream.try_clone()?;
    let lines: String = args.lines.iter().map(|line| format!("{line}\n")).collect();
    let is_sent = Arc::new(AtomicBool::new(false));
    let sent = Arc::clone(&is_sent);
    // Not joined: it may wait for a terminal whose replies nobody will send any more, and ends with the process.
    thread::spawn(move || {
        let copied = if lines.is_empty() {
            io::copy(&mut io::stdin().lock(), &mut sending).map(|_| ())
        } else {
            sending.write_all(lines.as_bytes())
        };
        sent.store(copied.is_ok(), Ordering::Release);
        // A failure shows as the end of the replies before everything was sent.
        drop(sending.shutdown(Shutdown::Write));
    });
    print_replies(&mut stream, &args.addr)?;
    if is_sent.load(Ordering::Acquire) {
        Ok(())
    } else {
        Err(Failure::AtWork(anyhow!("{} closed the connection before everything was sent", args.addr)))
    }
}

/// Prints what comes as it comes, until the server ends the stream.
fn print_replies(stream: &mut TcpStream, addr: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                out.write_all(buffer.get(..count).unwrap_or_default())?;
                out.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(anyhow!("lost the connection to {addr}: {error}").into()),
        }
    }
}

/// Connects to the first address of `addr` that answers.
pub(super) fn connect(addr: &str) -> Result<TcpStream, Failure> {
    let wrong = |error| {
        Failure::Wrong(anyhow!("expected an address such as 127.0.0.1:12000, found {addr:?}: {error}"))
    };
    let mut failure = anyhow!("{addr} has no address");
    for address in addr.to_socket_addrs().map_err(wrong)? {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = anyhow!("cannot connect to {address}: {error}"),
        }
    }
    Err(failure.into())
}
