//! GeoLife's PLT: six lines about the format, then one line per point. The data set has a folder per person with a
//! folder `Trajectory` of many files in it, so that folder's name is the client; elsewhere the file's is.

use std::path::Path;

use herd_core::time::Timestamp;

use super::{Fault, Recorded, Tracks, name_of};
use crate::date;

/// Lines before the first point.
const HEADER_LINES: usize = 6;

pub(super) fn read(tracks: &mut Tracks, path: &Path, text: &str) -> Result<(), Fault> {
    let is_data_set = name_of(path, 1).is_some_and(|folder| folder == "Trajectory");
    let person = if is_data_set { name_of(path, 2) } else { None };
    let client = tracks.client(&person.or_else(|| name_of(path, 0)).unwrap_or_default());
    for line in text.lines().skip(HEADER_LINES) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        match fields.as_slice() {
            [latitude, longitude, _, _, _, day, time] => {
                let (latitude, longitude) = (latitude.parse().ok(), longitude.parse().ok());
                tracks.record(client, Recorded { at: point(day, time), latitude, longitude });
            }
            [""] => {}
            _ => tracks.leave_out(),
        }
    }
    Ok(())
}

/// Days and times of the format are UTC.
fn point(day: &str, time: &str) -> Option<Timestamp> {
    date::point(&format!("{day}T{time}Z"))
}
