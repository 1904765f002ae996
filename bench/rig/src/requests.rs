//! Requests as bytes, made before they are needed: the same reports in the words of each protocol.
//!
//! All requests of a language have one length, so the next one is found by arithmetic; only the time is written when a
//! request goes out, for a report is news only if it is later than the last one of its client.

use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::Range,
    path::Path,
};

use anyhow::Context;
use clap::ValueEnum;

/// Requests that are made in advance, at most: 70 MB of them.
const POOL_MAX: usize = 1 << 20;
/// Digits of a time in nanoseconds from the year 2001 on.
const TIME_DIGITS: usize = 19;
/// Those before the point.
const SECOND_DIGITS: usize = 10;

/// What a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// `IAMAT` of the line protocol
    Iamat,
    /// Redis: `SET client "location time"`
    Set,
    /// Redis: `GEOADD h longitude latitude client`
    Geoadd,
    /// `WHATSAT` of the line protocol: 20 places within 50 km
    Whatsat,
}

/// What a reply ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A line end.
    Line,
    /// A blank line.
    Blank,
}

impl Language {
    /// What no reply has in it but one that refuses.
    pub(crate) const fn refusal(self) -> u8 {
        match self {
            Self::Iamat => b'?',
            Self::Set | Self::Geoadd => b'-',
            // What is near may say anything else; a refusal lacks the blank line and is waited for in vain.
            Self::Whatsat => 0,
        }
    }

    pub(crate) const fn ending(self) -> Ending {
        match self {
            Self::Iamat | Self::Set | Self::Geoadd => Ending::Line,
            Self::Whatsat => Ending::Blank,
        }
    }

    /// Where the time is, if there is one.
    const fn time_at(self) -> Option<usize> {
        match self {
            Self::Iamat => Some("IAMAT client-0000000000000 +34.068930-118.445127 ".len()),
            Self::Set => {
                let before =
                    "*3\r\n$3\r\nSET\r\n$20\r\nclient-0000000000000\r\n$42\r\n+34.068930-118.445127 ";
                Some(before.len())
            }
            Self::Geoadd | Self::Whatsat => None,
        }
    }

    fn print(self, client: u64, place: Place, out: &mut Vec<u8>) {
        let id = format_args!("client-{client:013}");
        let (latitude, longitude) = (Degrees(place.latitude, 2), Degrees(place.longitude, 3));
        let time = "1520023934.918963997";
        let printed = match self {
            Self::Iamat => writeln!(out, "IAMAT {id} {latitude}{longitude} {time}"),
            Self::Set => {
                write!(out, "*3\r\n$3\r\nSET\r\n$20\r\n{id}\r\n$42\r\n{latitude}{longitude} {time}\r\n")
            }
            Self::Geoadd => write!(
                out,
                "*5\r\n$6\r\nGEOADD\r\n$1\r\nh\r\n$11\r\n{longitude}\r\n$10\r\n{latitude}\r\n$20\r\n{id}\r\n"
            ),
            Self::Whatsat => writeln!(out, "WHATSAT {id} 50 20"),
        };
        debug_assert!(printed.is_ok(), "memory takes everything");
    }
}

/// Writes a file of made-up places as GeoNames has them: hotels all over the world.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_places(file: &Path, count: u64) -> anyhow::Result<()> {
    let mut out =
        BufWriter::new(File::create(file).with_context(|| format!("cannot write {}", file.display()))?);
    let mut random = Random(count);
    for id in 1..=count {
        let Place { latitude, longitude } = random.place();
        let (latitude, longitude) = (Degrees(latitude, 1), Degrees(longitude, 1));
        writeln!(out, "{id}\tHotel {id}\t\t\t{latitude}\t{longitude}\tS\tHTL\tUS\t\tCA\t\t\t\t\t\t\t\t")?;
    }
    out.flush().context("the last places are not written")
}

/// Who reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) clients: u64,
    /// Places in which they are, if not anywhere.
    pub(crate) spots: Option<u64>,
}

impl Crowd {
    pub(crate) const fn anywhere(clients: u64) -> Self {
        Self { clients, spots: None }
    }

    fn place(self, random: &mut Random) -> Place {
        match self.spots {
            Some(spots) => Random(random.below(spots)).place(),
            None => random.place(),
        }
    }
}

/// A place in millionths of a degree.
#[derive(Clone, Copy, Debug)]
struct Place {
    latitude: i64,
    longitude: i64,
}

/// Millionths of a degree, printed with a sign and so many digits before the point.
struct Degrees(i64, usize);

impl std::fmt::Display for Degrees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(value, digits) = *self;
        let sign = if value < 0 { '-' } else { '+' };
        let size = value.unsigned_abs();
        write!(f, "{sign}{:0digits$}.{:06}", size / 1_000_000, size % 1_000_000)
    }
}

