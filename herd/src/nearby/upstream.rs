//! A provider behind a network: what it is asked, and the page that it answers with.
//!
//! Not the HTTP client (`http`), nor any one provider. The one thing to know: a [`Page`] is the provider's own
//! bytes; a smaller bound is cut out of them by splicing, so a page is never printed anew.

use std::{fmt, ops::Range, pin::Pin, sync::Arc, time::Duration};

use herd_core::position::Position;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    google_style::{error_body, frame},
    messages,
};

/// A future that the caller may keep and poll on any thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is asked upstream: always the full page, cut locally.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inquiry {
    /// Around which point.
    pub at: Position,
    /// Radius in kilometres, 0 or more.
    pub radius_km: f64,
}

/// Why a page holds no answer, in Google's words, which every format here maps its own to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The provider is broken or out of reach; a later try may succeed.
    UnknownError,
    /// A quota, the provider's or ours, is used up.
    OverQueryLimit,
    /// The provider does not accept the key.
    RequestDenied,
    /// The provider does not accept the question.
    InvalidRequest,
}

impl Status {
    /// The one that Google writes so.
    pub(super) fn named(text: &str) -> Option<Self> {
        let all = [Self::UnknownError, Self::OverQueryLimit, Self::RequestDenied, Self::InvalidRequest];
        all.into_iter().find(|status| status.as_str() == text)
    }

    /// What an HTTP status says where nothing better does.
    pub(super) const fn of_http(code: u16) -> Self {
        match code {
            400 | 422 => Self::InvalidRequest,
            401 | 403 => Self::RequestDenied,
            // 402: no money left; 420: what Twitter's search said before there was 429.
            402 | 420 | 429 => Self::OverQueryLimit,
            _ => Self::UnknownError,
        }
    }

    /// As Google writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownError => "UNKNOWN_ERROR",
            Self::OverQueryLimit => "OVER_QUERY_LIMIT",
            Self::RequestDenied => "REQUEST_DENIED",
            Self::InvalidRequest => "INVALID_REQUEST",
        }
    }
}

/// A provider behind a network.
pub trait Upstream: fmt::Debug + Send + Sync + 'static {
    /// Its name in the configuration.
    fn name(&self) -> &'static str;

    /// Asks once, without any retry; done within the configured deadline.
    ///
    /// # Errors
    /// The provider is at fault, or what is between us: the page tells the client so.
    fn fetch(&self, inquiry: Inquiry) -> BoxFuture<'static, Result<Page, Page>>;

    /// Counts up when an answer made it turn to another service: what failed at the old one is worth asking again,
    /// which is another request.
    fn generation(&self) -> u32 {
        0
    }

    /// The error body of this provider's format.
    fn refusal(&self, status: Status, message: &str) -> Page;

    /// How long its terms let an answer be kept, in memory only.
    fn ttl_max(&self) -> Duration;
}

/// One page as the provider sent it (or translated into the format's own shape), cut to any bound. Cheap to clone.
#[derive(Clone)]
pub struct Page(Arc<Sheet>);

struct Sheet {
    /// All bytes after the AT line, newline rule applied.
    bytes: Vec<u8>,
    /// The array of results in `bytes`, brackets included; empty where there is none to cut.
    results: Range<usize>,
    /// Where each result but the closing bracket ends.
    ends: Vec<usize>,
    failure: Option<Status>,
}

/// What of a page matters to a cut.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    results: &'a RawValue,
}

impl Page {
    /// A page of places; `None` if it is no JSON with an array of results.
    pub(super) fn places(body: &[u8], failure: Option<Status>) -> Option<Self> {
        Self::cuttable(frame(body), failure)
    }

    /// A page of messages; `None` if it is no JSON with an array of results.
    pub(super) fn messages(body: &[u8]) -> Option<Self> {
        // Outside of strings, the only place for raw ones, line ends mean nothing.
        let line = body.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r'));
        Self::cuttable(line.chain([b'\n']).collect(), None)
    }

    /// A page that says why there are no places.
    pub(super) fn no_places(status: Status, message: &str) -> Self {
        Self::whole(frame(error_body(status.as_str(), Some(message)).as_bytes()), status)
    }

    /// A page that says why there are no messages.
    pub(super) fn no_messages(status: Status, message: &str) -> Self {
        Self::whole((messages::error_body(message) + "\n").into_bytes(), status)
    }

    fn whole(bytes: Vec<u8>, failure: Status) -> Self {
        Self(Arc::new(Sheet { bytes, results: 0..0, ends: Vec::new(), failure: Some(failure) }))
    }

