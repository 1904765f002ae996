//! What a herd's edges mean for it: how far news travels, and what would split it.
//!
//! Servers are positions in the order of the file. Everything is found by walking the graph anew with one
//! server or edge left out: quadratic, and instant for the few servers that a herd has.

use std::collections::VecDeque;

/// The analysis of a herd's edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The groups of servers that hear each other, each in ascending order; one group if all is well.
    pub parts: Vec<Vec<usize>>,
    /// The two servers farthest apart and the hops between them; `None` for a single server. Within parts only.
    pub diameter: Option<(usize, usize, usize)>,
    /// Servers whose loss splits others apart.
    pub cut_servers: Vec<usize>,
    /// Edges whose loss splits servers apart.
    pub bridges: Vec<(usize, usize)>,
}

impl Shape {
    /// The shape of `count` servers with these edges.
    #[must_use]
    pub fn new(count: usize, edges: &[(usize, usize)]) -> Self {
        let parts = parts(count, edges);
        let farthest = |from: usize| {
            let hops = hops(count, edges, from);
            let reached = hops.into_iter().enumerate().filter_map(|(to, hops)| Some((hops?, from, to)));
            reached.max_by_key(|&(hops, _, to)| (hops, usize::MAX - to))
        };
        let diameter =
            (0..count).filter_map(farthest).max_by_key(|&(hops, from, _)| (hops, usize::MAX - from));
        // A server that is left out is a part of its own, so the loss of a harmless one adds one part; a server
        // without edges was one already.
        let is_cut = |&server: &usize| {
            let rest: Vec<_> = edges.iter().copied().filter(|&(a, b)| a != server && b != server).collect();
            rest.len() < edges.len() && self::parts(count, &rest).len() > parts.len() + 1
        };
        let is_bridge = |edge: &(usize, usize)| {
            let rest: Vec<_> = edges.iter().copied().filter(|other| other != edge).collect();
            self::parts(count, &rest).len() > parts.len()
        };
        Self {
            diameter: diameter.filter(|&(hops, ..)| hops > 0).map(|(hops, from, to)| (from, to, hops)),
            cut_servers: (0..count).filter(is_cut).collect(),
            bridges: edges.iter().copied().filter(is_bridge).collect(),
            parts,
        }
    }
}

/// Hops from one server to each, `None` for those out of reach.
pub(super) fn hops(count: usize, edges: &[(usize, usize)], from: usize) -> Vec<Option<usize>> {
    let mut hops = vec![None; count];
    let mut queue = VecDeque::from([(from, 0)]);
    while let Some((server, distance)) = queue.pop_front() {
        let Some(unseen) = hops.get_mut(server).filter(|hops| hops.is_none()) else { continue };
        *unseen = Some(distance);
        for &(a, b) in edges {
            if a == server {
                queue.push_back((b, distance + 1));
            } else if b == server {
                queue.push_back((a, distance + 1));
            }
        }
    }
    hops
}

fn parts(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for server in 0..count {
        if !parts.iter().any(|part| part.contains(&server)) {
            let reached = hops(count, edges, server).into_iter().enumerate();
            parts.push(reached.filter_map(|(to, hops)| hops.map(|_| to)).collect());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_points_are_found() {
        // A triangle 0-1-2 with a tail 2-3-4.
        let shape = Shape::new(5, &[(0, 1), (0, 2), (1, 2), (2, 3), (3, 4)]);
        assert_eq!(shape.parts, [[0, 1, 2, 3, 4]]);
        assert_eq!(shape.diameter, Some((0, 4, 3)));
        assert_eq!(shape.cut_servers, [2, 3]);
        assert_eq!(shape.bridges, [(2, 3), (3, 4)]);
    }

    #[test]
    fn a_ring_has_no_weak_point() {
        let shape = Shape::new(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        assert_eq!(shape.diameter, Some((0, 2, 2)));
        assert!(shape.cut_servers.is_empty() && shape.bridges.is_empty());
    }

    #[test]
    fn parts_that_never_hear_each_other_are_told() {
        let shape = Shape::new(4, &[(0, 2)]);
        assert_eq!(shape.parts, [vec![0, 2], vec![1], vec![3]]);
        assert_eq!(shape.bridges, [(0, 2)]);
        assert!(shape.cut_servers.is_empty());
        assert_eq!(Shape::new(1, &[]).diameter, None);
    }
}
