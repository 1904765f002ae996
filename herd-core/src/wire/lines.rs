//! Cuts a stream of bytes into lines, whatever pieces it arrives in.
//!
//! Knows LF and a bound, nothing else of the protocol. The one thing to know: lines that arrive whole are slices of
//! the read buffer; only a line that a read cuts is ever copied, and an idle stream holds no buffer.

use memchr::{memchr, memrchr};

/// Capacity that a splitter keeps for the next cut line: a few usual lines, 5 MB at 10,000 connections.
const IDLE_BYTES_MAX: usize = 512;

/// The state of one stream between two reads: the start of a line whose LF is still to come. Holds at most twice
/// the bound.
#[derive(Debug)]
pub struct LineSplitter {
    tail: Vec<u8>,
    line_bytes_max: usize,
    /// The rest of a line that was too long is being skipped; then the tail is empty.
    is_skipping: bool,
}

impl LineSplitter {
    /// A splitter at the start of a stream whose lines have up to `line_bytes_max` bytes before their LF.
    #[must_use]
    pub const fn new(line_bytes_max: usize) -> Self {
        Self { tail: Vec::new(), line_bytes_max, is_skipping: false }
    }

    /// Takes the next bytes of the stream and lends the lines that end in them. The start of a line at the end of
    /// `input` is kept when the [`Split`] is dropped.
    ///
    /// ```
    /// use herd_core::wire::lines::{Line, LineSplitter};
    ///
    /// let mut splitter = LineSplitter::new(80);
    /// assert_eq!(splitter.split(b"one\ntw").lines().collect::<Vec<_>>(), [Line::Whole(b"one")]);
    /// let split = splitter.split(b"o\nthree\n");
    /// assert_eq!(split.lines().collect::<Vec<_>>(), [Line::Whole(b"two"), Line::Whole(b"three")]);
    /// ```
    #[must_use = "the lines of the input are in the value"]
    pub fn split<'a>(&'a mut self, input: &'a [u8]) -> Split<'a> {
        let mut rest = input;
        let mut first = First::InRest;
        if self.is_skipping {
            let lf = memchr(b'\n', input);
            self.is_skipping = lf.is_none();
            rest = after(input, lf);
        } else if !self.tail.is_empty() {
            let lf = memchr(b'\n', input);
            let piece = input.get(..lf.unwrap_or(input.len())).unwrap_or(input);
            let room = self.line_bytes_max - self.tail.len();
            self.tail.extend_from_slice(piece.get(..room).unwrap_or(piece));
            first = match lf {
                _ if piece.len() > room => First::TooLong,
                Some(_) => First::Whole,
                None => First::Unfinished,
            };
            self.is_skipping = piece.len() > room && lf.is_none();
            rest = after(input, lf);
        }
        Split { splitter: self, first, rest }
    }

    /// Ends the stream and lends its last line if that had no LF. The splitter is ready for another stream.
    #[must_use = "the last line is in the value"]
    pub fn finish(&mut self) -> Split<'_> {
        self.is_skipping = false;
        self.split(if self.tail.is_empty() { b"" } else { b"\n" })
    }
}

/// One line of a stream, without its LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// As much as the bound allows of one that is longer; the rest is skipped.
    TooLong(&'a [u8]),
}

impl<'a> Line<'a> {
    fn new(bytes: &'a [u8], line_bytes_max: usize) -> Self {
        match bytes.split_at_checked(line_bytes_max) {
            Some((head, [_, ..])) => Self::TooLong(head),
            _ => Self::Whole(bytes),
        }
    }
}

/// The lines that end in one read, all of them borrowable at once.
#[derive(Debug)]
pub struct Split<'a> {
    splitter: &'a mut LineSplitter,
    first: First,
    /// What follows the line in the splitter's tail.
    rest: &'a [u8],
}

/// What the splitter's tail holds while a [`Split`] lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// Nothing: the first line is in the input like the others.
    InRest,
    /// A line that is complete.
    Whole,
    /// The head of a line that is too long.
    TooLong,
    /// A line whose LF has not come.
    Unfinished,
}

impl Split<'_> {
    /// The lines in the order sent.
    #[must_use]
    pub fn lines(&self) -> Lines<'_> {
        let tail = self.splitter.tail.as_slice();
        let first = match self.first {
            First::InRest | First::Unfinished => None,
            First::Whole => Some(Line::Whole(tail)),
            First::TooLong => Some(Line::TooLong(tail)),
        };
        Lines { first, rest: self.rest, line_bytes_max: self.splitter.line_bytes_max }
    }

    /// Ends the read before its last `bytes`, of which no line was taken: they are brought again.
    pub fn put_back(mut self, bytes: usize) {
        debug_assert!(bytes <= self.rest.len(), "what was not read cannot be put back");
        self.rest = self.rest.get(..self.rest.len().saturating_sub(bytes)).unwrap_or_default();
    }
}