/// An endless supply of requests.
#[derive(Debug)]
pub(crate) struct Requests {
    language: Language,
    crowd: Crowd,
    bytes: Vec<u8>,
    /// Of one request.
    length: usize,
    /// The next one of the pool.
    next: usize,
    /// Nanoseconds.
    time: u64,
    /// By how many of them each report is later than the one before.
    step: u64,
    /// Set while every client reports once in turn: the next one.
    fills: Option<u64>,
    random: Random,
}

impl Requests {
    /// Reports of a crowd: of its clients at random, or of each once in its turn if it `fills`. `time` in nanoseconds is that of
    /// the first.
    pub(crate) fn new(language: Language, crowd: Crowd, fills: bool, time: u64) -> Self {
        let clients = crowd.clients;
        let mut random = Random(time);
        let mut bytes = Vec::new();
        let count = POOL_MAX.min(usize::try_from(clients).unwrap_or(POOL_MAX).max(1 << 16));
        for _ in 0..count {
            let client = random.below(clients);
            language.print(client, crowd.place(&mut random), &mut bytes);
        }
        let length = bytes.len() / count;
        Self { language, crowd, bytes, length, next: 0, time, step: 1, fills: fills.then_some(0), random }
    }

    /// Has the next report be of `time`, and each one `step` nanoseconds later than the one before.
    pub(crate) const fn pace(&mut self, time: u64, step: u64) {
        self.time = time;
        self.step = step;
    }

    /// Makes the next requests ready: where they are in [`Requests::bytes`].
    pub(crate) fn take(&mut self, count: usize) -> Range<usize> {
        if (self.next + count) * self.length > self.bytes.len() {
            self.next = 0;
        }
        let start = self.next * self.length;
        let end = start + count * self.length;
        self.next += count;
        for request in self.bytes.get_mut(start..end).unwrap_or_default().chunks_exact_mut(self.length) {
            if let Some(client) = &mut self.fills {
                let mut fresh = Vec::with_capacity(self.length);
                self.language.print(*client, self.crowd.place(&mut self.random), &mut fresh);
                request.copy_from_slice(&fresh);
                *client += 1;
            }
            if let Some(at) = self.language.time_at() {
                print_time(self.time, request.get_mut(at..=at + TIME_DIGITS).unwrap_or_default());
            }
            self.time += self.step;
        }
        start..end
    }

    /// All requests.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Prints nanoseconds as seconds with nine decimals over 20 bytes.
fn print_time(mut nanoseconds: u64, out: &mut [u8]) {
    for (i, byte) in out.iter_mut().enumerate().rev() {
        if i == SECOND_DIGITS {
            *byte = b'.';
        } else {
            *byte = b"0123456789".get((nanoseconds % 10) as usize).copied().unwrap_or(b'0');
            nanoseconds /= 10;
        }
    }
}

/// `SplitMix64`: fast, and the same from one seed everywhere.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, evenly enough for bounds far below 2^64.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Anywhere that Redis can index, too: up to 85 degrees north and south.
    fn place(&mut self) -> Place {
        let latitude = self.below(170_000_001).cast_signed() - 85_000_000;
        let longitude = self.below(360_000_001).cast_signed() - 180_000_000;
        Place { latitude, longitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second request of a fill.
    fn check(language: Language, expected: &str) {
        let mut requests = Requests::new(language, Crowd::anywhere(10), true, 1_520_023_934_918_963_997);
        let range = requests.take(3);
        let second = requests.bytes()[range].chunks(requests.length).nth(1).unwrap();
        assert_eq!(String::from_utf8_lossy(second), expected);
    }

    #[test]
    fn requests_are_what_each_server_understands() {
        check(Language::Iamat, "IAMAT client-0000000000001 -42.478209+146.998191 1520023934.918963998\n");
        check(
            Language::Set,
            "*3\r\n$3\r\nSET\r\n$20\r\nclient-0000000000001\r\n$42\r\n-42.478209+146.998191 1520023934.918963998\r\n",
        );
        check(
            Language::Geoadd,
            "*5\r\n$6\r\nGEOADD\r\n$1\r\nh\r\n$11\r\n+146.998191\r\n$10\r\n-42.478209\r\n$20\r\nclient-0000000000001\r\n",
        );
    }

    #[test]
    fn times_only_grow_also_when_the_pool_begins_again() {
        let mut requests =
            Requests::new(Language::Iamat, Crowd::anywhere(10), false, 1_520_023_934_999_999_990);
        let mut last = String::new();
        for _ in 0..200 {
            let range = requests.take(1000);
            let text = std::str::from_utf8(&requests.bytes()[range]).unwrap();
            for line in text.lines() {
                let time = line.rsplit(' ').next().unwrap();
                assert!(*time > *last, "{time} after {last}");
                last = time.to_owned();
            }
        }
        assert_eq!(last, "1520023935.000199989");
    }
}
