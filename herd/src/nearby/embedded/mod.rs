//! Places without anybody's service: an index of open data, in a file or built in, answering as Google would.
//!
//! Reading: `index`, `search`, `answer`. Making: `build`, filled by `import` and `builtin`. The two halves share
//! nothing but the layout and the vocabulary.

mod place;
mod grid;
mod circle;
mod mmap;
mod index;
mod search;
mod kinds;
mod tags;
mod plus_code;
mod place_id;
mod answer;
mod build;
mod builtin;
pub mod import;

use std::{path::Path, sync::Arc, time::Duration};

use herd_core::{command::Question, position::Position};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use self::{circle::Circle, index::Index};
use super::google_style::{error_body, frame};

pub use self::index::IndexError;
pub(crate) use self::{kinds::Kind, place::distance_m};

/// Places from an index.
#[derive(Clone, Debug)]
pub struct Embedded {
    index: Arc<Index>,
    /// Places on threads that may wait for the disk.
    readers: Arc<Semaphore>,
}

/// An index file of at most so many bytes, three million places, is read into memory and answers at once. A larger one
/// stays on the disk, and the system keeps in memory what is asked for.
const READ_BYTES_MAX: usize = 256 << 20;

/// Look-ups of a mapped index at once: what waits for the disk uses no core, and a disk has use for a few of them.
const READERS_MAX: usize = 16;

/// Longest that a client waits: a disk that has not answered by then is sick.
const DEADLINE: Duration = Duration::from_secs(5);

const LATE: &str = "the place index did not answer in time";

impl Embedded {
    /// Opens an imported index, or the built-in one.
    ///
    /// # Errors
    /// The file is missing, is no index, is of another version, or damaged.
    pub fn open(path: Option<&Path>) -> Result<Self, IndexError> {
        Ok(Self::new(path.map_or_else(builtin::index, |path| Index::open(path, READ_BYTES_MAX))?))
    }

    /// Checks an index that is in memory; it answers without a wait.
    ///
    /// # Errors
    /// The bytes are no index, of another version, or damaged.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, IndexError> {
        Ok(Self::new(Index::from_bytes(bytes, Path::new("(in memory)"))?))
    }

    fn new(index: Index) -> Self {
        Self { index: Arc::new(index), readers: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Number of places.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that follow the AT line.
    pub async fn answer(&self, position: Position, question: Question) -> Vec<u8> {
        if self.index.is_in_memory() {
            return self.look_up(position, question);
        }
        // A page of the file may have to come from the disk first: not on a thread that serves sockets.
        let this = self.clone();
        let looked_up = async move {
            let place = Arc::clone(&this.readers).acquire_owned().await.ok()?;
            let look_up = move || {
                let answer = this.look_up(position, question);
                drop(place);
                answer
            };
            spawn_blocking(look_up).await.ok()
        };
        let in_time = timeout(DEADLINE, looked_up).await.ok().flatten();
        in_time.unwrap_or_else(|| frame(error_body("UNKNOWN_ERROR", Some(LATE)).as_bytes()))
    }

    fn look_up(&self, position: Position, question: Question) -> Vec<u8> {
        let circle = Circle::new((position.latitude(), position.longitude()), question.radius_km * 1000.0);
        let bound = usize::from(question.bound);
        // One at least is looked for: whether there is any decides the status.
        let hits = search::search(&self.index, &circle, bound.max(1));
        answer::answer(&self.index, &hits, bound)
    }
}

#[cfg(test)]
mod tests;
