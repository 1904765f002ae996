//! The one place that maps a file into memory.

use std::{fs::File, io, path::Path};

use memmap2::Mmap;

/// Maps a whole file for reading.
///
/// # Errors
/// The file cannot be opened or mapped; nothing was changed.
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    #[expect(
        unsafe_code,
        reason = "mapping is sound while nobody writes into or truncates the file; the importer only ever \
                  replaces an index by renaming a finished one over it, and docs/places.md asks the same of people"
    )]
    // SAFETY: see the reason above; every read of the mapping is bounds-checked and tolerates any bytes.
    unsafe {
        Mmap::map(&file)
    }
}
