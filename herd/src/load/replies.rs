//! Replies cut out of a stream, wherever reads happen to end.
//!
//! A reply is a line; an AT line that answers a WHATSAT is followed by JSON, either on one line or, as Google prints it
//! (a lone `{` begins it), on many up to an empty one.

use std::io;

use memchr::{memchr, memmem, memrchr};

/// Longest line of a reply: 100 messages on one line, 40 KiB each.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Digits behind the point of a skew.
const SKEW_DIGITS: usize = 9;

/// Who takes replies.
pub(super) trait Taker {
    /// More bytes were read.
    fn read(&mut self) {}

    /// The first line of a reply, without its LF. Says whether JSON follows.
    fn line(&mut self, line: &[u8]) -> bool;

    /// The reply has ended.
    fn end(&mut self);
}

/// Where in a reply the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before a reply.
    #[default]
    Start,
    /// Before a reply, behind JSON that was one line: an empty line may follow.
    AfterLine,
    /// Before the JSON of a question's reply.
    Body,
    /// Within JSON that ends with an empty line.
    InBody,
}

/// The replies of one stream.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    place: Place,
}

impl Replies {
    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// A line does not end.
    pub(super) fn take(&mut self, bytes: &[u8], taker: &mut impl Taker) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            if self.place == Place::InBody && self.partial.is_empty() {
                rest = from_empty_line(rest);
            }
            let Some((line, after)) = memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end)) else {
                break;
            };
            rest = after.get(1..).unwrap_or_default();
            if self.partial.is_empty() {
                self.line(line, taker);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, taker);
                whole.clear();
                self.partial = whole;
            }
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LINE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a reply with an endless line"));
        }
        Ok(())
    }

    /// Takes a line for what it is where it stands.
    fn line(&mut self, line: &[u8], taker: &mut impl Taker) {
        self.place = match self.place {
            Place::AfterLine if line.is_empty() => Place::Start,
            Place::Start | Place::AfterLine if taker.line(line) => Place::Body,
            Place::Body if line == b"{" => Place::InBody,
            Place::InBody if !line.is_empty() => Place::InBody,
            place @ (Place::Start | Place::AfterLine | Place::Body | Place::InBody) => {
                taker.end();
                if place == Place::Body { Place::AfterLine } else { Place::Start }
            }
        };
    }
}

/// What stands from the first empty line on; without one the last line, whose end has not come. JSON has hundreds of lines.
fn from_empty_line(bytes: &[u8]) -> &[u8] {
    if bytes.starts_with(b"\n") {
        return bytes;
    }
    let start = match memmem::find(bytes, b"\n\n") {
        Some(end) => end + 1,
        None => memrchr(b'\n', bytes).map_or(0, |end| end + 1),
    };
    bytes.get(start..).unwrap_or_default()
}

/// The server that an AT line (without its LF) names, and what follows its skew: client, location, time. `None` for
/// anything else.
pub(super) fn told(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = line.strip_prefix(b"AT ")?.splitn(3, |&byte| byte == b' ');
    let (server, skew, words) = (fields.next()?, fields.next()?, fields.next()?);
    (!server.is_empty() && is_skew(skew)).then_some((server, words))
}

/// A sign, digits, a point, nine digits.
fn is_skew(text: &[u8]) -> bool {
    let Some((b'+' | b'-', number)) = text.split_first() else { return false };
    let mut parts = number.split(|&byte| byte == b'.');
    let (Some(whole), Some(nanos), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    is_number(whole) && is_number(nanos) && nanos.len() == SKEW_DIGITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// First lines; `q` in one says that it answers a question. A `.` for each end.
    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Taker for Seen {
        fn line(&mut self, line: &[u8]) -> bool {
            self.0.push(String::from_utf8_lossy(line).into_owned());
            line.contains(&b'q')
        }

        fn end(&mut self) {
            self.0.push(".".to_owned());
        }
    }

    proptest! {
        #[test]
        fn replies_are_found_however_the_stream_is_cut(
            replies in prop::collection::vec(0_usize..5, 0..20), cuts in prop::collection::vec(1_usize..20, 1..20),
        ) {
            let samples =
                ["AT a\n", "? \n", "AT q\n{\n   \"a\" : 1\n}\n\n", "AT q\n{\"one\":\"line\"}\n", "AT q\n{}\n\n"];
            let stream: String = replies.iter().map(|&nth| samples[nth]).collect();
            let mut expected = Vec::new();
            for &nth in &replies {
                expected.extend([samples[nth].lines().next().unwrap().to_owned(), ".".to_owned()]);
            }
            let (mut seen, mut taken, mut rest) = (Seen::default(), Replies::default(), stream.as_bytes());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                taken.take(now, &mut seen).unwrap();
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(seen.0, expected);
        }
    }

    #[test]
    fn an_endless_line_is_not_held() {
        let (mut seen, mut replies) = (Seen::default(), Replies::default());
        let part = vec![b'x'; LINE_BYTES_MAX / 2];
        assert!(replies.take(&part, &mut seen).is_ok());
        assert!(replies.take(&part, &mut seen).is_ok());
        assert!(replies.take(b"x", &mut seen).is_err());
    }

    #[test]
    fn an_at_line_has_a_server_a_skew_and_words() {
        let (server, words) = told(b"AT S +275201401.210544295 kiwi +34-118 15.5").unwrap();
        assert_eq!((server, words), (b"S".as_slice(), b"kiwi +34-118 15.5".as_slice()));
        for line in [
            "",
            "? AT S +0.000000001 k",
            "AT S 0.000000001 k",
            "AT  +0.000000001 k",
            "AT S +0.5 k",
            "AT S +.000000001 k",
        ] {
            assert_eq!(told(line.as_bytes()), None, "{line}");
        }
    }
}
