//! A herd as a picture in text: servers on a ring, ordered so that few edges cross, edges as lines of Braille dots.
//!
//! The same herd always gives the same picture. Beyond [`DRAWN_SERVERS_MAX`] servers a ring says nothing any more.

use std::f64::consts::TAU;

/// Most servers in a picture.
pub(crate) const DRAWN_SERVERS_MAX: usize = 16;

/// Dots in a character cell, across and down.
const CELL: (usize, usize) = (2, 4);

/// The lines of the picture, or `None` if there are too many servers for one.
pub(crate) fn draw(names: &[&str], edges: &[(usize, usize)]) -> Option<Vec<String>> {
    if names.len() > DRAWN_SERVERS_MAX {
        return None;
    }
    let order = ring_order(names.len(), edges);
    let widest = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let across = 16 + 3 * names.len();
    let mut canvas = Canvas::new(across + widest + 2, 5 + 2 * names.len().clamp(1, 8));
    let spots: Vec<(usize, usize)> = (0..names.len())
        .map(|server| {
            let seat = order.iter().position(|&seated| seated == server).unwrap_or_default();
            canvas.spot(seat, names.len(), across)
        })
        .collect();
    for &(a, b) in edges {
        if let (Some(&from), Some(&to)) = (spots.get(a), spots.get(b)) {
            canvas.line(from, to);
        }
    }
    for (name, &spot) in names.iter().zip(&spots) {
        canvas.label(name, spot);
    }
    Some(canvas.lines())
}

/// Servers in the order of their seats on the ring: seats are swapped while that makes fewer edges cross, or as
/// many with shorter edges.
fn ring_order(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut best = cost(&order, edges);
    loop {
        let before = best;
        for a in 1..count {
            for b in a + 1..count {
                order.swap(a, b);
                let now = cost(&order, edges);
                if now < best {
                    best = now;
                } else {
                    order.swap(a, b);
                }
            }
        }
        if best == before {
            return order;
        }
    }
}

/// Crossings, then the seats that the edges pass over.
fn cost(order: &[usize], edges: &[(usize, usize)]) -> (usize, usize) {
    let seat = |server: usize| order.iter().position(|&seated| seated == server).unwrap_or_default();
    let chords: Vec<(usize, usize)> =
        edges.iter().map(|&(a, b)| (seat(a).min(seat(b)), seat(a).max(seat(b)))).collect();
    let crosses = |(a, b): (usize, usize), (c, d): (usize, usize)| {
        (a < c && c < b && b < d) || (c < a && a < d && d < b)
    };
    let crossings = chords
        .iter()
        .enumerate()
        .map(|(i, &one)| chords.iter().skip(i + 1).filter(|&&other| crosses(one, other)).count())
        .sum();
    let length = chords.iter().map(|(a, b)| (b - a).min(order.len() - (b - a))).sum();
    (crossings, length)
}

/// A grid of character cells with dots in them.
struct Canvas {
    width: usize,
    height: usize,
    cells: Vec<char>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, cells: vec![' '; width * height] }
    }

    /// The dot in the middle of a seat's cell, the first at the top, then clockwise.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the canvas, whose sides are small"
    )]
    fn spot(&self, seat: usize, seats: usize, across: usize) -> (usize, usize) {
        let turn = TAU * seat as f64 / seats as f64;
        let x = self.width as f64 / 2.0 + turn.sin() * across as f64 / 2.0;
        let y = (self.height - 1) as f64 / 2.0 * (1.0 - turn.cos());
        ((x * CELL.0 as f64) as usize, (y.round() as usize) * CELL.1 + CELL.1 / 2)
    }

    fn cell(&mut self, column: usize, row: usize) -> Option<&mut char> {
        (column < self.width).then(|| self.cells.get_mut(row * self.width + column)).flatten()
    }

    fn dot(&mut self, x: usize, y: usize) {
        // The Braille block numbers the dots of a cell in this order.
        const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let bit = BITS.get(y % CELL.1).and_then(|row| row.get(x % CELL.0)).copied().unwrap_or_default();
        if let Some(cell) = self.cell(x / CELL.0, y / CELL.1) {
            let dots = if *cell == ' ' { 0 } else { u32::from(*cell) & 0xFF };
            *cell = char::from_u32(0x2800 | dots | bit).unwrap_or(' ');
        }
    }

    fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, step: usize| (a * (steps - step) + b * step + steps / 2) / steps;
        for step in 0..=steps {
            self.dot(between(from.0, to.0, step), between(from.1, to.1, step));
        }
    }

    /// A name in the middle of its spot, with room on both sides.
    fn label(&mut self, name: &str, spot: (usize, usize)) {
        let text = format!(" {name} ");
        let left =
            (spot.0 / CELL.0).saturating_sub(text.len() / 2).min(self.width.saturating_sub(text.len()));
        for (character, column) in text.chars().zip(left..) {
            if let Some(cell) = self.cell(column, spot.1 / CELL.1) {
                *cell = character;
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let rows = self.cells.chunks(self.width.max(1));
        let mut lines: Vec<String> =
            rows.map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
        // An odd ring leaves the last row empty.
        lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    #[test]
    fn edges_cross_only_where_they_must() {
        // Riley's edges are the complete bipartite graph of two and three, which no ring holds without a crossing.
        for (preset, crossings) in
            [(Preset::Goloman, 0), (Preset::Farmar, 0), (Preset::Riley, 1), (Preset::Bailey, 0)]
        {
            let config = preset.config().unwrap();
            let order = ring_order(config.servers.len(), config.edges());
            assert_eq!(cost(&order, config.edges()).0, crossings, "{preset}");
        }
    }

    #[test]
    fn every_name_is_in_the_picture() {
        for count in 1..=DRAWN_SERVERS_MAX {
            let names: Vec<String> = (0..count).map(|i| format!("Server{i:02}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let edges: Vec<_> = (1..count).map(|i| (i - 1, i)).collect();
            let picture = draw(&names, &edges).unwrap().join("\n");
            for name in names {
                assert!(picture.contains(name), "{name} in\n{picture}");
            }
        }
        assert_eq!(draw(&["a"; DRAWN_SERVERS_MAX + 1], &[]), None);
    }
}
