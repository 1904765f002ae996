//! One line of the line protocol: commands in, replies out. Cutting a stream into lines is [`lines`](super::lines)'.
//!
//! The one thing to know: a reply repeats what the client sent byte for byte, so nothing here decodes and prints
//! anew. Parsing allocates nothing and takes any bytes.

use crate::{
    command::{ClientId, Command, Iamat, QuestionLimits, Whatsat, is_white_space},
    decimal::print_seconds,
    position::Location,
    time::ClientTime,
};

/// The command that a line (without its LF) holds.
///
/// ```
/// use herd_core::{command::{Command, QuestionLimits}, wire::line};
///
/// let limits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
/// let Command::Whatsat(whatsat) = line::parse(b" WHATSAT kiwi 10\t5\r", &limits) else { panic!() };
/// assert_eq!(whatsat.client.as_bytes(), b"kiwi");
/// assert_eq!(whatsat.question.bound, 5);
/// assert_eq!(line::parse(b"WHATSAT kiwi 51 5", &limits), Command::Invalid);
/// ```
#[must_use]
#[inline]
pub fn parse<'a>(line: &'a [u8], limits: &QuestionLimits) -> Command<'a> {
    // A telnet's NUL belongs to the end of the line, not to its last field.
    let line = copy_of(line);
    if let Some(iamat) = usual_iamat(line) {
        return Command::Iamat(iamat);
    }
    let command = match fields(line) {
        Some([b"IAMAT", client, location, time]) => iamat(client, location, time),
        Some([b"WHATSAT", client, radius_km, bound]) => whatsat(client, radius_km, bound, limits),
        Some(_) | None => None,
    };
    command.unwrap_or(Command::Invalid)
}

/// An IAMAT as nearly every client sends it, with one space between its fields: in one go, each byte looked at once.
#[inline]
fn usual_iamat(line: &[u8]) -> Option<Iamat<'_>> {
    let rest = line.strip_prefix(b"IAMAT ")?;
    let (client, rest) = rest.split_at_checked(field_bytes(rest)).filter(|(client, _)| !client.is_empty())?;
    let (location, rest) = Location::take(rest.strip_prefix(b" ")?)?;
    let time = ClientTime::parse(rest.strip_prefix(b" ")?)?;
    Some(Iamat { client: ClientId::from_field(client)?, location, time })
}

/// A line (without its LF) as a reply repeats it: without a CR, or the CR NUL of telnet, at its end.
#[must_use]
pub fn copy_of(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\0").or_else(|| line.strip_suffix(b"\r")).unwrap_or(line)
}

/// Appends the reply to an invalid command: `? ` and a copy of its line.
pub fn print_refusal(out: &mut Vec<u8>, line: &[u8]) {
    print_refusal_of_cut(out, copy_of(line));
}

/// Appends the reply to a line that was too long: `? ` and what was kept of it. Its last byte stood in the middle
/// of the line, so even a CR is repeated.
pub fn print_refusal_of_cut(out: &mut Vec<u8>, head: &[u8]) {
    out.extend_from_slice(b"? ");
    out.extend_from_slice(head);
    out.push(b'\n');
}

/// Appends the line that tells one report: who took it, how much later than the client's time by the taker's clock,
/// and the client's own words.
///
/// ```
/// let mut out = Vec::new();
/// herd_core::wire::line::print_at(&mut out, "Goloman", -1, b"kiwi", b"+34-118", b"1520023934");
/// assert_eq!(out, b"AT Goloman -0.000000001 kiwi +34-118 1520023934\n");
/// ```
pub fn print_at(
    out: &mut Vec<u8>,
    server: &str,
    skew_nanos: i64,
    client: &[u8],
    location: &[u8],
    time: &[u8],
) {
    print_taker(out, server, skew_nanos);
    for field in [client, location, time] {
        out.push(b' ');
        out.extend_from_slice(field);
    }
    out.push(b'\n');
}

