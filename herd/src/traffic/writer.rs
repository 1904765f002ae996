//! The thread that formats and writes what requests left in the buffer.
//!
//! It sleeps while there is nothing to do. Woken, it pauses a little before it takes the buffer, so that under load it
//! is woken twenty times a second and not by each request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use herd_core::{
    node::Node,
    report::Printer,
    server::{Name, ServerIndex},
    time::Timestamp,
    wire::record::records,
};
use memchr::memchr_iter;

use super::{
    Shared, TrafficSettings,
    entry::{Buffer, Channel, Entry, Event, Party},
    file::RotatingFile,
    head::Head,
    wait_for,
};

/// Pause between two writes: waking a thread costs 20 us of CPU, so this keeps it under 0.1 %; whoever follows the
/// log does not notice it.
const PAUSE: Duration = Duration::from_millis(50);

/// Text handed to the file at once: amortises the system call.
const PIECE_BYTES: usize = 64 * 1024;

/// Time between two attempts after the file could not be written.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Writes until the log is stopped.
pub(super) fn run(shared: &Shared, settings: TrafficSettings, node: &Arc<Node>) {
    let mut writer = Writer {
        node,
        path: settings.path.display().to_string(),
        file: RotatingFile::new(settings),
        text: Vec::new(),
        head: Head::default(),
        printer: Printer::default(),
        unwritten: 0,
        failed_at: None,
    };
    let mut buffer = Buffer::default();
    loop {
        let mut filling = shared.open();
        if filling.is_idle() {
            filling.is_written = true;
            filling.buffer.release();
            buffer.release();
            filling.is_gone = filling.is_stopping;
            shared.written.notify_all();
            if filling.is_gone {
                return;
            }
            drop(shared.work.wait(filling));
            continue;
        }
        if !filling.is_urgent && !filling.is_stopping {
            filling = wait_for(&shared.work, filling, PAUSE);
        }
        let lost = filling.take(&mut buffer);
        drop(filling);
        writer.write(&buffer, lost);
        buffer.clear();
    }
}

struct Writer<'a> {
    node: &'a Arc<Node>,
    path: String,
    file: RotatingFile,
    text: Vec<u8>,
    head: Head,
    printer: Printer,
    /// Lines lost since the file could not be written.
    unwritten: u64,
    failed_at: Option<Instant>,
}

impl Writer<'_> {
    fn write(&mut self, buffer: &Buffer, lost: Option<(Timestamp, u64)>) {
        for (entry, text) in buffer.entries() {
            self.format(entry, text);
            if self.text.len() >= PIECE_BYTES {
                self.hand_over(entry.at);
            }
        }
        let last = buffer.entries().last().map(|(entry, _)| entry.at);
        if let Some((at, lines)) = lost {
            self.format_lost(at, lines);
        }
        if let Some(at) = last.or_else(|| lost.map(|(at, _)| at)) {
            self.hand_over(at);
        }
        self.text.shrink_to(2 * PIECE_BYTES);
    }

    fn format(&mut self, entry: &Entry, text: &[u8]) {
        self.head.set(entry.event, entry.party, entry.at);
        if matches!(entry.event, Event::Reports | Event::Copies) {
            return self.format_records(text);
        }
        let mut start = 0;
        for end in memchr_iter(b'\n', text) {
            self.head.line(&mut self.text, text.get(start..end).unwrap_or_default());
            start = end + 1;
        }
    }

    fn format_records(&mut self, text: &[u8]) {
        let mut line = Vec::new();
        // Mostly one after the other of the same server.
        let mut known: Option<(ServerIndex, Name)> = None;
        for record in records(text) {
            if known.as_ref().is_none_or(|(index, _)| *index != record.server()) {
                known = self.node.names().name(record.server()).map(|name| (record.server(), name));
            }
            let Some((_, server)) = &known else { continue };
            line.clear();
            self.printer.print(&record, server, &mut line);
            self.head.line(&mut self.text, &line);
        }
    }

    fn format_lost(&mut self, at: Timestamp, lines: u64) {
        self.head.set(Event::Lost, Party { channel: Channel::Log, peer: None }, at);
        self.head.line(&mut self.text, format!("{lines} lines lost").as_bytes());
    }

    /// Writes the text, or gives it up and counts its lines.
    fn hand_over(&mut self, at: Timestamp) {
        let text = std::mem::take(&mut self.text);
        if self.unwritten > 0 {
            self.format_lost(at, self.unwritten);
            let notice = std::mem::take(&mut self.text);
            if self.put(&notice) == 0 {
                self.unwritten = 0;
            }
        }
        self.unwritten += self.put(&text);
        self.text = text;
        self.text.clear();
    }

    /// Writes lines and says how many of them could not be written.
    fn put(&mut self, lines: &[u8]) -> u64 {
        let mut rest = lines;
        if self.failed_at.is_none_or(|failed_at| failed_at.elapsed() >= RETRY_EVERY) {
            let path = &self.path;
            match (self.file.write(&mut rest), self.failed_at) {
                (Ok(()), None) => {}
                (Ok(()), Some(_)) => {
                    tracing::info!(path, "the traffic log can be written again");
                    self.failed_at = None;
                }
                (Err(error), known) => {
                    if known.is_none() {
                        tracing::error!(path, %error, "the traffic log cannot be written");
                    }
                    self.failed_at = Some(Instant::now());
                }
            }
        }
        memchr_iter(b'\n', rest).count() as u64
    }
}
