//! Makes an index of records: ranks them, sorts them into cells, writes the sections one after the other.
//!
//! Not a reader of any format: `import/` and `builtin.rs` fill it.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::{
    grid::{Cell, LEVELS},
    index::{HEADER_BYTES, MAGIC, NODE_BYTES, PLACE_BYTES, SECTIONS, VERSION},
    place::{Coordinates, PlaceKey},
};

/// Bytes of a text that are kept. OSM allows 255 characters, GeoNames 200.
const TEXT_BYTES_MAX: usize = 1024;

/// Where a text starts among the texts of an index; the default is the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TextRef(u32);

/// One place on its way into an index: 48 bytes, its texts elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// Whose place it is. Of two records with one key the first added counts.
    pub(crate) key: PlaceKey,
    /// Prominence: more is better.
    pub(crate) score: f32,
    /// Where it is.
    pub(crate) at: Coordinates,
    /// Its name.
    pub(crate) name: TextRef,
    /// Google's types, separated by spaces.
    pub(crate) types: TextRef,
    /// Street and town.
    pub(crate) vicinity: TextRef,
    /// Town, region, country.
    pub(crate) locality: TextRef,
    /// Half height and half width of the viewport in 1e-7 degrees.
    pub(crate) half: [u32; 2],
}

/// The texts of an index, each kept once.
#[derive(Debug)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    /// Where the text with a hash is.
    known: HashMap<u64, u32>,
    overflowed: bool,
}

/// An index in the making.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    /// The texts so far.
    pub(crate) texts: Texts,
    /// The places so far.
    pub(crate) records: Vec<Record>,
}

impl Default for Texts {
    fn default() -> Self {
        // The empty text is at 0.
        Self { bytes: vec![0, 0], known: HashMap::new(), overflowed: false }
    }
}

impl Texts {
    /// Keeps a text, cut after 1024 bytes. Texts of more than 4 GiB in all make [`Builder::write`] fail.
    pub(crate) fn add(&mut self, text: &str) -> TextRef {
        if text.is_empty() {
            return TextRef::default();
        }
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        let hash = xxh3_64(text.as_bytes());
        if let Some(&at) = self.known.get(&hash)
            && self.get(TextRef(at)) == text
        {
            return TextRef(at);
        }
        let (Ok(at), Ok(length)) = (u32::try_from(self.bytes.len()), u16::try_from(text.len())) else {
            self.overflowed = true;
            return TextRef::default();
        };
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(text.as_bytes());
        self.known.insert(hash, at);
        TextRef(at)
    }

    /// A text that was kept.
    pub(crate) fn get(&self, text: TextRef) -> &str {
        let rest = usize::try_from(text.0).ok().and_then(|at| self.bytes.get(at..));
        let Some((length, rest)) = rest.and_then(|rest| rest.split_first_chunk()) else { return "" };
        rest.get(..usize::from(u16::from_le_bytes(*length)))
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or("")
    }
}

impl Builder {
    /// Ranks, sorts and writes the index; the writer is not flushed. Returns the number of places written.
    ///
    /// # Errors
    /// The writer failed or there is too much to write; what it holds is no index.
    pub(crate) fn write(mut self, out: &mut dyn Write) -> io::Result<usize> {
        if self.texts.overflowed || u32::try_from(self.records.len()).is_err() {
            return Err(io::Error::other("an index holds 4 GiB of texts and 2^32 places at most"));
        }
        // Stable: of two equal keys the first added stays in front and survives.
        self.records.sort_by_key(|record| record.key);
        self.records.dedup_by_key(|record| record.key);
        self.records.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.key.cmp(&b.key)));
        let levels = levels(&self.records);

        let lengths = [self.texts.bytes.len(), self.records.len() * PLACE_BYTES]
            .into_iter()
            .chain([LEVELS, 0, 1, 2].map(|level| levels[level].len() * NODE_BYTES));
        let mut out = Summed { out, sum: Xxh3Default::new() };
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&u32::try_from(SECTIONS).map_err(io::Error::other)?.to_le_bytes())?;
        let mut offset = HEADER_BYTES;
        for length in lengths {
            out.write_all(&(offset as u64).to_le_bytes())?;
            out.write_all(&(length as u64).to_le_bytes())?;
            offset += length;
        }
        out.write_all(&self.texts.bytes)?;
        for record in &self.records {
            out.write_all(&record.key.to_bits().to_le_bytes())?;
            let texts = [record.name, record.types, record.vicinity, record.locality].map(|text| text.0);
            for word in texts.into_iter().chain(record.half) {
                out.write_all(&word.to_le_bytes())?;
            }
        }
        for level in [LEVELS, 0, 1, 2] {
            for word in levels[level].iter().flatten() {
                out.write_all(&word.to_le_bytes())?;
            }
        }
        let sum = out.sum.digest();
        out.write_all(&sum.to_le_bytes())?;
        Ok(self.records.len())
    }
}

