//! Takes the payload of a frame apart, field by field; `None` where it ends too early. Knows no frame.

use crate::{server::Name, time::Timestamp};

/// What is left of a payload.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn new(payload: &'a [u8]) -> Self {
        Self(payload)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.byte().and_then(|byte| [false, true].get(usize::from(byte)).copied())
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Nanoseconds below 2^63, as any clock has.
    pub(super) fn timestamp(&mut self) -> Option<Timestamp> {
        let nanos = self.u64()?;
        Some(Timestamp::from_nanos(nanos)).filter(|at| at.as_nanos() == nanos)
    }

    pub(super) fn numbers(&mut self, count: usize) -> Option<Vec<u64>> {
        (0..count).map(|_| self.u64()).collect()
    }

    pub(super) fn name(&mut self) -> Option<Name> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Name::new(std::str::from_utf8(text).ok()?).ok()
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

pub(super) fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}
