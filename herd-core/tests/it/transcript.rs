//! Reads transcripts and holds a server against them. What the server is (a bare node, a process behind a socket)
//! is the caller's: it gives a function from the clock and the bytes of one exchange to the bytes replied.
//!
//! `transcripts/README.md` describes the notation. `herd`'s integration tests include this file by path.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helper fails by panicking; the lints know only #[test] functions"
)]

use std::{fs, path::Path};

use herd_core::{
    command::QuestionLimits,
    limits::{LINE_BYTES_MAX, MESSAGES_BOUND_MAX, PLACES_BOUND_MAX, PLACES_RADIUS_KM_MAX},
    time::{ClientTime, Timestamp},
};

/// One file: what the server must be like, and what is said to it.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) name: String,
    pub(crate) settings: Settings,
    exchanges: Vec<Exchange>,
}

/// What a server under test must be like. Its name is `Goloman` and its table is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) provider: Provider,
    pub(crate) transport: Transport,
    pub(crate) line_bytes_max: usize,
}

/// What WHATSAT asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Places,
    Messages,
}

/// What one exchange is: a connection that the client half-closes, or a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

#[derive(Debug, Default)]
struct Exchange {
    line_number: usize,
    clock: Timestamp,
    sent: Vec<u8>,
    expected: Vec<Expected>,
}

#[derive(Debug)]
struct Expected {
    /// With its LF.
    line: Vec<u8>,
    then_provider: bool,
}

impl Settings {
    /// The limits of the provider's questions.
    pub(crate) fn limits(&self) -> QuestionLimits {
        match self.provider {
            Provider::Places => {
                QuestionLimits { radius_km_max: Some(PLACES_RADIUS_KM_MAX), bound_max: PLACES_BOUND_MAX }
            }
            Provider::Messages => QuestionLimits { radius_km_max: None, bound_max: MESSAGES_BOUND_MAX },
        }
    }
}

/// Every transcript of the project, by name.
pub(crate) fn all() -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transcripts");
    let mut transcripts: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            Transcript::parse(name, &fs::read_to_string(&path).unwrap())
        })
        .collect();
    transcripts.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!transcripts.is_empty());
    transcripts
}

impl Transcript {
    pub(crate) fn parse(name: String, text: &str) -> Self {
        let settings = Settings {
            provider: Provider::Places,
            transport: Transport::Tcp,
            line_bytes_max: LINE_BYTES_MAX,
        };
        let mut transcript = Self { name, settings, exchanges: Vec::new() };
        let mut clock = Timestamp::default();
        // The exchange that the next `>` or `<` line belongs to.
        let mut current: Option<Exchange> = None;
        for (line_number, line) in (1..).zip(text.lines()) {
            let place = format!("{}:{line_number}", transcript.name);
            let (marker, rest) = line.split_once(' ').unwrap_or((line, ""));
            let replies_began = current.as_ref().is_some_and(|exchange| !exchange.expected.is_empty());
            if !matches!(marker, ">" | "<" | "<~" | "#") || (marker == ">" && replies_began) {
                transcript.exchanges.extend(current.take());
            }
            match marker {
                "" | "#" => assert!(marker == "#" || rest.is_empty(), "{place}: no marker"),
                "%" => {
                    assert!(transcript.exchanges.is_empty(), "{place}: settings come first");
                    transcript.settings.set(rest, &place);
                }
                "@" => clock = ClientTime::parse(rest.as_bytes()).expect(&place).at(),
                ">" => {
                    let exchange =
                        current.get_or_insert_with(|| Exchange { line_number, clock, ..Exchange::default() });
                    exchange.sent.extend(unescape(rest, &place));
                }
                "<" | "<~" => {
                    let exchange = current.as_mut().unwrap_or_else(|| panic!("{place}: a reply to nothing"));
                    let line = unescape(rest, &place);
                    assert_eq!(line.last(), Some(&b'\n'), "{place}: every reply ends with LF");
                    exchange.expected.push(Expected { line, then_provider: marker == "<~" });
                }
                _ => panic!("{place}: no such marker: {marker}"),
            }
        }
        transcript.exchanges.extend(current);
        transcript
    }

    /// Says every exchange to `server` and fails at the first wrong reply.
    pub(crate) fn run(&self, mut server: impl FnMut(Timestamp, &[u8]) -> Vec<u8>) {
        for exchange in &self.exchanges {
            let replied = server(exchange.clock, &exchange.sent);
            if let Err(expected) = exchange.check(&replied) {
                panic!(
                    "{}:{}: sent\n  {}\nexpected\n  {expected}\nin the reply\n  {}",
                    self.name,
                    exchange.line_number,
                    exchange.sent.escape_ascii(),
                    replied.escape_ascii()
                );
            }
        }
    }
}

impl Settings {
    fn set(&mut self, text: &str, place: &str) {
        match text.split_once(' ') {
            Some(("provider", "places")) => self.provider = Provider::Places,
            Some(("provider", "messages")) => self.provider = Provider::Messages,
            Some(("transport", "tcp")) => self.transport = Transport::Tcp,
            Some(("transport", "udp")) => self.transport = Transport::Udp,
            Some(("line_bytes_max", bytes)) => self.line_bytes_max = bytes.parse().expect(place),
            _ => panic!("{place}: no such setting: {text}"),
        }
    }
}

impl Exchange {
    /// The first expectation that `replied` does not meet.
    fn check(&self, replied: &[u8]) -> Result<(), String> {
        let mut rest = replied;
        let mut provider_speaks = false;
        for expected in &self.expected {
            let missed = || expected.line.escape_ascii().to_string();
            let skipped = if provider_speaks { provider_length(rest, &expected.line) } else { Some(0) };
            rest = &rest[skipped.ok_or_else(missed)?..];
            rest = rest.strip_prefix(expected.line.as_slice()).ok_or_else(missed)?;
            provider_speaks = expected.then_provider;
        }
        if provider_speaks || rest.is_empty() { Ok(()) } else { Err("nothing more".into()) }
    }
}

/// Bytes of whole lines before the first line that is `next`.
fn provider_length(replied: &[u8], next: &[u8]) -> Option<usize> {
    let is_line_start = |at: usize| at == 0 || replied[at - 1] == b'\n';
    (0..replied.len()).find(|&at| is_line_start(at) && replied[at..].starts_with(next))
}

/// The bytes of one line, with its LF unless a lone backslash ends it.
fn unescape(text: &str, place: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let Some((&escape, after)) = rest.split_first() else { return bytes };
        rest = after;
        bytes.push(match escape {
            b'\\' => b'\\',
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'f' => b'\x0c',
            b'v' => b'\x0b',
            b'0' => b'\0',
            b'x' => {
                let (hex, after) = rest.split_at_checked(2).expect(place);
                rest = after;
                u8::from_str_radix(str::from_utf8(hex).expect(place), 16).expect(place)
            }
            _ => panic!("{place}: no such escape: \\{}", char::from(escape)),
        });
    }
    bytes.push(b'\n');
    bytes
}
