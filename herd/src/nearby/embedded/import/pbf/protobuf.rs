//! As much of the protobuf wire format as OSM PBF uses. `None` is damage.

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Fixed 32 or 64 bits: skipped.
    Fixed,
}

/// The fields of a message: number and value. Ends after the first damage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = varint(&mut self.0)?;
        let wire = match tag & 7 {
            0 => Wire::Varint(varint(&mut self.0)?),
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Wire::Bytes(bytes)
            }
            5 => self.skip(4)?,
            _ => return None,
        };
        Some((tag >> 3, wire))
    }

    fn skip(&mut self, bytes: usize) -> Option<Wire<'a>> {
        self.0 = self.0.get(bytes..)?;
        Some(Wire::Fixed)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// The numbers of a packed field. Ends after the first damage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a>(pub(super) &'a [u8]);

impl Iterator for Packed<'_> {
    type Item = Option<u64>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let number = varint(&mut self.0);
        if number.is_none() {
            self.0 = &[];
        }
        Some(number)
    }
}

/// A signed number that was made unsigned by alternating.
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_format_says() {
        assert_eq!(varint(&mut &[0xac, 0x02][..]), Some(300));
        assert_eq!(varint(&mut &[0xff; 9][..]), None);
        assert_eq!(varint(&mut &[0xff; 20][..]), None);
        assert_eq!([0, 1, 2, 3, u64::MAX].map(unzigzag), [0, -1, 1, -2, i64::MIN]);
    }

    #[test]
    fn a_length_past_the_end_is_damage() {
        let fields: Vec<_> = Fields::new(&[0x08, 0x01, 0x12, 0x7f, 0x00]).collect();
        assert_eq!(fields, [Some((1, Wire::Varint(1))), None]);
    }
}
