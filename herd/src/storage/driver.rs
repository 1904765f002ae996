//! When the pen writes, and when what it wrote is synced: two tasks, so that a slow sync holds back no writing.
//!
//! Idle means idle: both wait until something is fresh. The one thing to know: reports survive the end of the process
//! once they are written, and a power cut once they are synced.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use herd_core::log::LogPosition;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::engine::Engine;

use super::{
    Facts,
    pen::{Pen, Written},
    syncs::Syncs,
};

/// Time in which reports gather before they are written together: a fifth of the 100 ms after which a report has to
/// survive the end of the process.
const GATHER: Duration = Duration::from_millis(20);

/// Shortest time between the beginnings of two syncs: half of the second after which a report has to survive a
/// power cut.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// Time until the next try after an error.
const RETRY: Duration = Duration::from_secs(1);

/// What both tasks know.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) engine: Arc<Engine>,
    pub(super) facts: Arc<Mutex<Facts>>,
    pub(super) syncs: Syncs,
    pub(super) replies_wait: bool,
    pub(super) stop: CancellationToken,
}

/// What was written, and the number of the sync that makes it durable.
#[derive(Clone, Debug)]
struct Claim {
    written: Written,
    number: u64,
}

/// Starts both tasks. They end after [`Course::stop`] when all is written and synced, or the disk refuses.
pub(super) fn start(pen: Pen, course: Course, tasks: &TaskTracker) {
    let (tx, rx) = watch::channel(None);
    let ended = CancellationToken::new();
    let doubt = Arc::clone(pen.doubt());
    let syncer = Syncer { course: course.clone(), claims: rx, last: None, refused: None, doubt };
    tasks.spawn(syncer.run(ended.clone()));
    tasks.spawn(async move {
        write(pen, &course, &tx).await;
        ended.cancel();
    });
}

/// Writes whenever there is something to write.
async fn write(mut pen: Pen, course: &Course, claims: &watch::Sender<Option<Claim>>) {
    loop {
        let fresh = course.engine.fresh();
        let mut is_wanted = false;
        if !pen.has_work() {
            tokio::select! {
                biased;
                () = course.stop.cancelled() => {}
                () = course.syncs.wanted() => is_wanted = true,
                () = fresh => {}
            }
        }
        if !is_wanted {
            tokio::select! {
                biased;
                () = course.stop.cancelled() => {}
                () = course.syncs.wanted() => {}
                () = sleep(GATHER) => {}
            }
        }
        let is_last = course.stop.is_cancelled();
        let (node, syncs) = (Arc::clone(course.engine.node()), course.syncs.clone());
        let (number, replies_wait) = (syncs.begin(), course.replies_wait);
        let pass = spawn_blocking(move || {
            let settled = if replies_wait { node.settled_log_end() } else { LogPosition::default() };
            let written = pen.write();
            (pen, written, settled)
        });
        let Ok((returned, written, settled)) = pass.await else {
            course.facts.lock().error = Some("the thread that writes has ended".to_owned());
            tracing::error!("the thread that writes reports to disk has ended; nothing is written any more");
            return;
        };
        pen = returned;
        match written {
            Ok(written) => {
                let number = (written.position >= settled).then_some(number);
                claim(claims, &course.facts, written, number);
            }
            Err(error) => {
                tracing::warn!(%error, "reports cannot be written to disk; serving goes on, the next try is in a second");
                course.facts.lock().error = Some(error.to_string());
                let _ = course.stop.run_until_cancelled(sleep(RETRY)).await;
            }
        }
        if is_last {
            return;
        }
    }
}

/// Claims and notes that something was written; the sync before covers no reply more unless there is a new `number`.
fn claim(claims: &watch::Sender<Option<Claim>>, facts: &Mutex<Facts>, written: Written, number: Option<u64>) {
    claims.send_modify(|claim| {
        let before = claim.as_ref().map_or(0, |claim| claim.number);
        let is_new = claim.as_ref().is_none_or(|claim| !is_same(&claim.written, &written));
        note(&mut facts.lock(), &written, is_new);
        *claim = Some(Claim { written, number: number.unwrap_or(before) });
    });
}

fn note(facts: &mut Facts, written: &Written, is_new: bool) {
    if facts.error.take().is_some() {
        tracing::warn!("reports are written to disk again");
    }
    facts.position = written.position;
    if is_new {
        facts.unsynced_since.get_or_insert_with(std::time::Instant::now);
    }
}

