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

use super::{
    lines::{Line, Lines},
    usual,
};

/// Takes the next line off `lines`, with the command that it holds.
#[inline]
pub fn next<'a>(lines: &mut Lines<'a>, limits: &QuestionLimits) -> Option<(Line<'a>, Command<'a>)> {
    if let Some((iamat, rest)) = usual::iamat(lines.ahead())
        && let Some(line) = lines.take_until(rest)
    {
        return Some((Line::Whole(line), Command::Iamat(iamat)));
    }
    let line = lines.next()?;
    Some((line, command(line, limits)))
}

/// The command that a line of a stream holds.
#[must_use]
pub fn command<'a>(line: Line<'a>, limits: &QuestionLimits) -> Command<'a> {
    match line {
        Line::Whole(line) => parse(line, limits),
        Line::TooLong(_) => Command::Invalid,
    }
}

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
pub fn parse<'a>(line: &'a [u8], limits: &QuestionLimits) -> Command<'a> {
    // A telnet's NUL belongs to the end of the line, not to its last field.
    let line = copy_of(line);
    match usual::iamat(line) {
        Some((iamat, b"")) => Command::Iamat(iamat),
        _ => by_the_grammar(line, limits).unwrap_or(Command::Invalid),
    }
}

/// The command of a line without its CR, whatever stands between its fields; none if it is none.
pub(super) fn by_the_grammar<'a>(line: &'a [u8], limits: &QuestionLimits) -> Option<Command<'a>> {
    match fields(line)? {
        [b"IAMAT", client, location, time] => iamat(client, location, time),
        [b"WHATSAT", client, radius_km, bound] => whatsat(client, radius_km, bound, limits),
        _ => None,
    }
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

/// Appends the reply to an IAMAT: the line that tells its report.
pub fn print_reply(out: &mut Vec<u8>, server: &str, skew_nanos: i64, iamat: &Iamat<'_>) {
    let Some(words) = iamat.words else {
        let (client, location, time) = (iamat.client.as_bytes(), iamat.location.text(), iamat.time.text());
        return print_at(out, server, skew_nanos, client, location, time);
    };
    print_taker(out, server, skew_nanos);
    out.push(b' ');
    out.extend_from_slice(words);
    out.push(b'\n');
}

fn print_taker(out: &mut Vec<u8>, server: &str, skew_nanos: i64) {
    out.extend_from_slice(b"AT ");
    out.extend_from_slice(server.as_bytes());
    out.extend_from_slice(if skew_nanos < 0 { b" -" } else { b" +" });
    print_seconds(out, skew_nanos.unsigned_abs());
}

fn iamat<'a>(client: &'a [u8], location: &'a [u8], time: &'a [u8]) -> Option<Command<'a>> {
    let client = ClientId::from_field(client)?;
    Some(Command::Iamat(Iamat::new(client, Location::parse(location)?, ClientTime::parse(time)?)))
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
    let end = from_start.iter().position(|&byte| is_white_space(byte)).unwrap_or(from_start.len());
    let (field, after) = from_start.split_at_checked(end)?;
    *rest = after;
    Some(field)
}
