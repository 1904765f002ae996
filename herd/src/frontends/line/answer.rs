//! From lines to replies: what TCP and UDP have in common.

use herd_core::{
    command::{Command, Question},
    node::Answer,
    position::{Location, Position},
    server::Name,
    wire::{line, lines::Line},
};

/// The bytes of a line as they came.
pub(super) const fn bytes<'a>(line: &Line<'a>) -> &'a [u8] {
    match line {
        Line::Whole(bytes) | Line::TooLong(bytes) => bytes,
    }
}

/// Appends the reply to a line, all of it but what the provider says; that is to be asked for what is returned.
pub(super) fn print(
    out: &mut Vec<u8>,
    server: &Name,
    line: &Line<'_>,
    command: &Command<'_>,
    answer: &Answer,
) -> Option<(Position, Question)> {
    match (line, command, answer) {
        (Line::Whole(_), Command::Iamat(iamat), Answer::Taken { skew_nanos }) => {
            line::print_reply(out, server.as_str(), *skew_nanos, iamat);
            None
        }
        (Line::Whole(_), Command::Whatsat(whatsat), Answer::Found(sighting)) => {
            sighting.print(out);
            Some((Location::parse(&sighting.location)?.position(), whatsat.question))
        }
        (Line::TooLong(head), ..) => {
            line::print_refusal_of_cut(out, head);
            None
        }
        (Line::Whole(bytes), ..) => {
            line::print_refusal(out, bytes);
            None
        }
    }
}