/// Appends the reply to an IAMAT, which was all of `line`: the line that tells its report.
pub fn print_reply(out: &mut Vec<u8>, server: &str, skew_nanos: i64, line: &[u8], iamat: &Iamat<'_>) {
    let (client, location, time) = (iamat.client.as_bytes(), iamat.location.text(), iamat.time.text());
    out.reserve(server.len() + line.len() + SKEW_BYTES_MAX);
    let Some(words) = words_as_printed(line, [client, location, time]) else {
        return print_at(out, server, skew_nanos, client, location, time);
    };
    print_taker(out, server, skew_nanos);
    out.extend_from_slice(words);
    out.push(b'\n');
}

/// A space, sign, eleven digits (2^63 nanoseconds have ten before the point), the point, nine digits.
const SKEW_BYTES_MAX: usize = 1 + 1 + 11 + 1 + 9;

fn print_taker(out: &mut Vec<u8>, server: &str, skew_nanos: i64) {
    out.extend_from_slice(b"AT ");
    out.extend_from_slice(server.as_bytes());
    out.extend_from_slice(if skew_nanos < 0 { b" -" } else { b" +" });
    print_seconds(out, skew_nanos.unsigned_abs());
}

/// The part of `line` that is these fields, each behind one space, as nearly every client sends them: one copy in place of six.
fn words_as_printed<'a>(line: &'a [u8], [client, location, time]: [&[u8]; 3]) -> Option<&'a [u8]> {
    let words = line.strip_prefix(b"IAMAT")?;
    let location_at = 1 + client.len();
    let time_at = location_at + 1 + location.len();
    // Where a field begins behind each of these spaces, it is the one that is expected there.
    let words = words.get(..time_at + 1 + time.len())?;
    let begins = |at: usize| matches!(words.get(at..at + 2), Some(&[b' ', first]) if !is_white_space(first));
    [0, location_at, time_at].into_iter().all(begins).then_some(words)
}

fn iamat<'a>(client: &'a [u8], location: &'a [u8], time: &'a [u8]) -> Option<Command<'a>> {
    Some(Command::Iamat(Iamat {
        client: ClientId::from_field(client)?,
        location: Location::parse(location)?,
        time: ClientTime::parse(time)?,
    }))
}

fn whatsat<'a>(
    client: &'a [u8],
    radius_km: &[u8],
    bound: &[u8],
    limits: &QuestionLimits,
) -> Option<Command<'a>> {
    let client = ClientId::from_field(client)?;
    Some(Command::Whatsat(Whatsat { client, question: limits.question(radius_km, bound)? }))
}

/// The four fields of a line; `None` if it has more or fewer.
fn fields(line: &[u8]) -> Option<[&[u8]; 4]> {
    let mut rest = line;
    let fields =
        [next_field(&mut rest)?, next_field(&mut rest)?, next_field(&mut rest)?, next_field(&mut rest)?];
    next_field(&mut rest).is_none().then_some(fields)
}

/// Takes the next field off the front of `rest`.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let start = rest.iter().position(|&byte| !is_white_space(byte))?;
    let from_start = rest.get(start..)?;
    let (field, after) = from_start.split_at_checked(field_bytes(from_start))?;
    *rest = after;
    Some(field)
}

/// Bytes before the first white space, or all. Looks at eight at a time: white space is below 0x21, as little else is.
#[inline]
fn field_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    while let Some(&word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(word);
        // The top bit of each byte below 0x21; a borrow spoils later bytes only, and the first is what counts.
        let low = word.wrapping_sub(EACH * 0x21) & !word & (EACH << 7);
        at += (low.trailing_zeros() / 8) as usize;
        if low != 0 {
            if bytes.get(at).copied().is_some_and(is_white_space) {
                return at;
            }
            at += 1;
        }
    }
    let last = bytes.get(at..).unwrap_or_default();
    last.iter().position(|&byte| is_white_space(byte)).map_or(bytes.len(), |end| at + end)
}
