//! The most prominent places of a circle, found without looking at the rest of it.
//!
//! The children of a cell (cells, in the end points) are stored best rank first, and all points below a cell lie
//! together. The search keeps one cursor per opened cell in a heap ordered by rank, and ends when the best cursor is
//! behind what was found. The one thing to know: a cell of few points, or a row of such cells, is not opened but read
//! through, since points in a row cost far less than cells here and there.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use herd_core::limits::PLACES_BOUND_MAX;

use super::{
    circle::Circle,
    grid::LEVELS,
    index::{Index, Node},
    place::Coordinates,
};

/// Points of a cell that are read through: 3 KB, about what a handful of cells costs.
const READ_THROUGH_MAX: usize = 256;

/// A place found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Its number in the order of prominence.
    pub(crate) rank: u32,
    /// Where it is.
    pub(crate) at: Coordinates,
}

/// The `limit` most prominent places in the circle, most prominent first.
pub(crate) fn search(index: &Index, circle: &Circle, limit: usize) -> Vec<Hit> {
    let (open, best) = (BinaryHeap::new(), BinaryHeap::with_capacity(limit.min(PLACES_BOUND_MAX.into())));
    let mut search = Search { index, circle, limit, open, best };
    for cells in circle.degrees() {
        let points = index.points(&cells);
        if points.len() <= READ_THROUGH_MAX {
            search.read_through(points);
            continue;
        }
        for at in index.degrees(&cells) {
            search.follow(Cursor { rank: 0, level: 0, at, end: at + 1 });
        }
    }
    while let Some(Reverse(cursor)) = search.open.pop()
        && search.wants(cursor.rank)
    {
        search.take(cursor);
        search.follow(Cursor { at: cursor.at + 1, ..cursor });
    }
    let points = index.level(LEVELS);
    let hit = |(rank, at): (u32, usize)| Some(Hit { rank, at: Node::read(points.get(at)?).point()? });
    let mut hits = Vec::with_capacity(search.best.len());
    hits.extend(search.best.into_sorted_vec().into_iter().filter_map(hit));
    hits
}

/// A cursor on the row `at` of a level, with siblings up to `end`. The rank comes first: it orders the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    rank: u32,
    level: usize,
    at: usize,
    end: usize,
}

/// A search under way.
struct Search<'a> {
    index: &'a Index,
    circle: &'a Circle,
    limit: usize,
    /// Where to go on, best rank first.
    open: BinaryHeap<Reverse<Cursor>>,
    /// The best points so far, worst first: rank and row.
    best: BinaryHeap<(u32, usize)>,
}

impl Search<'_> {
    /// Whether a point of this rank belongs to the best so far.
    fn wants(&self, rank: u32) -> bool {
        self.best.len() < self.limit || self.best.peek().is_some_and(|(worst, _)| rank < *worst)
    }

    fn keep(&mut self, rank: u32, row: usize) {
        if self.best.len() == self.limit {
            self.best.pop();
        }
        self.best.push((rank, row));
    }

    /// Puts a cursor on the first row from its own on that the circle touches.
    fn follow(&mut self, cursor: Cursor) {
        let rows = self.index.level(cursor.level).get(cursor.at..cursor.end).unwrap_or_default();
        let touches = |node: &Node| {
            if cursor.level == LEVELS {
                return node.point().is_some_and(|point| self.circle.contains(point));
            }
            let (middle, half) = node.cell().extent(cursor.level);
            self.circle.touches(middle, half)
        };
        let found = rows.iter().map(Node::read).enumerate().find(|(_, node)| touches(node));
        let moved =
            found.map(|(skipped, node)| Cursor { rank: node.rank, at: cursor.at + skipped, ..cursor });
        self.open.extend(moved.map(Reverse));
    }

    /// Takes in what a cursor is on: a point, few points, or one more cell to look into.
    fn take(&mut self, cursor: Cursor) {
        if cursor.level == LEVELS {
            return self.keep(cursor.rank, cursor.at);
        }
        let points = self.index.below(cursor.level, cursor.at, LEVELS);
        if points.len() <= READ_THROUGH_MAX {
            return self.read_through(points);
        }
        let level = cursor.level + 1;
        let Range { start, end } = self.index.below(cursor.level, cursor.at, level);
        self.follow(Cursor { rank: 0, level, at: start, end });
    }

    fn read_through(&mut self, points: Range<usize>) {
        let rows = self.index.level(LEVELS).get(points.clone()).unwrap_or_default();
        for (row, node) in points.zip(rows.iter().map(Node::read)) {
            if self.wants(node.rank) && node.point().is_some_and(|point| self.circle.contains(point)) {
                self.keep(node.rank, row);
            }
        }
    }
}

#[cfg(test)]
mod tests;
