//! The index file as it is read: header, sections, rows. Nothing here trusts a number that it finds in the file.
//!
//! Layout, all little-endian: magic (8 bytes), version (u32), number of sections (u32), per section offset and length
//! (u64 each), the sections, and last an XXH3-64 of everything before it. See `docs/places.md`.
//!
//! A place's *rank* is its number in the order of prominence, 0 the most prominent. Rows of places are in that order;
//! cells and points point to ranks.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    grid::{Cell, LEVELS},
    mmap::{self, Content},
    place::{Coordinates, PlaceKey},
};

/// First bytes of every index.
pub(crate) const MAGIC: [u8; 8] = *b"herd.idx";
/// Raised whenever the layout changes; there is no reading of old ones, an index is made anew from its sources.
pub(crate) const VERSION: u32 = 1;

/// Sections in their order: texts, places by rank, points by finest cell, and the cells of each level.
pub(crate) const SECTIONS: usize = 3 + LEVELS;
/// Bytes before the first section.
pub(crate) const HEADER_BYTES: usize = MAGIC.len() + 8 + SECTIONS * 16;
/// Bytes of a row of cells (best rank, number, first child) and of points (rank, latitude, longitude).
pub(crate) const NODE_BYTES: usize = 12;
/// Bytes of a row of places: key, four texts, half height and half width of the viewport.
pub(crate) const PLACE_BYTES: usize = 32;

const TEXTS: usize = 0;
const PLACES: usize = 1;
const POINTS: usize = 2;
const CELLS: usize = 3;

/// Why an index cannot be opened. The file is at fault (or the name of it); nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It cannot be opened or mapped.
    #[error("cannot open {path:?}: {error}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is something else.
    #[error("this is no place index (make one with `herd places import`): {0:?}")]
    Foreign(PathBuf),
    /// It was made by another version of herd.
    #[error("the place index has format {found}, this herd reads {VERSION} (import it again): {path:?}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It ends too early, or bytes of it changed.
    #[error("the place index is damaged ({what}; import it again): {path:?}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
}

/// The bytes of an index: a file, or one built in memory.
#[derive(Debug)]
enum IndexBytes {
    File(Content),
    Owned(Vec<u8>),
}

/// A checked index.
#[derive(Debug)]
pub(crate) struct Index {
    bytes: IndexBytes,
    sections: [Range<usize>; SECTIONS],
    /// By the number of a 1-degree cell: the first point in it, or behind it. 260 KB that spare a search the way there.
    first_points: Vec<u32>,
}

/// What a row of cells or points says: the best rank in it, and two more words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// Rank of the point, or of the best point in the cell.
    pub(crate) rank: u32,
    words: [u32; 2],
}

/// What the index says about one place, its texts in UTF-8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceRow<'a> {
    /// Whose place it is.
    pub(crate) key: PlaceKey,
    /// Its name.
    pub(crate) name: &'a [u8],
    /// Google's types, separated by spaces.
    pub(crate) types: &'a [u8],
    /// Street and town, or empty.
    pub(crate) vicinity: &'a [u8],
    /// Town, region and country as far as known, or empty.
    pub(crate) locality: &'a [u8],
    /// Half height and half width of its viewport in 1e-7 degrees.
    pub(crate) half: [u32; 2],
}

impl Index {
    /// Opens and checks an index file, which reads all of it once; up to `read_bytes_max` it stays in memory.
    ///
    /// # Errors
    /// The file is missing, is no index, is of another version, or damaged.
    pub(crate) fn open(path: &Path, read_bytes_max: usize) -> Result<Self, IndexError> {
        let content = mmap::open(path, read_bytes_max)
            .map_err(|error| IndexError::Open { path: path.into(), error })?;
        Self::check(IndexBytes::File(content), path)
    }

    /// Checks an index that was built in memory; `name` stands for the path in errors.
    ///
    /// # Errors
    /// The bytes are no index of this version.
    pub(crate) fn from_bytes(bytes: Vec<u8>, name: &Path) -> Result<Self, IndexError> {
        Self::check(IndexBytes::Owned(bytes), name)
    }

