//! The traffic log: every line received and sent, every connection and neighbour that came or went.
//!
//! Not diagnostics (those are `tracing`'s). The one thing to know: a request only copies bytes into a bounded buffer
//! under a short lock; a thread of its own formats and writes them. What does not fit is counted and the count is
//! logged. docs/log.md describes the file.

mod escape;
mod entry;
mod file;
mod head;
mod writer;

use std::{
    io, mem,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use herd_core::{node::Node, time::Timestamp, wire::record::records};

pub use entry::{Channel, Party};

use entry::{Buffer, Event};

/// Bytes that may wait for the writer; there are two such buffers. 8 MiB are 50,000 lines, that is 0.1 s at
/// 500,000 lines a second, which is more than the writer's pause between two writes.
const BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Where and how much to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficSettings {
    /// The current file; older ones have `.1`, `.2`, ... appended.
    pub path: PathBuf,
    /// Size at which a file is put aside.
    pub file_bytes_max: u64,
    /// Files kept, the current one included.
    pub files_max: u32,
}

/// A handle of the log; clones write to the same one.
#[derive(Clone, Debug)]
pub struct Traffic(Option<Arc<Shared>>);

/// What requests and the writer share.
#[derive(Debug)]
struct Shared {
    /// Not a lock that now and then is handed to whoever waits for it: a writer that finds no core would keep requests
    /// waiting for milliseconds.
    filling: Mutex<Filling>,
    /// When the server started.
    started_at: Timestamp,
    /// The writer waits for this.
    work: Condvar,
    /// [`Traffic::flush`] waits for this.
    written: Condvar,
    thread: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Filling {
    buffer: Buffer,
    /// Lines that found no room, and when the first of them came.
    lost: Option<(Timestamp, u64)>,
    /// The writer is to write at once.
    is_urgent: bool,
    is_stopping: bool,
    /// The writer has nothing in its hands.
    is_written: bool,
    /// The writer has ended.
    is_gone: bool,
}

impl Traffic {
    /// A log that keeps nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Starts the writer. A file that cannot be written is reported once and tried again; it stops nobody.
    /// `node` knows the servers behind the numbers in records; what was received before `started_at` is no news to whoever
    /// reads the log.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: TrafficSettings, node: Arc<Node>, started_at: Timestamp) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            filling: Mutex::new(Filling { is_written: true, ..Filling::default() }),
            started_at,
            work: Condvar::new(),
            written: Condvar::new(),
            thread: parking_lot::Mutex::new(None),
        });
        let writers = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("traffic".into())
            .spawn(move || writer::run(&writers, settings, &node))?;
        *shared.thread.lock() = Some(thread);
        Ok(Self(Some(shared)))
    }

    /// Opens the log for a few entries in a row. Others wait meanwhile, so nothing but writing is done with it.
    #[must_use]
    pub fn pen(&self) -> Pen<'_> {
        Pen(self.0.as_ref().map(|shared| (&**shared, shared.open())))
    }

    /// Blocks until everything logged so far is in the file, or was given up; does not wait for a log that stops.
    pub fn flush(&self) {
        let Some(shared) = &self.0 else { return };
        let mut filling = shared.open();
        while !(filling.is_stopping || filling.is_idle() && filling.is_written) {
            filling.is_urgent = true;
            shared.work.notify_one();
            filling = shared.written.wait(filling).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks until everything is written and the writer is gone, or `limit` has passed: a disk may hang. What is
    /// logged later is lost. Says whether all was written.
    #[must_use]
    pub fn stop(&self, limit: Duration) -> bool {
        let Some(shared) = &self.0 else { return true };
        let mut filling = shared.open();
        filling.is_stopping = true;
        shared.work.notify_one();
        let deadline = Instant::now() + limit;
        while !filling.is_gone {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            filling = wait_for(&shared.written, filling, left);
        }
        drop(filling);
        let thread = shared.thread.lock().take();
        thread.is_none_or(|thread| thread.join().is_ok())
    }
}

impl Shared {
    /// A panic while it was locked leaves at most half an entry.
    fn open(&self) -> MutexGuard<'_, Filling> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for no longer than `limit`.
fn wait_for<'a>(
    what: &Condvar,
    filling: MutexGuard<'a, Filling>,
    limit: Duration,
) -> MutexGuard<'a, Filling> {
    what.wait_timeout(filling, limit).unwrap_or_else(PoisonError::into_inner).0
}

