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
use herd_core::{
    command::QuestionLimits,
    limits::{MESSAGES_BOUND_MAX, PLACES_BOUND_MAX},
    position::Location,
    time::ClientTime,
};
use memchr::{memchr, memmem};

use super::{Failure, output::output};

/// Time for a connection to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Time for the next part of a reply that waits for no provider: a server gives it at once, or when its disk has it.
pub(super) const REPLY_MAX: Duration = Duration::from_secs(10);
/// Time for the next part of an answer: the longest deadline that a provider may have is a minute, and its refusal has to
/// arrive too.
const ANSWER_MAX: Duration = Duration::from_secs(65);
/// Most that a complaint shows of what is no reply.
const SHOWN_BYTES_MAX: usize = 80;

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
    let fault = || iamat_fault(&args.location, &time);
    let fields = ["IAMAT", &args.client, &args.location, &time];
    command(&args.addr, &fields, Expected::Line, fault)
}

pub(super) fn whatsat(args: &WhatsatArgs) -> Result<(), Failure> {
    let fault = || whatsat_fault(&args.radius, &args.bound);
    let fields = ["WHATSAT", &args.client, &args.radius, &args.bound];
    command(&args.addr, &fields, Expected::LineAndBody, fault)
}

/// Why a server may refuse an IAMAT.
fn iamat_fault(location: &str, time: &str) -> String {
    if Location::parse(location.as_bytes()).is_none() {
        format!("the location is not ISO 6709, for example +34.068930-118.445127: {location}")
    } else if ClientTime::parse(time.as_bytes()).is_none() {
        format!("the time is not POSIX seconds, for example 1520023934.918963997: {time}")
    } else {
        "its arguments are as the protocol asks".to_owned()
    }
}

/// Why a server may refuse a WHATSAT. What it answers with, places or messages, is its secret: so are its limits.
fn whatsat_fault(radius: &str, bound: &str) -> String {
    let widest = QuestionLimits { radius_km_max: None, bound_max: MESSAGES_BOUND_MAX };
    if widest.question(radius.as_bytes(), b"0").is_none() {
        format!("the radius is not a number of kilometres, for example 10 or 2.5: {radius}")
    } else if widest.question(b"0", bound.as_bytes()).is_none() {
        let (places, messages) = (PLACES_BOUND_MAX, MESSAGES_BOUND_MAX);
        format!("the bound is not a number from 0 to {places} (places) or {messages} (messages): {bound}")
    } else {
        "the server knows no such client, or the radius or bound is out of its range".to_owned()
    }
}

/// What answers a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// An AT line.
    Line,
    /// An AT line and the JSON behind it.
    LineAndBody,
}

impl Expected {
    /// Time for the next part of it.
    const fn patience(self) -> Duration {
        match self {
            Self::Line => REPLY_MAX,
            Self::LineAndBody => ANSWER_MAX,
        }
    }
}

