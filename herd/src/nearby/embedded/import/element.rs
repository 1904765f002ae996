//! OpenStreetMap's elements as both of its formats hold them, and the one thing a reader does: show all of a kind.

use super::ImportError;
use crate::nearby::embedded::{place::Coordinates, tags::Tags};

/// Node, way or relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    Node,
    Way,
    Relation,
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) id: i64,
    pub(super) tags: &'a Tags<'a>,
    pub(super) body: Body<'a>,
}

/// What an element is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body<'a> {
    Node(Coordinates),
    /// IDs of its nodes.
    Way(&'a [i64]),
    Relation(&'a [Member]),
}

/// A part of a relation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) kind: ElementKind,
    pub(super) id: i64,
    /// Whether it is the hole in an area.
    pub(super) inner: bool,
}

/// A file of elements that can be read again and again.
pub(super) trait Elements {
    /// Shows every element of a kind, in the order of the file.
    fn visit(&mut self, kind: ElementKind, each: &mut dyn FnMut(Element<'_>)) -> Result<(), ImportError>;
}