/// Has noted whether a claim that was synced is all that is claimed. Nothing is claimed until that is noted: otherwise the
/// note could come after that of the next claim, and take that for synced. The writer locks in this order, too.
fn note_synced(claims: &watch::Receiver<Option<Claim>>, synced: &Claim, note: impl FnOnce(bool)) {
    let current = claims.borrow();
    note(current.as_ref().is_some_and(|current| is_same(&current.written, &synced.written)));
}

/// Syncs what was written.
struct Syncer {
    course: Course,
    claims: watch::Receiver<Option<Claim>>,
    /// What was synced last.
    last: Option<Claim>,
    /// A file that could not be synced: what the system does with it from then on is not to be believed.
    refused: Option<Arc<std::fs::File>>,
    doubt: Arc<std::sync::atomic::AtomicBool>,
}

impl Syncer {
    /// Until the writer has `ended` and its last claim was tried.
    async fn run(mut self, ended: CancellationToken) {
        let mut next = Instant::now();
        loop {
            let (last, refused) = (self.last.clone(), self.refused.clone());
            let is_due =
                |claim: &Option<Claim>| claim.as_ref().is_some_and(|claim| is_due(claim, &last, &refused));
            if self.claims.wait_for(is_due).await.is_err() {
                return;
            }
            if !self.course.replies_wait {
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = sleep_until(next) => {}
                }
            }
            next = Instant::now() + SYNC_EVERY;
            let claim = self.claims.borrow_and_update().clone();
            let Some(claim) = claim else { continue };
            self.sync(claim).await;
        }
    }

    async fn sync(&mut self, claim: Claim) {
        let began = std::time::Instant::now();
        let wal = Arc::clone(&claim.written.wal);
        let synced = if self.last.as_ref().is_some_and(|last| is_same(&last.written, &claim.written)) {
            Ok(())
        } else {
            let synced = spawn_blocking(move || wal.sync_data()).await;
            synced.unwrap_or_else(|error| Err(std::io::Error::other(error)))
        };
        match synced {
            Ok(()) => {
                self.course.syncs.finish(claim.number);
                note_synced(&self.claims, &claim, |is_all| {
                    self.course.facts.lock().unsynced_since = (!is_all).then_some(began);
                });
                self.last = Some(claim);
            }
            Err(error) => {
                tracing::warn!(%error, "reports could not be synced to disk; they are written anew");
                self.refused = Some(claim.written.wal);
                self.doubt.store(true, Ordering::Relaxed);
                self.course.syncs.want();
            }
        }
    }
}

fn is_due(claim: &Claim, last: &Option<Claim>, refused: &Option<Arc<std::fs::File>>) -> bool {
    let is_refused = refused.as_ref().is_some_and(|refused| Arc::ptr_eq(refused, &claim.written.wal));
    let is_new = last
        .as_ref()
        .is_none_or(|last| !is_same(&last.written, &claim.written) || last.number < claim.number);
    is_new && !is_refused
}

fn is_same(a: &Written, b: &Written) -> bool {
    a.batches == b.batches && Arc::ptr_eq(&a.wal, &b.wal)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Instant};

    use super::*;

    #[test]
    fn what_is_written_while_a_sync_is_noted_is_not_taken_for_synced() {
        // The syncer saw that all was synced, the writer claimed more, and then the syncer noted that all was.
        let wal = Arc::new(tempfile::tempfile().unwrap());
        let written = |batches| Written { position: LogPosition::default(), batches, wal: Arc::clone(&wal) };
        let (claims, current) = watch::channel(None);
        let facts = Mutex::new(Facts::default());
        claim(&claims, &facts, written(1), None);
        let synced = current.borrow().clone().unwrap();
        thread::scope(|scope| {
            note_synced(&current, &synced, |is_all| {
                let began = Instant::now();
                let writer = scope.spawn(|| claim(&claims, &facts, written(2), None));
                // Time enough for whoever need not wait.
                while !writer.is_finished() && began.elapsed() < Duration::from_millis(100) {
                    thread::yield_now();
                }
                facts.lock().unsynced_since = (!is_all).then_some(began);
            });
        });
        assert!(facts.lock().unsynced_since.is_some());
    }
}
