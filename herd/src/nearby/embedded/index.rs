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

use memmap2::Mmap;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    grid::{Cell, LEVELS},
    mmap,
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

/// The bytes of an index: a mapped file, or one built in memory.
#[derive(Debug)]
enum IndexBytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

/// A checked index.
#[derive(Debug)]
pub(crate) struct Index {
    bytes: IndexBytes,
    sections: [Range<usize>; SECTIONS],
}

/// What a row of cells or points says: the best rank in it, and two more words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// Rank of the point, or of the best point in the cell.
    pub(crate) rank: u32,
    words: [u32; 2],
}

/// What the index says about one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceRow<'a> {
    /// Whose place it is.
    pub(crate) key: PlaceKey,
    /// Its name.
    pub(crate) name: &'a str,
    /// Google's types, separated by spaces.
    pub(crate) types: &'a str,
    /// Street and town, or empty.
    pub(crate) vicinity: &'a str,
    /// Town, region and country as far as known, or empty.
    pub(crate) locality: &'a str,
    /// Half height and half width of its viewport in 1e-7 degrees.
    pub(crate) half: [u32; 2],
}

impl Index {
    /// Maps and checks an index file; that reads all of it once.
    ///
    /// # Errors
    /// The file is missing, is no index, is of another version, or damaged.
    pub(crate) fn open(path: &Path) -> Result<Self, IndexError> {
        let mapped = mmap::map(path).map_err(|error| IndexError::Open { path: path.into(), error })?;
        Self::check(IndexBytes::Mapped(mapped), path)
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
        Ok(Self { bytes, sections })
    }

    /// Number of places.
    pub(crate) fn len(&self) -> usize {
        self.section(PLACES).len() / PLACE_BYTES
    }

    /// Whether reading may wait for a disk.
    pub(crate) const fn is_mapped(&self) -> bool {
        matches!(self.bytes, IndexBytes::Mapped(_))
    }

    /// Rows of a level: cells for 0 to 2, points for 3.
    pub(crate) fn level(&self, level: usize) -> &[[u8; NODE_BYTES]] {
        self.section(if level < LEVELS { CELLS + level } else { POINTS }).as_chunks().0
    }

    /// The place of a rank.
    pub(crate) fn place(&self, rank: u32) -> Option<PlaceRow<'_>> {
        let rows: &[[u8; PLACE_BYTES]] = self.section(PLACES).as_chunks().0;
        let row = rows.get(usize::try_from(rank).ok()?)?;
        let [low, high, name, types, vicinity, locality, height, width] = words(row);
        Some(PlaceRow {
            key: PlaceKey::from_bits(u64::from(high) << 32 | u64::from(low)),
            name: self.text(name)?,
            types: self.text(types)?,
            vicinity: self.text(vicinity)?,
            locality: self.text(locality)?,
            half: [height, width],
        })
    }

    /// The text at an offset: its length in two bytes, then UTF-8.
    fn text(&self, offset: u32) -> Option<&str> {
        let rest = self.section(TEXTS).get(usize::try_from(offset).ok()?..)?;
        let (length, rest) = rest.split_first_chunk()?;
        std::str::from_utf8(rest.get(..usize::from(u16::from_le_bytes(*length)))?).ok()
    }

    fn section(&self, number: usize) -> &[u8] {
        self.sections
            .get(number)
            .and_then(|range| self.bytes.as_slice().get(range.clone()))
            .unwrap_or_default()
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
            Self::Mapped(mapped) => mapped,
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
