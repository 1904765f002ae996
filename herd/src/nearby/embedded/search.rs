//! The most prominent places of a circle, found best first, without looking at the rest of the circle.
//!
//! The children of a cell (cells, in the end points) are stored best rank first. The search keeps one cursor per opened
//! cell in a heap ordered by rank; the next best point of the circle is always behind the best cursor.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    circle::Circle,
    grid::{Cell, LEVELS},
    index::{Index, Node},
    place::Coordinates,
};

/// A place found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Its number in the order of prominence.
    pub(crate) rank: u32,
    /// Where it is.
    pub(crate) at: Coordinates,
}

/// A cursor on the row `at` of a level, with siblings up to `end`. The rank comes first: it orders the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    rank: u32,
    level: usize,
    at: usize,
    end: usize,
}

/// The `limit` most prominent places in the circle, most prominent first.
pub(crate) fn search(index: &Index, circle: &Circle, limit: usize) -> Vec<Hit> {
    let mut heap = BinaryHeap::new();
    for at in roots(index, circle) {
        heap.extend(next(index, circle, Cursor { rank: 0, level: 0, at, end: at + 1 }).map(Reverse));
    }
    let mut hits = Vec::with_capacity(limit);
    while hits.len() < limit
        && let Some(Reverse(best)) = heap.pop()
    {
        let rows = index.level(best.level);
        let Some(node) = rows.get(best.at).map(Node::read) else { continue };
        heap.extend(next(index, circle, Cursor { at: best.at + 1, ..best }).map(Reverse));
        if best.level == LEVELS {
            hits.extend(node.point().map(|at| Hit { rank: node.rank, at }));
            continue;
        }
        let level = best.level + 1;
        let first_child = |node: Node| usize::try_from(node.first_child()).unwrap_or(usize::MAX);
        // The children end where those of the next cell of the level start.
        let end = rows.get(best.at + 1).map(Node::read).map_or_else(|| index.level(level).len(), first_child);
        let children = Cursor { rank: 0, level, at: first_child(node), end };
        heap.extend(next(index, circle, children).map(Reverse));
    }
    hits
}

/// The first row from the cursor on that the circle touches.
fn next(index: &Index, circle: &Circle, cursor: Cursor) -> Option<Cursor> {
    let rows = index.level(cursor.level).get(cursor.at..)?;
    let span = cursor.end.saturating_sub(cursor.at).min(rows.len());
    let touches = |node: Node| {
        if cursor.level == LEVELS {
            return node.point().is_some_and(|point| circle.contains(point));
        }
        let (middle, half) = node.cell().extent(cursor.level);
        circle.touches(middle, half)
    };
    let found = rows.iter().take(span).map(Node::read).enumerate().find(|(_, node)| touches(*node));
    found.map(|(skipped, node)| Cursor { rank: node.rank, at: cursor.at + skipped, ..cursor })
}

/// Rows of the 1-degree cells in the circle's latitudes.
#[expect(clippy::cast_possible_truncation, reason = "clamped to whole latitudes")]
fn roots(index: &Index, circle: &Circle) -> std::ops::Range<usize> {
    let (south, north) = circle.latitudes();
    let first = Cell::row(south.floor().clamp(-90.0, 89.0) as i32).0;
    let end = Cell::row(north.floor().clamp(-90.0, 89.0) as i32).1;
    let cells = index.level(0);
    let position = |cell: Cell| cells.partition_point(|row| Node::read(row).cell() < cell);
    position(first)..position(end)
}

#[cfg(test)]
mod tests;
