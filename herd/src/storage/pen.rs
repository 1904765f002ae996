//! Writes down what a node has to say, and puts the store right when something went wrong with it. Blocking; a driver
//! decides when.
//!
//! The one thing to know: after an error the store is closed, and the next call begins with opening it again. If what
//! was written is in doubt (a sync failed: the system may have dropped it, and says so only once), another store takes
//! its place and is given the whole table.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use herd_core::{
    log::LogPosition,
    node::Node,
    write_behind::{Held, WriteBehind},
};

use super::{
    folder::Folder,
    identity::Identity,
    store::{Store, StoreError, StoreOpenError},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Pen {
    folder: Folder,
    identity: Identity,
    node: Arc<Node>,
    behind: WriteBehind,
    store: Option<Ready>,
    /// How many batches were written.
    batches: u64,
    /// Another store has to take the place of the one in the folder: with this, which has to be kept.
    replacement: Option<KeepOld>,
    /// Set by whoever finds out that a sync failed.
    is_doubtful: Arc<AtomicBool>,
}

/// A store that may be written to.
#[derive(Debug)]
struct Ready {
    store: Store,
    wal: Arc<File>,
}

/// Whether the store that is replaced is moved aside, to be read if the next one is never complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeepOld(pub(super) bool);

/// What was written, and what has to be synced for it to survive a power cut.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// All that was logged before this.
    pub(super) position: LogPosition,
    /// How many batches that were.
    pub(super) batches: u64,
    pub(super) wal: Arc<File>,
}

impl Pen {
    /// Goes on with the store in the folder, as `goes_on` says, or puts another in its place.
    pub(super) fn new(
        folder: Folder,
        identity: Identity,
        node: Arc<Node>,
        goes_on: Result<WriteBehind, KeepOld>,
    ) -> Self {
        let (behind, replacement) = match goes_on {
            Ok(behind) => (behind, None),
            Err(keep_old) => (start(&node), Some(keep_old)),
        };
        Self {
            folder,
            identity,
            node,
            behind,
            store: None,
            batches: 0,
            replacement,
            is_doubtful: Arc::default(),
        }
    }

    /// To be set when what was written is in doubt.
    pub(super) const fn doubt(&self) -> &Arc<AtomicBool> {
        &self.is_doubtful
    }

    /// Whether there is something to write, or to put right.
    pub(super) fn has_work(&self) -> bool {
        self.store.is_none() || self.behind.has_batch(&self.node) || self.is_doubtful.load(Ordering::Relaxed)
    }

    /// Writes what the log held when this was called, and the next piece of a round if one is under way.
    pub(super) fn write(&mut self) -> Result<Written, StoreError> {
        if self.is_doubtful.swap(false, Ordering::Relaxed) {
            self.give_up_store();
        }
        let written = self.try_write();
        match &written {
            Ok(_) => {}
            Err(StoreError::Blocked(_)) => self.store = None,
            Err(StoreError::Doubtful(_)) => self.give_up_store(),
        }
        written
    }

    fn try_write(&mut self) -> Result<Written, StoreError> {
        let Ready { store, wal } = match self.store.take() {
            Some(ready) => self.store.insert(ready),
            None => {
                let ready = self.open()?;
                self.store.insert(ready)
            }
        };
        let end = self.node.log_end();
        while let Some(batch) = self.behind.next_batch(&self.node) {
            store.write(&batch)?;
            self.behind.kept(&batch);
            self.batches += 1;
            if self.behind.has_read_to(end) {
                break;
            }
        }
        store.tidy_up()?;
        if !store.is_in_place(wal) {
            return Err(StoreError::Doubtful("the store was taken out of its folder".to_owned()));
        }
        Ok(Written { position: self.behind.position(), batches: self.batches, wal: Arc::clone(wal) })
    }

    /// Opens the store, or makes another first.
    fn open(&mut self) -> Result<Ready, StoreError> {
        if let Some(KeepOld(keep_old)) = self.replacement {
            let is_followed = keep_old && self.folder.store().exists();
            let is_complete = !is_followed && self.folder.damaged().is_empty();
            Store::create(&self.folder.next_store()?, &self.identity, is_complete)?;
            self.folder.replace(keep_old)?;
            self.replacement = None;
            self.behind = start(&self.node);
        }
        let mut store = match Store::open(&self.folder.store(), &self.identity) {
            Ok(store) => store,
            Err(StoreOpenError::Store(error)) => return Err(error),
            // Somebody took it away, or put another there.
            Err(error) => return Err(StoreError::Doubtful(error.to_string())),
        };
        if let Some(fault) = store.fault() {
            return Err(StoreError::Doubtful(fault.to_owned()));
        }
        let cut_bytes = store.settle()?;
        if cut_bytes > 0 {
            tracing::warn!(bytes = cut_bytes, "the end of the store was no whole transaction and was cut");
        }
        let wal = Arc::new(store.wal()?);
        Ok(Ready { store, wal })
    }

    /// Has another store take the place of this one. One that was never complete has nothing that the node, or the store
    /// before it, does not have.
    fn give_up_store(&mut self) {
        let is_complete = self.store.take().is_none_or(|ready| ready.store.is_complete());
        self.replacement.get_or_insert(KeepOld(is_complete));
    }
}

/// What an empty store is to be given: the whole table, or what is logged from here on if there is none.
fn start(node: &Node) -> WriteBehind {
    if node.clients() == 0 {
        WriteBehind::new(Held::default())
    } else {
        WriteBehind::anew(node, Held::default())
    }
}