/// Sends one command and prints its reply; all but a complete answer is a failure. Of a refused command, `fault` may say why.
fn command(
    addr: &str,
    fields: &[&str],
    expected: Expected,
    fault: impl Fn() -> String,
) -> Result<(), Failure> {
    if let Some(field) = fields.iter().find(|field| field.is_empty() || field.contains(is_space)) {
        return Err(Failure::Wrong(anyhow!("expected a word without white space, found {field:?}")));
    }
    let mut stream = connect(addr)?;
    let line = fields.join(" ") + "\n";
    stream
        .write_all(line.as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .context("cannot send")?;
    let reply = read_reply(&mut stream, addr, expected.patience(), u64::MAX)?;
    if reply.is_empty() {
        return Err(anyhow!("{addr} closed the connection without a reply").into());
    }
    let is_answer = reply.starts_with(b"AT ");
    if !is_answer && !reply.starts_with(b"?") {
        // Not printed as it is: a peer address says bytes that are no text.
        let shown = String::from_utf8_lossy(reply.get(..SHOWN_BYTES_MAX).unwrap_or(&reply));
        let shown = shown.lines().next().unwrap_or_default();
        return Err(
            anyhow!("{addr} is not where a server takes clients (`listen.line`), it said {shown:?}").into()
        );
    }
    output().write_all(&reply)?;
    if !is_answer {
        Err(anyhow!("{addr} refused the command: {}", fault()).into())
    } else if !is_complete(&reply, expected) {
        Err(anyhow!("{addr} gave a reply that is not one whole answer").into())
    } else {
        Ok(())
    }
}

/// Whether a reply that begins as an answer is all of it, and nothing else.
fn is_complete(reply: &[u8], expected: Expected) -> bool {
    let Some(end) = memchr(b'\n', reply) else { return false };
    let (_, body) = reply.split_at(end + 1);
    match expected {
        Expected::Line => body.is_empty(),
        Expected::LineAndBody => is_body(body),
    }
}

/// Whether this is the JSON behind an AT line: if a lone `{` begins it, as Google prints it, up to an empty line, else one
/// line, behind which an empty one may follow.
fn is_body(body: &[u8]) -> bool {
    let end: &[u8] = if body.starts_with(b"{\n") { b"\n\n" } else { b"\n" };
    let Some(length) = memmem::find(body, end) else { return false };
    let (json, rest) = body.split_at(length);
    !json.is_empty() && (rest == end || rest == b"\n\n")
}

/// All that comes until the server ends the stream, or the first `bytes_max`, if it never keeps us waiting for longer than
/// `patience`.
pub(super) fn read_reply(
    stream: &mut TcpStream,
    addr: &str,
    patience: Duration,
    bytes_max: u64,
) -> anyhow::Result<Vec<u8>> {
    stream.set_read_timeout(Some(patience))?;
    let mut reply = Vec::new();
    let Err(error) = stream.take(bytes_max).read_to_end(&mut reply) else { return Ok(reply) };
    let what = if reply.is_empty() { "no reply" } else { "no complete reply" };
    // Linux calls a read that timed out one that would block.
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
        Err(anyhow!("{what} within {} s from {addr}", patience.as_secs_f64()))
    } else {
        Err(anyhow!("{what} from {addr}: {error}"))
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
    let mut out = output();
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

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, path::Path};

    use super::*;
    use crate::config::Config;

    /// Broke: a question was given up after 10 s, and a provider may take a minute.
    #[test]
    fn a_question_outlasts_every_deadline() {
        let deadline = |text: &str| {
            let text = format!("name = 'h'\n[servers.A]\n[places]\ndeadline = '{text}'");
            Config::parse(&text, "here", Path::new(""), &|_| None)
        };
        assert!(deadline("1m").is_ok() && deadline("61s").is_err());
        assert!(Expected::LineAndBody.patience() > Duration::from_secs(60));
    }

    /// Both formats of a provider's answer, each cut anywhere.
    #[test]
    fn an_answer_is_complete_only_as_a_whole() {
        for whole in [
            "AT s +0.1 c\n{\n  \"results\": [\n  ]\n}\n\n",
            "AT s +0.1 c\n{\"results\":[]}\n",
            "AT s +0.1 c\n{}\n",
        ] {
            assert!(is_complete(whole.as_bytes(), Expected::LineAndBody));
            for length in 0..whole.len() {
                assert!(!is_complete(&whole.as_bytes()[..length], Expected::LineAndBody), "{whole} {length}");
                let is_line = whole[..length].ends_with("c\n");
                assert_eq!(
                    is_complete(&whole.as_bytes()[..length], Expected::Line),
                    is_line,
                    "{whole} {length}"
                );
            }
            let more = format!("{whole}AT s +0.1 c\n");
            assert!(!is_complete(more.as_bytes(), Expected::LineAndBody), "{more}");
        }
        assert!(is_complete(b"AT s +0.1 c\n{}\n\n", Expected::LineAndBody));
        assert!(!is_complete(b"AT s +0.1 c\n\n\n", Expected::LineAndBody));
    }

    #[test]
    fn silence_is_called_by_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let patience = Duration::from_millis(250);
        let error = read_reply(&mut stream, "there", patience, u64::MAX).unwrap_err();
        assert_eq!(error.to_string(), "no reply within 0.25 s from there");
        server.write_all(b"AT").unwrap();
        let error = read_reply(&mut stream, "there", patience, u64::MAX).unwrap_err();
        assert_eq!(error.to_string(), "no complete reply within 0.25 s from there");
    }
}
