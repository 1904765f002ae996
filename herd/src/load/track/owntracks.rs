//! The files of OwnTracks' recorder: a line per message with when it came, what it was about (`*`: a place) and the
//! JSON that the phone sent. The recorder has a folder per user, one per device in it and in that a file per month, so
//! user and device are the client, as the topic has them.

use std::path::Path;

use herd_core::time::Timestamp;
use serde::Deserialize;

use super::{Fault, Recorded, Tracks, name_of};

/// What the topics of OwnTracks begin with.
const TOPIC: &str = "owntracks/";
const NANOS_PER_SECOND: f64 = 1e9;
/// The last second that a report can tell.
const SECONDS_MAX: f64 = 9_223_372_036.0;

/// What a phone says of its place.
#[derive(Debug, Deserialize)]
struct Message {
    #[serde(rename = "_type", default)]
    kind: String,
    #[serde(default)]
    topic: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    /// When it was there, in seconds since 1970.
    tst: Option<f64>,
}

pub(super) fn read(tracks: &mut Tracks, path: &Path, text: &str) -> Result<(), Fault> {
    let device = match (name_of(path, 2), name_of(path, 1)) {
        (Some(user), Some(device)) => Some(format!("{user}/{device}")),
        (_, device) => device,
    };
    let device = device.or_else(|| name_of(path, 0)).unwrap_or_default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut fields = line.splitn(3, '\t').skip(1);
        let (Some(kind), Some(json)) = (fields.next(), fields.next()) else {
            tracks.leave_out();
            continue;
        };
        if kind.trim() != "*" {
            continue;
        }
        // The last line may be cut: the recorder is still writing it.
        let Ok(message) = serde_json::from_str::<Message>(json.trim()) else {
            tracks.leave_out();
            continue;
        };
        if message.kind != "location" {
            continue;
        }
        let topic = message.topic.as_deref().map(|topic| topic.strip_prefix(TOPIC).unwrap_or(topic));
        let client = tracks.client(topic.unwrap_or(&device));
        let at = message.tst.and_then(point);
        tracks.record(client, Recorded { at, latitude: message.lat, longitude: message.lon });
    }
    Ok(())
}

/// Almost always whole seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
fn point(seconds: f64) -> Option<Timestamp> {
    let is_told = (0.0..=SECONDS_MAX).contains(&seconds);
    is_told.then(|| {
        let fraction = (seconds.fract() * NANOS_PER_SECOND) as u64;
        Timestamp::from_nanos(seconds as u64 * 1_000_000_000 + fraction)
    })
}
