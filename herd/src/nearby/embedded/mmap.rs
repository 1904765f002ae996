//! The one place that maps a file into memory, or reads it there.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use memmap2::{Mmap, MmapMut};

/// The bytes of a file.
#[derive(Debug)]
pub(crate) enum Content {
    /// Read: this program's own.
    Read(Mmap),
    /// Mapped: pages of it come from the disk when they are needed.
    Mapped(Mmap),
}

/// Reads a file of at most `read_bytes_max`, and maps a larger one.
///
/// # Errors
/// The file cannot be opened, read or mapped; nothing was changed.
pub(crate) fn open(path: &Path, read_bytes_max: usize) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    if bytes > read_bytes_max {
        return map(&file).map(Content::Mapped);
    }
    // At least one: an empty range cannot be mapped.
    let mut memory = MmapMut::map_anon(bytes.max(1))?;
    // Rows are read here and there, which large pages make cheaper. Where there are none it goes without.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    file.read_exact(memory.get_mut(..bytes).unwrap_or_default())?;
    memory.make_read_only().map(Content::Read)
}

/// Maps a whole file for reading.
fn map(file: &File) -> io::Result<Mmap> {
    #[expect(
        unsafe_code,
        reason = "mapping is sound while nobody writes into or truncates the file; the importer only ever \
                  replaces an index by renaming a finished one over it, and docs/places.md asks the same of people"
    )]
    // SAFETY: see the reason above; every read of the mapping is bounds-checked and tolerates any bytes.
    unsafe {
        Mmap::map(file)
    }
}
