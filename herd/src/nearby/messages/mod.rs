//! Messages near a position, newest first, in the format of Twitter's search of 2009: here from a file of them, in
//! `twitter` and `x` from a service.
//!
//! Made for some thousand messages: a question looks at each. All of them are in memory.

mod twitter_style;
mod notes;
pub(super) mod twitter;
pub(super) mod x;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use herd_core::{command::Question, position::Position};
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use self::twitter_style::{Search, Tweet};
use super::embedded::distance_m;

pub(super) use self::twitter_style::error_body;

/// Made up by hand for this project.
const SAMPLE: &str = include_str!("../../../messages/sample.jsonl");

/// One message: a line of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    /// Its number; larger is newer where times are equal.
    pub(crate) id: u64,
    /// Seconds since 1970.
    pub(crate) time: u64,
    /// Degrees north.
    pub(crate) lat: f64,
    /// Degrees east.
    pub(crate) lon: f64,
    /// Who wrote it.
    pub(crate) user: String,
    /// Its language, two letters.
    pub(crate) lang: String,
    /// What it says.
    pub(crate) text: String,
    #[serde(skip)]
    origin: Origin,
}

/// Where a message comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Origin {
    /// A file of ours.
    #[default]
    Herd,
    /// OpenStreetMap's notes.
    Note {
        /// The writer's number there, 0 for nobody's.
        user_id: u64,
        /// Where it can be read.
        url: String,
    },
}

impl Message {
    fn tweet(&self) -> Tweet<'_> {
        let (user_id, source) = match &self.origin {
            // A number for a name: always the same one, 31 bits as they were then.
            Origin::Herd => (xxh3_64(self.user.as_bytes()) >> 33, ["herd", "http://localhost/"]),
            Origin::Note { user_id, url } => (*user_id, ["OpenStreetMap", url.as_str()]),
        };
        Tweet {
            id: self.id,
            time: self.time,
            user: &self.user,
            user_id,
            image_url: format!("http://a1.twimg.com/profile_images/{}_normal.png", self.user).into(),
            lang: &self.lang,
            text: &self.text,
            geo: Some([self.lat, self.lon]),
            source,
        }
    }
}

/// Why a file of messages cannot be used. The file is at fault (or the name of it); nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MessagesError {
    /// It cannot be read.
    #[error("cannot open {path:?}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is XML, but not notes as OpenStreetMap gives them away.
    #[error("no OpenStreetMap notes: {reason}, near byte {at}: {path:?}")]
    Notes {
        /// The file.
        path: PathBuf,
        /// Counted from 0.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A line is no message.
    #[error(
        "line {line} is no message like {{\"id\":1,\"time\":1700000000,\"lat\":34.1,\"lon\":-118.4,\"user\":\"joe\",\"lang\":\"en\",\"text\":\"hi\"}}: {reason}: {path:?}"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Messages, newest first.
#[derive(Clone, Debug)]
pub struct Messages(Arc<[Message]>);

impl Messages {
    /// Reads a file with one message a line, or with OpenStreetMap notes, or the built-in sample.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is no message, or it holds other XML.
    pub fn open(path: Option<&Path>) -> Result<Self, MessagesError> {
        let Some(path) = path else { return Self::parse(SAMPLE, Path::new("built-in")) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| MessagesError::Read { path: path.into(), error })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, MessagesError> {
        if notes::is_xml(text) {
            let wrong = |at, reason| MessagesError::Notes { path: path.into(), at, reason };
            let messages = notes::parse(text).map_err(|mistake| wrong(mistake.at, mistake.reason))?;
            if let Some(lost) = messages.iter().find(|m| Position::new(m.lat, m.lon).is_none()) {
                return Err(wrong(0, format!("note {} lies off the globe", lost.id)));
            }
            return Ok(Self::newest_first(messages));
        }
        let mut messages = Vec::new();
        for (line, content) in (1..).zip(text.lines()).filter(|(_, content)| !content.trim().is_empty()) {
            let wrong = |reason: String| MessagesError::Line { path: path.into(), line, reason };
            let message: Message = serde_json::from_str(content).map_err(|error| wrong(error.to_string()))?;
            if Position::new(message.lat, message.lon).is_none() {
                return Err(wrong("it lies off the globe".into()));
            }
            messages.push(message);
        }
        Ok(Self::newest_first(messages))
    }

    fn newest_first(mut messages: Vec<Message>) -> Self {
        messages.sort_by_key(|message| std::cmp::Reverse((message.time, message.id)));
        Self(messages.into())
    }

    /// The bytes that follow the AT line: one line of JSON and its newline.
    #[must_use]
    pub fn answer(&self, position: Position, question: Question) -> Vec<u8> {
        let began = Instant::now();
        let centre = (position.latitude(), position.longitude());
        let near = |message: &&Message| {
            distance_m(centre, (message.lat, message.lon)) <= question.radius_km * 1000.0
        };
        // One more than wanted tells whether there is a next page.
        let bound = usize::from(question.bound);
        let found: Vec<_> = self.0.iter().filter(near).take(bound + 1).collect();
        let search = Search {
            at: position,
            radius_km: question.radius_km,
            per_page: question.bound,
            max_id: found.iter().map(|message| message.id).max().unwrap_or(0),
            has_more: found.len() > bound,
            took: began.elapsed(),
        };
        let shown = found.into_iter().take(bound);
        let mut line = twitter_style::print(&search, shown.map(Message::tweet));
        line.push('\n');
        line.into_bytes()
    }
}

#[cfg(test)]
mod tests;