impl Filling {
    const fn is_idle(&self) -> bool {
        self.buffer.is_empty() && self.lost.is_none()
    }
}

/// The log, opened for some entries. Nothing it does can fail or wait.
#[derive(Debug)]
pub struct Pen<'a>(Option<(&'a Shared, MutexGuard<'a, Filling>)>);

impl Pen<'_> {
    /// Lines that were received, without their LFs.
    pub fn received<'b>(&mut self, party: Party, at: Timestamp, lines: impl IntoIterator<Item = &'b [u8]>) {
        self.append(Event::Received, party, at, |text| {
            for line in lines {
                text.extend_from_slice(line);
                text.push(b'\n');
            }
        });
    }

    /// Lines that are sent, each with its LF.
    pub fn sent(&mut self, party: Party, at: Timestamp, lines: &[u8]) {
        self.append(Event::Sent, party, at, |text| text.extend_from_slice(lines));
    }

    /// So many bytes of a provider were sent, which may not be stored.
    pub fn sent_body(&mut self, party: Party, at: Timestamp, subject: &str, bytes: usize) {
        self.line(Event::Sent, party, at, &format!("(+{bytes} bytes of {subject})"));
    }

    /// A connection or a neighbour is there; `who` is one line.
    pub fn came(&mut self, party: Party, at: Timestamp, who: &str) {
        self.line(Event::Came, party, at, who);
    }

    /// A connection or a neighbour is gone; `why` is one line.
    pub fn went(&mut self, party: Party, at: Timestamp, why: &str) {
        self.line(Event::Went, party, at, why);
    }

    /// Whole records that came over a link as they happened, with our server numbers.
    pub fn reports(&mut self, party: Party, at: Timestamp, records: &[u8]) {
        self.append(Event::Reports, party, at, |text| text.extend_from_slice(records));
    }

    /// Whole records that came over a link by comparing tables, with our server numbers. Of those that a server received
    /// before this one started there may be a whole table: they are counted.
    pub fn copies(&mut self, party: Party, at: Timestamp, copies: &[u8]) {
        let Some(started_at) = self.0.as_ref().map(|(shared, _)| shared.started_at) else { return };
        let mut old = 0;
        self.append(Event::Copies, party, at, |text| {
            for record in records(copies) {
                if record.received_at() < started_at {
                    old += 1;
                } else {
                    text.extend_from_slice(record.bytes());
                }
            }
        });
        if old > 0 {
            let line = format!("({old} reports from before this server started)");
            self.line(Event::OldCopies, party, at, &line);
        }
    }

    fn line(&mut self, event: Event, party: Party, at: Timestamp, line: &str) {
        self.append(event, party, at, |text| {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        });
    }

    /// Adds the lines or records that `write` appends, unless they do not fit.
    fn append(&mut self, event: Event, party: Party, at: Timestamp, write: impl FnOnce(&mut Vec<u8>)) {
        let Some((shared, filling)) = &mut self.0 else { return };
        let was_idle = filling.is_idle();
        filling.buffer.append(event, party, at, write);
        if filling.buffer.bytes() > BUFFER_BYTES_MAX {
            filling.lost.get_or_insert((at, 0)).1 += filling.buffer.undo();
        }
        if !filling.is_urgent && filling.buffer.bytes() > BUFFER_BYTES_MAX / 2 {
            filling.is_urgent = true;
            shared.work.notify_one();
        } else if was_idle {
            shared.work.notify_one();
        }
    }
}

impl Filling {
    /// Hands what was filled to the writer in exchange for its empty buffer.
    fn take(&mut self, empty: &mut Buffer) -> Option<(Timestamp, u64)> {
        mem::swap(&mut self.buffer, empty);
        self.is_urgent = false;
        self.is_written = false;
        self.lost.take()
    }
}
