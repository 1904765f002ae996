//! The replies of one connection in order, some of which wait for a provider, or for the disk.
//!
//! Knows bytes and futures, no sockets. The one thing to know: new replies go to the tail, which is what is ready to be
//! written unless something is waited for; then it is whatever stands behind the last such thing.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    task::{Context, Poll, ready},
};

use crate::gateway::{Nearby, Wait};

/// Memory that a thread keeps for the next replies of any connection: those to all that is read at once.
const SPARE_BYTES_MAX: usize = 128 * 1024;

thread_local! {
    /// Lent to whichever connection has replies, so that an idle one holds no memory and a busy one asks for none.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// From this size on what a provider says is written from where it is: to copy it costs more than a write of several
/// parts.
const APART_BYTES_MIN: usize = 1024;

/// Parts of one write: the answers of a few turns, and what is between them.
const PARTS_MAX: usize = 16;

/// See the module.
#[derive(Default)]
pub(super) struct Replies {
    /// May be written, one after the other: what is ready but its end.
    parts: VecDeque<Vec<u8>>,
    /// The end of what may be written.
    ready: Vec<u8>,
    /// How much of the first part was written.
    written: usize,
    waiting: VecDeque<Waiting>,
}

/// What is waited for, and the replies behind it.
struct Waiting {
    body: Body,
    then: Vec<u8>,
}

enum Body {
    Asked(Nearby),
    Told(Vec<u8>),
    /// The replies behind are to be kept back until this resolves.
    Held(Wait),
    Free,
}

impl Replies {
    /// Where the next reply is appended.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        if self.waiting.is_empty() && self.ready.capacity() == 0 {
            self.ready = SPARE.take();
        }
        self.waiting.back_mut().map_or(&mut self.ready, |last| &mut last.then)
    }

    /// Appends what a provider is going to say.
    pub(super) fn ask(&mut self, nearby: Nearby) {
        self.waiting.push_back(Waiting { body: Body::Asked(nearby), then: Vec::new() });
    }

    /// Holds back all replies that are appended from here on until `wait` resolves.
    pub(super) fn hold(&mut self, wait: Wait) {
        self.waiting.push_back(Waiting { body: Body::Held(wait), then: Vec::new() });
    }

    /// Asks all that is waited for how far it is, and makes ready what nothing holds back any more: tells `released` the
    /// length of each provider's body and the replies behind it. What is not done wakes `cx`.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>, mut released: impl FnMut(Option<usize>, &[u8])) {
        for waiting in &mut self.waiting {
            waiting.body.poll(cx);
        }
        while let Some(Waiting { body, then }) = self.waiting.pop_front_if(|first| first.body.is_done()) {
            let body = if let Body::Told(body) = body { Some(body) } else { None };
            released(body.as_ref().map(Vec::len), &then);
            self.append(body.unwrap_or_default());
            self.append(then);
        }
    }

    /// Makes bytes ready.
    fn append(&mut self, bytes: Vec<u8>) {
        if bytes.len() < APART_BYTES_MIN {
            return self.ready.extend_from_slice(&bytes);
        }
        if !self.ready.is_empty() {
            self.parts.push_back(mem::take(&mut self.ready));
        }
        self.parts.push_back(bytes);
    }

    /// Whether anything may be written.
    pub(super) fn has_ready(&self) -> bool {
        self.ready_bytes() > 0
    }

    /// Offers what may be written, in parts, and forgets what `write` says was.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let mut offered = [IoSlice::new(&[]); PARTS_MAX];
        let mut count = 0;
        let mut skipped = self.written;
        for (slot, part) in offered.iter_mut().zip(self.parts.iter().chain([&self.ready])) {
            *slot = IoSlice::new(part.get(mem::take(&mut skipped)..).unwrap_or_default());
            count += 1;
        }
        let written = ready!(write(offered.get(..count).unwrap_or_default()))?;
        self.wrote(written);
        Poll::Ready(Ok(()))
    }

    fn ready_bytes(&self) -> usize {
        self.parts.iter().map(Vec::len).sum::<usize>() + self.ready.len() - self.written
    }

    /// How long the end of what is ready is: to find what one batch adds. What is behind something that is waited for does
    /// not count.
    pub(super) const fn mark(&self) -> usize {
        self.ready.len()
    }

    /// What one batch made ready since `mark`.
    pub(super) fn since(&self, mark: usize) -> &[u8] {
        self.ready.get(mark..).unwrap_or_default()
    }

    /// Forgets the first `bytes` of what is ready.
    fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(part) = self.parts.pop_front_if(|part| part.len() <= self.written) {
            self.written -= part.len();
        }
        if !self.parts.is_empty() {
            return;
        }
        if self.written >= self.ready.len() {
            self.written = 0;
            let mut spare = mem::take(&mut self.ready);
            spare.clear();
            if spare.capacity() <= SPARE_BYTES_MAX {
                SPARE.set(spare);
            }
        } else if self.written > self.ready.len() / 2 {
            self.ready.drain(..self.written);
            self.written = 0;
        }
    }

    /// Bytes that are not written yet, those behind a question included.
    pub(super) fn unsent(&self) -> usize {
        let held_back = self.waiting.iter().map(|waiting| {
            let body = match &waiting.body {
                Body::Asked(_) | Body::Held(_) | Body::Free => 0,
                Body::Told(body) => body.len(),
            };
            body + waiting.then.len()
        });
        self.ready_bytes() + held_back.sum::<usize>()
    }

    /// How many things are waited for.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether every reply was written.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_ready() && self.waiting.is_empty()
    }
}

impl Body {
    fn poll(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::Asked(nearby) => {
                if let Poll::Ready(body) = nearby.as_mut().poll(cx) {
                    *self = Self::Told(body);
                }
            }
            Self::Held(wait) => {
                if wait.as_mut().poll(cx).is_ready() {
                    *self = Self::Free;
                }
            }
            Self::Told(_) | Self::Free => {}
        }
    }

    const fn is_done(&self) -> bool {
        matches!(self, Self::Told(_) | Self::Free)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, task::Waker};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn replies_are_written_in_their_order_however_little_is_taken_at_once(
            // Lines, and how much a provider has to say before each.
            said in prop::collection::vec((0..400usize, prop_oneof![0..4usize, 1000..1100usize, 0..9000usize]), 1..40),
            takes in prop::collection::vec(1..6000usize, 1..9),
        ) {
            let (mut replies, mut expected, mut written) = (Replies::default(), Vec::new(), Vec::new());
            let mut cx = Context::from_waker(Waker::noop());
            let mut takes = takes.into_iter().cycle();
            for (number, (line, body)) in (0..).zip(said) {
                let (line, body) = (vec![number; line], vec![255 - number; body]);
                expected.extend_from_slice(&body);
                expected.extend_from_slice(&line);
                replies.ask(Box::pin(ready(body)));
                replies.tail().extend_from_slice(&line);
                replies.advance(&mut cx, |_, _| ());
                let take = takes.next().unwrap_or(1);
                let taken = replies.write(|parts| {
                    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).take(take).collect();
                    written.extend_from_slice(&bytes);
                    Poll::Ready(Ok(bytes.len()))
                });
                prop_assert!(matches!(taken, Poll::Ready(Ok(()))));
                prop_assert_eq!(replies.unsent(), expected.len() - written.len());
            }
            while replies.has_ready() {
                let _ = replies.write(|parts| {
                    written.extend(parts.iter().flat_map(|part| part.iter().copied()));
                    Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
                });
            }
            prop_assert_eq!(written, expected);
            prop_assert!(replies.is_empty() && replies.ready.capacity() == 0);
        }
    }
}
