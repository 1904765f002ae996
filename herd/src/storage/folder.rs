//! Where one server's store lies: its folder, locked for as long as the server lives, and what becomes of a store that
//! can no longer be written to.
//!
//! Knows no database. A store is a folder of its own (`reports`), because only that can be put in the place of another
//! in one step.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::OpenError;

const LOCK: &str = "lock";
const STORE: &str = "reports";
const NEXT_STORE: &str = "reports.new";
const DAMAGED: &str = "reports.damaged-";

/// Most stores that were moved aside and are kept: an operator may want to look at one, a disk is not to fill with them.
const DAMAGED_MAX: usize = 4;

/// The folder of one server.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked until it is closed; the system does that however the process ends.
    _lock: File,
}

impl Folder {
    /// Makes it, if need be, and keeps other processes out.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let unusable = |error| OpenError::Unusable { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(unusable)?;
        let options = File::options().create(true).truncate(false).write(true).open(path.join(LOCK));
        let lock = options.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    /// Where the store is.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// An empty folder for the store that comes next.
    pub(super) fn next_store(&self) -> io::Result<PathBuf> {
        let next = self.path.join(NEXT_STORE);
        if next.exists() {
            fs::remove_dir_all(&next)?;
        }
        // Not the folder itself: if that is gone, so may be the disk that the operator wants it on.
        fs::create_dir(&next).map_err(|error| io::Error::new(error.kind(), format!("{error}: {next:?}")))?;
        Ok(next)
    }

    /// The stores that were moved aside, oldest first.
    pub(super) fn damaged(&self) -> Vec<PathBuf> {
        let mut numbers: Vec<u32> = fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix(DAMAGED)?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|number| self.path.join(format!("{DAMAGED}{number}"))).collect()
    }

    /// Puts the next store in the place of the one that is there, which is moved aside or, unless it is to be kept,
    /// removed.
    pub(super) fn replace(&self, keep_old: bool) -> io::Result<()> {
        let store = self.store();
        if store.exists() && keep_old {
            let damaged = self.damaged();
            let last = damaged.last().and_then(|path| path.extension()?.to_str()?.strip_prefix("damaged-"));
            let number = last.and_then(|text| text.parse::<u32>().ok()).map_or(1, |last| u64::from(last) + 1);
            fs::rename(&store, self.path.join(format!("{DAMAGED}{number}")))?;
            for superfluous in damaged.iter().rev().skip(DAMAGED_MAX - 1) {
                fs::remove_dir_all(superfluous)?;
            }
        } else if store.exists() {
            fs::remove_dir_all(&store)?;
        }
        fs::rename(self.path.join(NEXT_STORE), store)?;
        // Only a folder that was synced remembers which names are in it; the same holds for the ones it lies in.
        let above =
            [Some(self.path.as_path()), self.path.parent(), self.path.parent().and_then(Path::parent)];
        above.into_iter().flatten().filter(|path| !path.as_os_str().is_empty()).try_for_each(sync)
    }
}

/// Has the names in a folder written to the disk.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_until_it_is_let_go() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("Goloman");
        let folder = Folder::open(&path).unwrap();
        assert!(matches!(Folder::open(&path), Err(OpenError::Locked(found)) if found == path));
        drop(folder);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn the_last_few_stores_that_were_replaced_are_kept() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        for life in 0..12 {
            let next = folder.next_store().unwrap();
            fs::write(next.join("life"), [life]).unwrap();
            folder.replace(true).unwrap();
        }
        let lives: Vec<_> =
            folder.damaged().iter().map(|path| fs::read(path.join("life")).unwrap()).collect();
        assert_eq!(lives, [[7], [8], [9], [10]]);
        assert_eq!(fs::read(folder.store().join("life")).unwrap(), [11]);
    }

    #[test]
    fn a_store_that_is_not_to_be_kept_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        for _ in 0..2 {
            folder.next_store().unwrap();
            folder.replace(false).unwrap();
        }
        assert_eq!(folder.damaged(), Vec::<PathBuf>::new());
    }
}
