//! How many requests a day were paid for, in a small file that survives the server.
//!
//! One line, `day 20778 requests 40` (days since 1970, UTC), replaced as a whole and synced before it counts. Blocks:
//! not to be called where sockets are served.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Longest file that is looked at: two numbers of 64 bits and three words.
const FILE_BYTES_MAX: usize = 64;

/// What the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Days since 1970, UTC.
    pub(super) day: u64,
    /// Requests of that day that were made or may have been.
    pub(super) requests: u64,
}

/// Why the file cannot be used. The disk or whoever changed the file is at fault; it stays as it is, and nothing may be
/// spent until it is right or removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LedgerError {
    /// It cannot be read.
    #[error("cannot read the budget {path:?}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// It is no ledger.
    #[error("expected a line such as \"day 20778 requests 40\" in the budget, found something else: {0:?}")]
    Corrupt(PathBuf),
    /// It cannot be written.
    #[error("cannot write the budget {path:?}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

/// The file.
#[derive(Debug)]
pub(super) struct Ledger(PathBuf);

impl Ledger {
    /// The file at `path`, which need not exist.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What it says; nothing was paid for if there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no ledger.
    pub(super) fn read(&self) -> Result<Entry, LedgerError> {
        match fs::read(&self.0) {
            Ok(bytes) => parse(&bytes).ok_or_else(|| LedgerError::Corrupt(self.0.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Entry::default()),
            Err(error) => Err(LedgerError::Read { path: self.0.clone(), error }),
        }
    }

    /// Replaces what it says; when this returns, a power cut does not undo it.
    ///
    /// # Errors
    /// The disk does not take it; then it says what it said before or, if only the last sync failed, this.
    pub(super) fn write(&self, entry: Entry) -> Result<(), LedgerError> {
        self.replace(entry).map_err(|error| LedgerError::Write { path: self.0.clone(), error })
    }

    fn replace(&self, Entry { day, requests }: Entry) -> io::Result<()> {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder)?;
        let fresh = self.0.with_extension("new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "day {day} requests {requests}")?;
        file.sync_all()?;
        fs::rename(&fresh, &self.0)?;
        // The name has to survive as well as what it names.
        File::open(folder)?.sync_all()
    }
}

fn parse(bytes: &[u8]) -> Option<Entry> {
    let line = str::from_utf8(bytes.get(..FILE_BYTES_MAX).unwrap_or(bytes)).ok()?.strip_suffix('\n')?;
    let (day, requests) = line.strip_prefix("day ")?.split_once(" requests ")?;
    let entry = Entry { day: day.parse().ok()?, requests: requests.parse().ok()? };
    // The same number in other digits (`+5`, `05`) is not ours.
    (format!("day {} requests {}", entry.day, entry.requests) == line).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_a_missing_file_is_an_unspent_budget() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path().join("Goloman/places-budget"));
        assert_eq!(ledger.read().unwrap(), Entry::default());
        for requests in [0, 7, u64::MAX] {
            let entry = Entry { day: 20_778, requests };
            ledger.write(entry).unwrap();
            assert_eq!(ledger.read().unwrap(), entry);
        }
    }

    #[test]
    fn a_file_that_is_no_ledger_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("budget");
        for bytes in
            ["", "\n", "day 1", "day 1 requests 2", "day 1 requests -2\n", "day 1 requests 2\n\n", "\u{0}"]
        {
            fs::write(&path, bytes).unwrap();
            let error = Ledger::new(path.clone()).read().unwrap_err().to_string();
            assert!(error.starts_with("expected a line such as") && error.contains("budget\""), "{error}");
        }
        fs::write(&path, "day 1 requests 2\n".repeat(10)).unwrap();
        assert!(Ledger::new(path).read().is_err());
        assert!(matches!(Ledger::new(folder.path().into()).read(), Err(LedgerError::Read { .. })));
    }
}