/// Rows of each level, cells first, points last: see `index.rs` for their words.
type Rows = Vec<[u32; 3]>;

/// Sorts ranked records into cells. On every level the children of a cell lie together, best rank first; the
/// 1-degree cells lie in the order of their numbers.
fn levels(records: &[Record]) -> [Rows; LEVELS + 1] {
    let mut points: Vec<(Cell, u32)> =
        records.iter().zip(0..).map(|(r, rank)| (Cell::of(r.at), rank)).collect();
    points.sort_unstable();
    let fine = best_of(&points, |cell| cell);
    let tenths = best_of(&fine, Cell::parent);
    let degrees = best_of(&tenths, Cell::parent);

    let mut degrees: Rows = degrees.iter().map(|(cell, best)| [*best, cell.to_bits(), 0]).collect();
    let mut tenths = descend(&mut degrees, &tenths, Cell::parent);
    let mut fine = descend(&mut tenths, &fine, Cell::parent);
    let mut points = descend(&mut fine, &points, |cell| cell);
    for row in &mut points {
        // A point's words are its coordinates, not its cell.
        if let Some(record) = usize::try_from(row[0]).ok().and_then(|rank| records.get(rank)) {
            row[1] = record.at.latitude().cast_unsigned();
            row[2] = record.at.longitude().cast_unsigned();
        }
    }
    [degrees, tenths, fine, points]
}

/// The parents of sorted children, each with the best rank below it.
fn best_of(children: &[(Cell, u32)], parent: fn(Cell) -> Cell) -> Vec<(Cell, u32)> {
    let groups = children.chunk_by(|a, b| parent(a.0) == parent(b.0));
    groups
        .filter_map(|group| Some((parent(group.first()?.0), group.iter().map(|(_, rank)| *rank).min()?)))
        .collect()
}

/// The rows of the next level in the order of their parents' rows, into which it writes where they start.
fn descend(parents: &mut Rows, children: &[(Cell, u32)], parent: fn(Cell) -> Cell) -> Rows {
    let mut rows = Rows::with_capacity(children.len());
    for row in parents {
        let start = rows.len();
        // Ranks are 32 bits wide, so are row numbers.
        row[2] = u32::try_from(start).unwrap_or(u32::MAX);
        let cell = Cell::from_bits(row[1]);
        let first = children.partition_point(|child| parent(child.0) < cell);
        let own = children[first..].iter().take_while(|child| parent(child.0) == cell);
        rows.extend(own.map(|(child, rank)| [*rank, child.to_bits(), 0]));
        rows[start..].sort_unstable_by_key(|row| row[0]);
    }
    rows
}

/// A writer that sums what passes.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Xxh3Default,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_cut_between_characters() {
        let mut texts = Texts::default();
        let café = texts.add("Café");
        assert_eq!(texts.add("Café"), café);
        assert_eq!(texts.get(café), "Café");
        assert_eq!(texts.add(""), TextRef::default());
        assert_eq!(texts.get(TextRef::default()), "");
        let long = texts.add(&"é".repeat(600));
        assert_eq!(texts.get(long).len(), 1024);
        let odd = texts.add(&format!("x{}", "é".repeat(600)));
        assert_eq!(texts.get(odd).len(), 1023);
    }
}