    fn check(bytes: IndexBytes, path: &Path) -> Result<Self, IndexError> {
        let damaged = |what| IndexError::Damaged { path: path.into(), what };
        let all = bytes.as_slice();
        if !all.starts_with(&MAGIC) {
            return Err(IndexError::Foreign(path.into()));
        }
        let header = all.get(MAGIC.len()..HEADER_BYTES).ok_or_else(|| damaged("the header is cut off"))?;
        let [found, count] = words(header);
        if found != VERSION {
            return Err(IndexError::Version { path: path.into(), found });
        }
        if usize::try_from(count) != Ok(SECTIONS) {
            return Err(damaged("the header names other sections"));
        }
        let body_end = all.len().checked_sub(8).ok_or_else(|| damaged("it is cut off"))?;
        let mut sections = [const { 0..0 }; SECTIONS];
        for (section, entry) in sections.iter_mut().zip(header[8..].chunks_exact(16)) {
            *section = bounds(entry)
                .filter(|range| range.start >= HEADER_BYTES && range.end <= body_end)
                .ok_or_else(|| damaged("a section lies outside of the file"))?;
        }
        let (body, sum) = all.split_at(body_end);
        if sum != xxh3_64(body).to_le_bytes() {
            return Err(damaged("the checksum does not fit"));
        }
        let mut index = Self { bytes, sections, first_points: Vec::new() };
        index.first_points = index.find_first_points();
        Ok(index)
    }

    fn find_first_points(&self) -> Vec<u32> {
        let mut found = Vec::with_capacity(Cell::DEGREES + 1);
        let number = |point: usize| u32::try_from(point).unwrap_or(u32::MAX);
        for (row, node) in self.level(0).iter().map(Node::read).enumerate() {
            let cells = usize::try_from(node.cell().to_bits()).unwrap_or(usize::MAX).min(Cell::DEGREES);
            let point = number(self.first_below(0, row, LEVELS));
            // Those before it that are empty end where it starts.
            found.resize(found.len().max(cells + 1), point);
        }
        found.resize(Cell::DEGREES + 1, number(self.level(LEVELS).len()));
        found
    }

    /// Number of places.
    pub(crate) fn len(&self) -> usize {
        self.section(PLACES).len() / PLACE_BYTES
    }

    /// Whether reading never waits for a disk.
    pub(crate) const fn is_in_memory(&self) -> bool {
        !matches!(self.bytes, IndexBytes::File(Content::Mapped(_)))
    }

    /// Rows of a level: cells for 0 to 2, points for 3.
    pub(crate) fn level(&self, level: usize) -> &[[u8; NODE_BYTES]] {
        self.section(if level < LEVELS { CELLS + level } else { POINTS }).as_chunks().0
    }

    /// The points in the 1-degree cells from one number up to another.
    pub(crate) fn points(&self, cells: &Range<Cell>) -> Range<usize> {
        let first = |cell: Cell| {
            let at = usize::try_from(cell.to_bits()).ok();
            at.and_then(|at| self.first_points.get(at)).and_then(|point| usize::try_from(*point).ok())
        };
        first(cells.start).zip(first(cells.end)).map_or(0..0, |(start, end)| start..end)
    }

    /// The rows of the 1-degree cells from one number up to another.
    pub(crate) fn degrees(&self, cells: &Range<Cell>) -> Range<usize> {
        let rows = self.level(0);
        let start = rows.partition_point(|row| Node::read(row).cell() < cells.start);
        let rest = rows.get(start..).unwrap_or_default();
        start..start + rest.iter().take_while(|row| Node::read(row).cell() < cells.end).count()
    }

    /// The rows of a finer level that lie in the cell of a row: one after the other.
    pub(crate) fn below(&self, level: usize, row: usize, finer: usize) -> Range<usize> {
        self.first_below(level, row, finer)..self.first_below(level, row + 1, finer)
    }

