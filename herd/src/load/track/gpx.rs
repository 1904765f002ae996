//! GPX: the points of all tracks of a file are one client's, who is named by the file. Routes and way points were
//! planned, not walked, so they are no reports.

use std::path::Path;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::{Fault, Recorded, Tracks, name_of};
use crate::date;

pub(super) fn read(tracks: &mut Tracks, path: &Path, text: &str) -> Result<(), Fault> {
    let client = tracks.client(&name_of(path, 0).unwrap_or_default());
    let mut reader = Reader::from_str(text);
    let mut open: Option<Recorded> = None;
    let mut is_time = false;
    let mut has_root = false;
    loop {
        let at = reader.buffer_position();
        let fault = |reason: String| (line_of(text, at), reason);
        match reader.read_event().map_err(|error| fault(error.to_string()))? {
            Event::Start(tag) => {
                if !has_root && tag.local_name().as_ref() != "gpx" {
                    return Err(fault("expected a <gpx> element".to_owned()));
                }
                has_root = true;
                match tag.local_name().as_ref() {
                    "trkpt" => open = Some(place(&tag).map_err(fault)?),
                    "time" => is_time = true,
                    _ => {}
                }
            }
            Event::Empty(tag) if tag.local_name().as_ref() == "trkpt" => {
                tracks.record(client, place(&tag).map_err(fault)?);
            }
            Event::Text(words) if is_time => {
                if let Some(point) = &mut open {
                    point.at = date::point(words.trim());
                }
            }
            Event::End(tag) => match tag.local_name().as_ref() {
                "time" => is_time = false,
                "trkpt" => {
                    if let Some(point) = open.take() {
                        tracks.record(client, point);
                    }
                }
                _ => {}
            },
            Event::Eof if has_root => {
                // Cut in the middle of a point.
                if open.is_some() {
                    tracks.leave_out();
                }
                return Ok(());
            }
            Event::Eof => return Err(fault("expected a <gpx> element".to_owned())),
            Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

fn place(tag: &BytesStart<'_>) -> Result<Recorded, String> {
    let mut point = Recorded::default();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        match attribute.key.local_name().as_ref() {
            "lat" => point.latitude = value.trim().parse().ok(),
            "lon" => point.longitude = value.trim().parse().ok(),
            _ => {}
        }
    }
    Ok(point)
}

fn line_of(text: &str, at: u64) -> usize {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
    text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}
