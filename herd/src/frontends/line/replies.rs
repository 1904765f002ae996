//! The replies of one connection in order, some of which wait for a provider, or for the disk.
//!
//! Knows bytes and futures, no sockets. The one thing to know: new replies go to the tail, which is what is ready to be
//! written unless something is waited for; then it is whatever stands behind the last such thing.

use std::{
    cell::RefCell,
    collections::VecDeque,
    task::{Context, Poll},
};

use crate::gateway::{Nearby, Wait};

/// Memory that a thread keeps for the next replies of any connection: those to all that is read at once.
const SPARE_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Lent to whichever connection has replies, so that an idle one holds no memory and a busy one asks for none.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// See the module.
#[derive(Default)]
pub(super) struct Replies {
    /// May be written, from `written` on.
    ready: Vec<u8>,
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
        if self.ready.capacity() == 0 {
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
            self.ready.extend_from_slice(body.as_deref().unwrap_or_default());
            self.ready.extend_from_slice(&then);
            released(body.map(|body| body.len()), &then);
        }
    }

    /// Bytes that may be written.
    pub(super) fn ready(&self) -> &[u8] {
        self.ready.get(self.written..).unwrap_or_default()
    }

    /// How long all is that was ever made ready and is still in memory: to find what one batch adds. What is behind
    /// something that is waited for does not count.
    pub(super) const fn mark(&self) -> usize {
        self.ready.len()
    }

    /// What was made ready since `mark`.
    pub(super) fn since(&self, mark: usize) -> &[u8] {
        self.ready.get(mark..).unwrap_or_default()
    }

    /// Forgets the first `bytes` of what is ready.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= self.ready.len() {
            self.written = 0;
            let mut spare = std::mem::take(&mut self.ready);
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
        self.ready().len() + held_back.sum::<usize>()
    }

    /// How many things are waited for.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether every reply was written.
    pub(super) fn is_empty(&self) -> bool {
        self.ready().is_empty() && self.waiting.is_empty()
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