    fn cuttable(bytes: Vec<u8>, failure: Option<Status>) -> Option<Self> {
        let text = str::from_utf8(&bytes).ok()?;
        let outline: Outline<'_> = serde_json::from_str(text).ok()?;
        let within = |part: &RawValue| {
            let start = part.get().as_ptr().addr() - text.as_ptr().addr();
            start..start + part.get().len()
        };
        let elements: Vec<&RawValue> = serde_json::from_str(outline.results.get()).ok()?;
        let ends = elements.into_iter().map(|element| within(element).end).collect();
        let results = within(outline.results);
        Some(Self(Arc::new(Sheet { results, ends, failure, bytes })))
    }

    /// Complete bytes after the AT line, with at most `bound` results.
    #[must_use]
    pub fn answer(&self, bound: u8) -> Vec<u8> {
        let Sheet { bytes, results, ends, .. } = &*self.0;
        let Some(&last) = ends.get(usize::from(bound)..).and_then(<[usize]>::last) else {
            return bytes.clone();
        };
        let part = |range: Range<usize>| bytes.get(range).unwrap_or_default();
        match usize::from(bound).checked_sub(1).and_then(|kept| ends.get(kept)) {
            Some(&end) => [part(0..end), part(last..bytes.len())].concat(),
            None => {
                // An empty array stays on the line of its key in every layout; the blank after the colon is kept.
                let before = part(0..results.start);
                let line_end =
                    before.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
                let blank = usize::from(before.get(line_end) == Some(&b' '));
                [part(0..line_end + blank), b"[]", part(results.end..bytes.len())].concat()
            }
        }
    }

    /// Whether it may answer later questions too: only what is OK or has no results.
    #[must_use]
    pub fn is_cacheable(&self) -> bool {
        self.0.failure.is_none()
    }

    /// Why it holds no answer, if it holds none.
    #[must_use]
    pub fn failure(&self) -> Option<Status> {
        self.0.failure
    }

    /// Bytes that it keeps in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        let Sheet { bytes, ends, .. } = &*self.0;
        size_of::<Sheet>() + bytes.capacity() + ends.capacity() * size_of::<usize>()
    }
}

impl fmt::Debug for Page {
    /// Never the bytes: a provider's terms forbid to keep them, in a log too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sheet { bytes, ends, failure, .. } = &*self.0;
        f.debug_struct("Page")
            .field("bytes", &bytes.len())
            .field("results", &ends.len())
            .field("failure", failure)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_cut_in_any_layout_and_an_empty_array_stays_on_its_line() {
        for (body, expected) in [
            (
                r#"{"results":[1,[2],{"a":"]"}],"s":1}"#,
                [r#"{"results":[],"s":1}"#, r#"{"results":[1],"s":1}"#],
            ),
            ("{\"results\": [\n 1,\n 2]\n}", ["{\"results\": []\n}", "{\"results\": [\n 1]\n}"]),
            ("{\"results\" : \n   [\n1,2 ] }\n\n\n", ["{\"results\" : [] }", "{\"results\" : \n   [\n1 ] }"]),
            ("{\"results\":[]}", ["{\"results\":[]}", "{\"results\":[]}"]),
        ] {
            let page = Page::places(body.as_bytes(), None).unwrap();
            for (bound, expected) in (0..).zip(expected) {
                assert_eq!(String::from_utf8(page.answer(bound)).unwrap(), format!("{expected}\n\n"));
            }
            assert_eq!(page.answer(20), page.answer(255));
            assert!(page.weight() > body.len());
        }
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for body in [
            "",
            "{}",
            "[]",
            "{\"results\":{}}",
            "{\"results\":[1}",
            "{\"results\":[]}x",
            "\u{feff}{\"results\":[]}",
        ] {
            assert!(
                Page::places(body.as_bytes(), None).is_none() && Page::messages(body.as_bytes()).is_none(),
                "{body}"
            );
        }
    }

    #[test]
    fn only_an_answer_is_cacheable() {
        assert!(Page::messages(b"{\"results\":[]}").unwrap().is_cacheable());
        for refused in [
            Page::no_places(Status::OverQueryLimit, "m"),
            Page::no_messages(Status::OverQueryLimit, "m"),
            Page::places(b"{\"results\":[]}", Some(Status::OverQueryLimit)).unwrap(),
        ] {
            assert!(!refused.is_cacheable());
            assert_eq!(refused.failure(), Some(Status::OverQueryLimit));
            assert!(!format!("{refused:?}").contains("error"));
        }
    }
}