impl Drop for Split<'_> {
    fn drop(&mut self) {
        let LineSplitter { tail, line_bytes_max, is_skipping } = &mut *self.splitter;
        if self.first == First::Unfinished {
            return;
        }
        let unfinished =
            self.rest.get(memrchr(b'\n', self.rest).map_or(0, |lf| lf + 1)..).unwrap_or_default();
        tail.clear();
        if unfinished.len() > *line_bytes_max {
            *is_skipping = true;
        } else {
            tail.extend_from_slice(unfinished);
        }
        if tail.is_empty() && tail.capacity() > IDLE_BYTES_MAX {
            *tail = Vec::new();
        }
    }
}

/// Iterator over the lines of a [`Split`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    first: Option<Line<'a>>,
    rest: &'a [u8],
    line_bytes_max: usize,
}

impl<'a> Lines<'a> {
    /// Bytes of the read of which no line was taken.
    #[must_use]
    pub const fn unread(&self) -> usize {
        self.rest.len()
    }

    /// The next line and what follows it, unless that line began in an earlier read.
    #[inline]
    pub(super) const fn ahead(&self) -> &'a [u8] {
        if self.first.is_none() { self.rest } else { &[] }
    }

    /// Takes the next line, if between what stands ahead of `rest` and its LF there is a CR at most.
    #[inline]
    pub(super) fn take_until(&mut self, rest: &[u8]) -> Option<&'a [u8]> {
        let cr_bytes = match rest {
            [b'\n', ..] => 0,
            [b'\r', b'\n', ..] => 1,
            _ => return None,
        };
        let bytes = self.rest.len() - rest.len() + cr_bytes;
        if bytes > self.line_bytes_max {
            return None;
        }
        let line = self.rest.get(..bytes)?;
        self.rest = self.rest.get(bytes + 1..)?;
        Some(line)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let lf = memchr(b'\n', self.rest);
        let bytes = self.rest.get(..lf.unwrap_or(self.rest.len()))?;
        self.rest = after(self.rest, lf);
        let line = Line::new(bytes, self.line_bytes_max);
        // A line without its LF counts only once it is known to be too long.
        (lf.is_some() || matches!(line, Line::TooLong(_))).then_some(line)
    }
}

/// What follows the LF; nothing if there is none.
fn after(input: &[u8], lf: Option<usize>) -> &[u8] {
    lf.and_then(|lf| input.get(lf + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines<'a>(split: &'a Split<'_>) -> Vec<Line<'a>> {
        split.lines().collect()
    }

    #[test]
    fn lines_that_arrive_whole_are_never_copied() {
        let mut splitter = LineSplitter::new(80);
        let input = b"one\ntwo\n\nthree\n";
        for line in splitter.split(input).lines() {
            let Line::Whole(line) = line else { panic!("{line:?}") };
            assert!(input.as_ptr_range().contains(&line.as_ptr()));
        }
        assert_eq!(splitter.tail.capacity(), 0);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_at_its_first_byte_too_many() {
        let mut splitter = LineSplitter::new(4);
        assert_eq!(lines(&splitter.split(b"12")), []);
        assert_eq!(lines(&splitter.split(b"34")), []);
        assert_eq!(lines(&splitter.split(b"5")), [Line::TooLong(b"1234")]);
        assert_eq!(lines(&splitter.split(b"6789")), []);
        assert_eq!(lines(&splitter.split(b"0\n1234\n")), [Line::Whole(b"1234")]);
        assert_eq!(lines(&splitter.split(b"123456")), [Line::TooLong(b"1234")]);
        assert_eq!(lines(&splitter.split(b"7\n")), []);
    }

    #[test]
    fn an_endless_line_holds_no_more_than_its_bound_and_an_idle_stream_nothing() {
        let mut splitter = LineSplitter::new(60_000);
        for _ in 0..59 {
            assert_eq!(lines(&splitter.split(&[b'x'; 1000])), []);
        }
        assert!(splitter.tail.capacity() <= 2 * 60_000);
        for sent in 60..10_000 {
            let split = splitter.split(&[b'x'; 1000]);
            assert_eq!(split.lines().count(), usize::from(sent == 61));
        }
        assert_eq!(splitter.tail.capacity(), 0);

        assert_eq!(splitter.split(b"\nusual").lines().count(), 0);
        assert_eq!(lines(&splitter.split(b" line\n")), [Line::Whole(b"usual line")]);
        assert!(splitter.tail.capacity() <= IDLE_BYTES_MAX);
    }

    #[test]
    fn a_finished_splitter_is_ready_for_another_stream() {
        let mut splitter = LineSplitter::new(4);
        assert_eq!(lines(&splitter.split(b"a\nb")), [Line::Whole(b"a")]);
        assert_eq!(lines(&splitter.finish()), [Line::Whole(b"b")]);
        assert_eq!(lines(&splitter.finish()), []);
        assert_eq!(lines(&splitter.split(b"123456")), [Line::TooLong(b"1234")]);
        assert_eq!(lines(&splitter.finish()), []);
        assert_eq!(lines(&splitter.split(b"a\n")), [Line::Whole(b"a")]);
    }
}
