//! The pieces: each by its name, with the operations of a round and how to prepare it.
//!
//! Only what herd-core shows is called, so that today's pieces fit yesterday's core. Appending to the log, digests and
//! fingerprints have no door of their own: they are in what a report that is news costs beyond one that is not.

use crate::{
    clients, links, neighbours,
    reports::{BATCH, CLIENTS},
};

/// Does the round of that number.
pub(crate) type Work = Box<dyn FnMut(usize) -> anyhow::Result<()>>;

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Piece {
    /// What it is called.
    pub(crate) name: &'static str,
    /// How many times a round does it.
    pub(crate) operations: usize,
    /// Prepares it for all rounds.
    pub(crate) prepare: fn() -> anyhow::Result<Work>,
}

/// All of them: first the way of a report from its client, then that to a neighbour and into its table.
pub(crate) const PIECES: [Piece; 19] = [
    each("cut a line out of a read", clients::cut),
    each("parse an IAMAT", clients::parse),
    each("apply a first report, 16 at a time", clients::apply_first),
    each("apply a newer report, 16 at a time", || clients::apply_newer(BATCH)),
    each("apply a newer report, 1 at a time", || clients::apply_newer(1)),
    each("apply a stale report, 16 at a time", clients::apply_stale),
    each("print an AT", clients::print),
    each("line to reply, 1 at a time", || clients::request(1)),
    each("line to reply, 16 at a time", || clients::request(BATCH)),
    each("line to reply, 1024 at a time", || clients::request(1024)),
    each("encode a record", neighbours::encode_record),
    each("decode a record", neighbours::decode_record),
    each("read a record from the log", neighbours::read_log),
    of_frames("encode a frame of 16 records", neighbours::encode_frame),
    of_frames("decode a frame of 16 records", neighbours::decode_frame),
    each("merge a newer record, 16 at a time", neighbours::merge_newer),
    each("merge a known record, 16 at a time", neighbours::merge_known),
    each("report to neighbour's table, 16 at a time", || links::pass_on(BATCH)),
    each("report to neighbour's table, 1024 at a time", || links::pass_on(1024)),
];

const fn each(name: &'static str, prepare: fn() -> anyhow::Result<Work>) -> Piece {
    Piece { name, operations: CLIENTS, prepare }
}

const fn of_frames(name: &'static str, prepare: fn() -> anyhow::Result<Work>) -> Piece {
    Piece { name, operations: CLIENTS / BATCH, prepare }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::rounds;

    #[test]
    fn every_piece_does_what_it_is_called_in_every_round() {
        for piece in PIECES {
            let mut work = (piece.prepare)().unwrap();
            rounds().try_for_each(&mut work).unwrap_or_else(|error| panic!("{}: {error:#}", piece.name));
        }
    }

    #[test]
    fn no_two_pieces_share_a_name() {
        let names: std::collections::HashSet<_> = PIECES.iter().map(|piece| piece.name).collect();
        assert_eq!(names.len(), PIECES.len());
    }
}
