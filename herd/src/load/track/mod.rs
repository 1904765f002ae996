//! Recorded tracks of phones, read from files: who was where and when, each point as the line that reports it.
//!
//! A client is named by its file, or by whom the format says that the file is about. Points that no report can tell, as
//! those before 1970, are counted and left out.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
};

use herd_core::{position::Location, time::Timestamp};
use thiserror::Error;

mod gpx;
mod geolife;
mod owntracks;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// All points of all files, in order of time once sorted.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    numbers: HashMap<String, u32>,
    /// IDs by number.
    ids: Vec<String>,
    points: Vec<Point>,
    /// The points' lines, one behind the other.
    lines: Vec<u8>,
    left_out: u64,
    /// Files without a point that a report can tell.
    untold: Vec<PathBuf>,
}

/// One report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Its time, in nanoseconds since 1970.
    pub(super) at: u64,
    /// Its client's number.
    pub(super) client: u32,
    bytes: u32,
    start: usize,
}

/// Why there are no tracks; all are the file's, or who named it.
#[derive(Debug, Error)]
pub(crate) enum TrackError {
    /// The system's: it cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is none of the formats.
    #[error("expected a .gpx, .plt or .rec file, found {0}")]
    Unknown(PathBuf),
    /// It is not what its name says.
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// What was expected.
        reason: String,
    },
    /// None of them has a point that a report could tell; this is the first.
    #[error("no point with a place and a time since 1970 in {0}")]
    Empty(PathBuf),
}

/// What a format's reader finds wrong: the line, and what was expected there.
type Fault = (usize, String);

/// A recorded point as files have it; what is missing is `None`.
#[derive(Clone, Copy, Debug, Default)]
struct Recorded {
    at: Option<Timestamp>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl Tracks {
    /// Reads all files.
    ///
    /// # Errors
    /// One of them cannot be read, or nothing in any of them can be sent.
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self, TrackError> {
        let mut tracks = Self::default();
        for path in files {
            let before = tracks.points.len();
            tracks.read_file(path)?;
            if tracks.points.len() == before {
                tracks.untold.push(path.clone());
            }
        }
        if let (true, Some(first)) = (tracks.points.is_empty(), tracks.untold.first()) {
            return Err(TrackError::Empty(first.clone()));
        }
        tracks.sort();
        Ok(tracks)
    }

    /// The points, in order of time; those of one client at one time as they stood.
    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    /// How many clients have points.
    pub(crate) fn clients(&self) -> usize {
        let numbers: HashSet<u32> = self.points.iter().map(|point| point.client).collect();
        numbers.len()
    }

    /// Points that no report can tell, and lines that tell none.
    pub(crate) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Files of which nothing can be sent, among others of which something can.
    pub(crate) fn untold(&self) -> &[PathBuf] {
        &self.untold
    }

    /// The line that reports a point, with its LF.
    pub(super) fn line(&self, point: &Point) -> &[u8] {
        let end = point.start + point.bytes as usize;
        self.lines.get(point.start..end).unwrap_or_default()
    }

    /// The number of a client, which is new if nobody has that name yet.
    pub(super) fn client(&mut self, name: &str) -> u32 {
        let id: String =
            name.chars().map(|c| if c.is_ascii_whitespace() || c == '\x0b' { '-' } else { c }).collect();
        let id = if id.is_empty() { "track".to_owned() } else { id };
        if let Some(&number) = self.numbers.get(&id) {
            return number;
        }
        let number = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        self.ids.push(id.clone());
        self.numbers.insert(id, number);
        number
    }

    /// Adds a point, unless no report can tell it.
    pub(super) fn add(&mut self, client: u32, at: Timestamp, (latitude, longitude): (f64, f64)) {
        // Shown with as many digits as it takes to read the same number again, never with an exponent.
        let location = format!("{latitude:+}{longitude:+}");
        let id = self.ids.get(client as usize).filter(|_| Location::parse(location.as_bytes()).is_some());
        let Some(id) = id else {
            return self.leave_out();
        };
        let (seconds, nanos) = (at.as_nanos() / NANOS_PER_SECOND, at.as_nanos() % NANOS_PER_SECOND);
        let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}") };
        let line = format!("IAMAT {id} {location} {seconds}{fraction}\n");
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
        self.points.push(Point { at: at.as_nanos(), client, bytes, start: self.lines.len() });
        self.lines.extend_from_slice(line.as_bytes());
    }

    pub(super) fn sort(&mut self) {
        self.points.sort_by_key(|point| point.at);
    }

    fn record(&mut self, client: u32, point: Recorded) {
        match point {
            Recorded { at: Some(at), latitude: Some(latitude), longitude: Some(longitude) } => {
                self.add(client, at, (latitude, longitude));
            }
            Recorded { .. } => self.leave_out(),
        }
    }

    /// A point that no report can tell, or a line that tells none.
    const fn leave_out(&mut self) {
        self.left_out += 1;
    }

    fn read_file(&mut self, path: &Path) -> Result<(), TrackError> {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        let read = match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("gpx") => gpx::read,
            Some("plt") => geolife::read,
            Some("rec") => owntracks::read,
            Some(_) | None => return Err(TrackError::Unknown(path.into())),
        };
        let bytes = std::fs::read(path).map_err(|error| TrackError::Read { path: path.into(), error })?;
        // What is not UTF-8 is somebody's place name; numbers are ASCII.
        let text = String::from_utf8_lossy(&bytes);
        let malformed = |(line, reason)| TrackError::Malformed { path: path.into(), line, reason };
        read(self, path, &text).map_err(malformed)
    }
}

/// A file's name without its ending, or that of the folder so many levels above it.
fn name_of(path: &Path, levels_up: usize) -> Option<String> {
    let at = path.ancestors().nth(levels_up)?;
    let name = if levels_up == 0 { at.file_stem() } else { at.file_name() };
    Some(name?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
