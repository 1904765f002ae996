//! Making an index file of open data: OpenStreetMap PBF and XML, GeoNames TSV, several files into one index.
//!
//! Memory is bounded by what is kept, not by what is read: the places themselves, and while an OpenStreetMap file is
//! read the locations of the nodes that its places and named streets are made of.

mod element;
mod pbf;
pub(in crate::nearby) mod xml;
mod geonames;
mod shape;
mod osm;
mod streets;
mod towns;
mod output;

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use self::towns::Towns;
use super::build::Builder;

/// Why an import failed. The output is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// An input cannot be read: the file, or the name of it, is at fault.
    #[error("cannot read {path:?}: {error}")]
    Read {
        /// The input.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// An input is none of the known formats.
    #[error(
        "expected OSM PBF (.osm.pbf), OSM XML (.osm, not compressed) or GeoNames TSV (19 columns, not zipped), \
         found none of them: {0:?}"
    )]
    Format(PathBuf),
    /// An input has nothing to offer: most often it is another kind of file than was meant.
    #[error("expected at least one place with a name (a shop, a park, a town), found none: {0:?}")]
    Empty(PathBuf),
    /// The output would replace an input: the name of one of the two is at fault.
    #[error("the output is one of the inputs: {0:?}")]
    Overwrite(PathBuf),
    /// An input does not follow its format.
    #[error("{path:?}, {at}: {reason}")]
    Malformed {
        /// The input.
        path: PathBuf,
        /// Where in it.
        at: Location,
        /// What is wrong there.
        reason: String,
    },
    /// The output cannot be written: disk or rights are at fault.
    #[error("cannot write {path:?}: {error}")]
    Write {
        /// The output.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// Counted from 0.
    Byte(u64),
    /// Counted from 1.
    Line(u64),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(byte) => write!(f, "byte {byte}"),
            Self::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file being read, or written.
    pub path: &'a Path,
    /// What it is read for.
    pub pass: &'static str,
    /// Bytes of it done in this pass.
    pub done: u64,
    /// Bytes to do in this pass.
    pub of: u64,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// Places in the index.
    pub places: usize,
    /// Its size in bytes.
    pub bytes: u64,
    /// Places left out, because nothing that they are made of is in the file.
    pub unlocated: usize,
}

/// Reads all inputs and writes one index, which appears under its name only when it is complete. Through a symbolic link it
/// appears where that leads.
///
/// # Errors
/// The output is one of the inputs, be it under another name, or there and no file; an input cannot be read, is of no known format,
/// malformed, or has no place in it; or the output cannot be written.
pub fn import(
    inputs: &[PathBuf],
    output: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<ImportSummary, ImportError> {
    let mut gathered = Gathered::default();
    if let Some(input) = inputs.iter().find(|input| is_same(input, output)) {
        return Err(ImportError::Overwrite(input.clone()));
    }
    let failed = |error| ImportError::Write { path: output.into(), error };
    // Before anything is read: that may take an hour.
    let destination = output::destination(output).map_err(failed)?;
    for path in inputs {
        let before = gathered.builder.records.len();
        match format_of(path)? {
            Format::Pbf => osm::read(&mut pbf::PbfFile::open(path, progress)?, &mut gathered)?,
            Format::Xml => osm::read(&mut xml::XmlFile::open(path, progress)?, &mut gathered)?,
            Format::GeoNames => geonames::read(path, progress, &mut gathered)?,
        }
        if gathered.builder.records.len() == before {
            return Err(ImportError::Empty(path.clone()));
        }
    }
    progress(Progress { path: output, pass: "vicinities", done: 0, of: 0 });
    gathered.name_vicinities();
    progress(Progress { path: output, pass: "writing", done: 0, of: 0 });
    let unlocated = gathered.unlocated;
    let (places, bytes) = output::write(gathered.builder, &destination).map_err(failed)?;
    Ok(ImportSummary { places, bytes, unlocated })
}

/// What the inputs held so far.
#[derive(Debug, Default)]
struct Gathered {
    /// Places; as vicinity they have their street at first, as locality their town if they name one.
    builder: Builder,
    /// What is known about towns.
    towns: Towns,
    /// Places without a location.
    unlocated: usize,
}

impl Gathered {
    /// Completes street to "street, town", and the town to "town, region, country".
    fn name_vicinities(&mut self) {
        let texts = &mut self.builder.texts;
        for record in &mut self.builder.records {
            record.locality = self.towns.label_for(record.at, record.locality, texts);
            // The vicinity of a town is the town.
            if texts.get(record.types).starts_with("locality ") {
                record.vicinity = record.name;
                continue;
            }
            let town = texts.get(record.locality).split(", ").next().unwrap_or_default();
            let street = texts.get(record.vicinity);
            let parts: Vec<&str> = [street, town].into_iter().filter(|part| !part.is_empty()).collect();
            let vicinity = parts.join(", ");
            record.vicinity = texts.add(&vicinity);
        }
    }
}

/// Whether two names mean one file. A name of no file is nobody else's.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|file| identity(other) == Some(file))
}

enum Format {
    Pbf,
    Xml,
    GeoNames,
}

/// What a file is, by its first bytes: names lie more often.
fn format_of(path: &Path) -> Result<Format, ImportError> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16 * 1024).read_to_end(&mut start));
    read.map_err(|error| ImportError::Read { path: path.into(), error })?;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if start.get(4..64).is_some_and(|head| head.windows(9).any(|name| name == b"OSMHeader")) {
        Ok(Format::Pbf)
    } else if text.starts_with(b"<?xml") || text.starts_with(b"<osm") {
        Ok(Format::Xml)
    } else if line.iter().filter(|byte| **byte == b'\t').count() == geonames::COLUMNS - 1 {
        Ok(Format::GeoNames)
    } else {
        Err(ImportError::Format(path.into()))
    }
}

#[cfg(test)]
mod tests;