    /// The first row of a finer level that lies in the cell of a row, or behind it. Those of the last row end with the
    /// level.
    fn first_below(&self, level: usize, row: usize, finer: usize) -> usize {
        (level..finer)
            .try_fold(row, |row, level| {
                let child = Node::read(self.level(level).get(row)?).first_child();
                usize::try_from(child).ok()
            })
            .unwrap_or_else(|| self.level(finer).len())
    }

    /// The places of some ranks, `None` for those that are none.
    ///
    /// In three steps, each for all of them: a place and its texts are in memory anywhere, and what is asked for in one go
    /// comes in one go.
    pub(crate) fn places(&self, ranks: impl Iterator<Item = u32>) -> Vec<Option<PlaceRow<'_>>> {
        let rows: &[[u8; PLACE_BYTES]] = self.section(PLACES).as_chunks().0;
        let row = |rank: u32| rows.get(usize::try_from(rank).ok()?).map(|row| words(row));
        let rows: Vec<Option<[u32; 8]>> = ranks.map(row).collect();
        let texts = |[.., name, types, vicinity, locality, _, _]: [u32; 8]| {
            [name, types, vicinity, locality].map(|offset| self.text(offset))
        };
        let texts: Vec<_> = rows.iter().map(|row| row.map(texts)).collect();
        rows.into_iter().zip(texts).map(|(row, texts)| PlaceRow::read(row?, texts?)).collect()
    }

    /// The place of a rank.
    #[cfg(test)]
    pub(crate) fn place(&self, rank: u32) -> Option<PlaceRow<'_>> {
        self.places(std::iter::once(rank)).pop().flatten()
    }

    /// The text at an offset: its length in two bytes, then UTF-8.
    fn text(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.section(TEXTS).get(usize::try_from(offset).ok()?..)?;
        let (length, rest) = rest.split_first_chunk()?;
        rest.get(..usize::from(u16::from_le_bytes(*length)))
    }

    fn section(&self, number: usize) -> &[u8] {
        self.sections
            .get(number)
            .and_then(|range| self.bytes.as_slice().get(range.clone()))
            .unwrap_or_default()
    }
}

impl<'a> PlaceRow<'a> {
    /// Reads a row and its texts; `None` in a damaged index.
    fn read([low, high, .., height, width]: [u32; 8], texts: [Option<&'a [u8]>; 4]) -> Option<Self> {
        let [Some(name), Some(types), Some(vicinity), Some(locality)] = texts else { return None };
        let key = PlaceKey::from_bits(u64::from(high) << 32 | u64::from(low));
        Some(Self { key, name, types, vicinity, locality, half: [height, width] })
    }
}

impl Node {
    /// Reads a row.
    pub(crate) fn read(row: &[u8; NODE_BYTES]) -> Self {
        let [rank, first, second] = words(row);
        Self { rank, words: [first, second] }
    }

    /// The row of a point as coordinates; `None` in a damaged index.
    pub(crate) fn point(self) -> Option<Coordinates> {
        Coordinates::new(self.words[0].cast_signed(), self.words[1].cast_signed())
    }

    /// The row of a cell: which.
    pub(crate) const fn cell(self) -> Cell {
        Cell::from_bits(self.words[0])
    }

    /// The row of a cell: its first child on the next level.
    pub(crate) const fn first_child(self) -> u32 {
        self.words[1]
    }
}

impl IndexBytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::File(Content::Read(bytes) | Content::Mapped(bytes)) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// The first words of a row; missing bytes read as zero.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let (rows, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|i| rows.get(i).map_or(0, |word| u32::from_le_bytes(*word)))
}

/// Offset and length of a section as a range.
fn bounds(entry: &[u8]) -> Option<Range<usize>> {
    let (offset, rest) = entry.split_first_chunk()?;
    let start = usize::try_from(u64::from_le_bytes(*offset)).ok()?;
    let length = usize::try_from(u64::from_le_bytes(*rest.first_chunk()?)).ok()?;
    Some(start..start.checked_add(length)?)
}
