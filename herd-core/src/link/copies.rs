//! Copies that arrived and are not merged yet, so that live reports behind them need not wait.
//!
//! The one thing to know: they are merged slice by slice, between one look at the socket and the next, and a piece is said to be
//! taken when its last slice is. So the peer hands out no more than we merge.

use std::collections::VecDeque;

use crate::{
    limits::{COPIES_WAITING_BYTES_MAX, COPY_SLICE_BYTES},
    wire::record,
};

/// Bytes that a piece takes besides its records: empty ones are not for nothing.
const PIECE_COST: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Whole records with our server numbers, as they came.
    pieces: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Bytes of the first piece that are merged.
    merged: usize,
}

impl Copies {
    pub(super) fn push(&mut self, piece: Box<[u8]>) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// More wait than live reports are let past.
    pub(super) fn are_too_many(&self) -> bool {
        self.bytes + self.pieces.len() * PIECE_COST > COPIES_WAITING_BYTES_MAX
    }

    /// What is to be merged next, if anything waits.
    pub(super) fn next_slice(&self) -> Option<&[u8]> {
        let unmerged = self.pieces.front()?.get(self.merged..).unwrap_or_default();
        Some(record::whole_records(unmerged, COPY_SLICE_BYTES, true))
    }

    /// The next slice, of so many bytes, is merged; says whether that was the last of its piece.
    pub(super) fn advance(&mut self, bytes: usize) -> bool {
        self.merged += bytes;
        let is_piece_done = self.pieces.front().is_some_and(|piece| self.merged >= piece.len());
        if is_piece_done {
            self.bytes -= std::mem::take(&mut self.merged);
            self.pieces.pop_front();
        }
        is_piece_done
    }
}
