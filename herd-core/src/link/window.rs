//! How much copying may be under way, so that live reports behind it do not wait long.
//!
//! What fills the buffers between two servers delays whatever follows it. So a piece that takes more than twice the time of
//! the fastest one is taken as a sign that others queue before it, and fewer may be under way; else more: as in TCP
//! Vegas (L. Brakmo, L. Peterson, 1995), by delay and not by loss. Live reports take no part.

use std::{collections::VecDeque, time::Duration};

use crate::{
    limits::{COPY_BYTES_UNDER_WAY_MAX, COPY_NEAR, COPY_PIECE_BYTES_MAX, COPY_PIECE_BYTES_MIN},
    time::Moment,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    /// Bytes that may be under way; a piece may begin as long as there are fewer.
    allowed: usize,
    under_way: VecDeque<(usize, Moment)>,
    bytes: usize,
    /// The shortest time that a piece took to be merged.
    fastest: Duration,
    /// A piece that was no crumb was merged soon.
    is_near: bool,
    /// No queue was met yet: it opens by a piece for each that is merged, later by one for each window full of them.
    is_opening: bool,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self {
            allowed: 1,
            under_way: VecDeque::new(),
            bytes: 0,
            fastest: Duration::MAX,
            is_near: false,
            is_opening: true,
        }
    }

    /// Whether another piece may be sent.
    pub(super) const fn is_open(&self) -> bool {
        self.bytes < self.allowed
    }

    /// How long that may be: no longer than needed where the peer, or what is between, is slow.
    pub(super) fn piece_bytes(&self) -> usize {
        if self.is_near { COPY_PIECE_BYTES_MAX } else { COPY_PIECE_BYTES_MIN }
    }

    /// A piece is sent.
    pub(super) fn sent(&mut self, bytes: usize, now: Moment) {
        self.under_way.push_back((bytes, now));
        self.bytes += bytes;
    }

    /// The peer says that it has merged the next piece.
    pub(super) fn taken(&mut self, now: Moment) {
        let Some((bytes, sent_at)) = self.under_way.pop_front() else { return };
        self.bytes -= bytes;
        let took = now.since(sent_at);
        self.fastest = self.fastest.min(took);
        self.is_near |= took < COPY_NEAR && bytes > COPY_PIECE_BYTES_MIN / 2;
        let (has_queued, piece) = (took > self.fastest * 2, self.piece_bytes());
        let step = piece * piece / self.allowed.max(piece);
        let allowed = match (has_queued, self.is_opening) {
            (false, true) => self.allowed + piece,
            (false, false) => self.allowed + step,
            (true, true) => self.allowed / 2,
            (true, false) => self.allowed.saturating_sub(step),
        };
        self.is_opening &= !has_queued;
        // While one piece is merged the next is on its way.
        self.allowed = allowed.clamp(2 * piece, COPY_BYTES_UNDER_WAY_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way of `delay_ms` with a peer that merges a piece a millisecond: most bytes under way, and pieces merged in
    /// a second.
    fn ship(delay_ms: u64) -> (usize, u64) {
        let at = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let (mut window, mut arriving, mut most, mut merged) = (Window::new(), VecDeque::new(), 0, 0);
        for ms in 0..1000 + 20 * delay_ms {
            while window.is_open() {
                window.sent(window.piece_bytes(), at(ms));
                let behind = arriving.back().map_or(0, |last| last + 1);
                arriving.push_back((ms + delay_ms).max(behind));
            }
            while arriving.front().is_some_and(|&done| done <= ms) {
                arriving.pop_front();
                window.taken(at(ms));
                merged += u64::from(ms >= 20 * delay_ms);
            }
            most = most.max(window.bytes);
        }
        (most, merged)
    }

    #[test]
    fn a_near_peer_has_a_few_pieces_before_it_and_a_far_one_is_kept_busy() {
        let (near, merged) = ship(1);
        assert!(near <= 8 * COPY_PIECE_BYTES_MAX && merged > 900, "{near} {merged}");
        let (far, merged) = ship(100);
        assert!(far <= 500 * COPY_PIECE_BYTES_MIN && merged > 800, "{far} {merged}");
    }

    #[test]
    fn a_crumb_that_was_merged_soon_says_nothing_of_a_line() {
        let mut window = Window::new();
        let mut merge = |bytes| {
            window.sent(bytes, Moment::from_nanos(0));
            window.taken(Moment::from_nanos(1));
            window.piece_bytes()
        };
        assert_eq!(merge(60), COPY_PIECE_BYTES_MIN);
        assert_eq!(merge(COPY_PIECE_BYTES_MIN), COPY_PIECE_BYTES_MAX);
    }

    #[test]
    fn a_peer_that_claims_to_have_merged_what_was_not_sent_gains_nothing() {
        let mut window = Window::new();
        (0..1000).for_each(|_| window.taken(Moment::from_nanos(1)));
        assert_eq!((window.bytes, window.allowed), (0, 1));
    }
}
