//! Who is served next: clients that ask little at once; those that have had their share one after the other, behind
//! everybody else who is ready.
//!
//! Knows no protocol. The one thing to know: a server's answer is late by what stands before it in the runtime's queue, so
//! of clients that send without end no more than one for each thread stands there, for one short turn.

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
    time::Instant,
};
use tokio_util::sync::PollSemaphore;

/// Work that a client may ask for at once without standing in line, in commands: less than a tenth of a millisecond.
const SHARE: u32 = 64;

/// Work that a client is forgiven each millisecond: more than a person or a phone ever asks for, and little enough
/// that a hundred clients of whom each asks for as much leave room for others.
const FORGIVEN_PER_MS: u32 = 2;

/// Most work that is remembered: half a second after it fell silent every client is like any other.
const REMEMBERED_MAX: u32 = SHARE + 500 * FORGIVEN_PER_MS;

/// Work of a turn that does not count: who asks one thing at a time costs others nothing that could be spared them.
const FREE_PER_TURN: u32 = 8;

/// The line of those who have had their share; all connections of a server stand in one.
#[derive(Clone, Debug)]
pub struct Turnstile(Arc<Semaphore>);

impl Turnstile {
    /// A line at the head of which one client for each of `threads` is served.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self(Arc::new(Semaphore::new(threads.max(1))))
    }
}

/// What one connection has asked for lately, and its place in the line.
pub struct Share {
    line: PollSemaphore,
    /// It stands in the line.
    is_waiting: bool,
    work: u32,
    counted_at: Instant,
    /// It is its turn as soon as all others who are ready have been served.
    granted: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new(turnstile: &Turnstile, now: Instant) -> Self {
        let line = PollSemaphore::new(Arc::clone(&turnstile.0));
        Self { line, is_waiting: false, work: 0, counted_at: now, granted: None }
    }

    /// Waits for this client's turn: at once for one that has asked for little. The turn ends when what is returned is dropped.
    pub fn poll_turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Option<OwnedSemaphorePermit>> {
        if let Some(granted) = self.granted.take() {
            return Poll::Ready(Some(granted));
        }
        self.forgive(now);
        if self.work < SHARE {
            self.leave_line();
            return Poll::Ready(None);
        }
        self.is_waiting = true;
        self.granted = ready!(self.line.poll_acquire(cx));
        self.is_waiting = false;
        // Wakes this task behind all that is ready by then, sockets included; if something else does, it is no worse.
        let _ = pin!(yield_now()).poll(cx);
        Poll::Pending
    }

    /// Lets those behind go on: who neither works nor leaves would keep them waiting, at the worst for ever. To be called
    /// by whoever has no use for a turn now.
    pub fn leave_line(&mut self) {
        self.granted = None;
        if std::mem::take(&mut self.is_waiting) {
            // A clone does not wait; what waited is dropped, with the turn that it may have been given.
            self.line = self.line.clone();
        }
    }

    /// Takes note of work in commands.
    pub fn count(&mut self, work: u32) {
        let counts = work.saturating_sub(FREE_PER_TURN);
        self.work = self.work.saturating_add(counts).min(REMEMBERED_MAX);
    }

    fn forgive(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.counted_at).as_millis();
        if millis > 0 {
            let forgiven = u32::try_from(millis).unwrap_or(u32::MAX).saturating_mul(FORGIVEN_PER_MS);
            self.work = self.work.saturating_sub(forgiven);
            self.counted_at = now;
        }
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("work", &self.work).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    /// Whether it may work at this time without a wait.
    async fn goes_first(share: &mut Share, now: Instant) -> bool {
        poll_fn(|cx| Poll::Ready(share.poll_turn(cx, now).is_ready())).await
    }

    #[tokio::test]
    async fn who_asks_for_little_never_waits() {
        let (turnstile, now) = (Turnstile::new(1), Instant::now());
        let mut share = Share::new(&turnstile, now);
        for _ in 0..10_000 {
            share.count(FREE_PER_TURN);
            assert!(goes_first(&mut share, now).await);
        }
    }

    #[tokio::test]
    async fn who_has_had_its_share_waits_for_the_one_before_and_is_forgiven() {
        let (turnstile, now) = (Turnstile::new(1), Instant::now());
        let mut floods = [0, 1].map(|_| Share::new(&turnstile, now));
        for share in &mut floods {
            share.count(10 * SHARE);
            assert!(!goes_first(share, now).await);
        }
        let [first, second] = &mut floods;
        let turn = poll_fn(|cx| first.poll_turn(cx, now)).await;
        assert!(turn.is_some() && !goes_first(second, now).await, "one thread, one turn");
        drop(turn);
        assert!(poll_fn(|cx| second.poll_turn(cx, now)).await.is_some());
        assert!(goes_first(first, now + Duration::from_secs(1)).await, "long ago");
    }

    #[tokio::test]
    async fn who_is_forgiven_while_it_stands_in_line_keeps_nobody_waiting() {
        let (turnstile, now) = (Turnstile::new(1), Instant::now());
        let mut floods = [0, 1, 2].map(|_| Share::new(&turnstile, now));
        floods.iter_mut().for_each(|share| share.count(10 * SHARE));
        let [first, second, third] = &mut floods;
        assert!(!goes_first(first, now).await && !goes_first(second, now).await);
        let turn = poll_fn(|cx| first.poll_turn(cx, now)).await;
        assert!(turn.is_some() && !goes_first(third, now).await);
        // The second is given the turn, and then needs none.
        drop(turn);
        assert!(goes_first(second, now + Duration::from_secs(1)).await);
        assert!(poll_fn(|cx| third.poll_turn(cx, now)).await.is_some());
        // The first is given one, and then has no use for it.
        assert!(!goes_first(first, now).await && !goes_first(third, now).await);
        first.leave_line();
        assert!(poll_fn(|cx| third.poll_turn(cx, now)).await.is_some());
    }
}
