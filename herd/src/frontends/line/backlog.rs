//! What was read of a connection and has not had its turn: taken off the front, a turn at a time, without being moved.

/// See the module. An empty one holds no memory.
#[derive(Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    /// How many of them had their turn.
    taken: usize,
}

impl Backlog {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What waits.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets all but the last `bytes`.
    pub(super) fn keep(&mut self, bytes: usize) {
        self.taken = self.bytes.len().saturating_sub(bytes);
        if bytes == 0 {
            *self = Self::default();
        }
    }
}
