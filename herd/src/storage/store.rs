//! One store: a SQLite database of journal blocks and shard snapshots. Nothing but SQL and files; what is written, and
//! when, is decided elsewhere.
//!
//! The one thing to know: commits do not wait for the disk. They survive the end of the process; whoever wants them to
//! survive a power cut has the write-ahead log synced ([`Store::wal`]), in any thread, while writing goes on. SQLite
//! itself syncs in a checkpoint only, and in the first commit after one: its header must be on the disk before frames
//! that take the place of old ones, else a power cut could leave a log that is half old and half new.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use herd_core::write_behind::{Batch, Held};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, config::DbConfig, ffi, limits::Limit};

use super::{
    folder,
    identity::{Identity, IdentityError},
};

const FILE: &str = "store.db";
const WAL: &str = "store.db-wal";

/// "herd" for programs that tell files apart, such as `file`.
const APPLICATION_ID: i32 = 0x6865_7264;

const SCHEMA: &str = "
CREATE TABLE identity (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE state (id INTEGER PRIMARY KEY, round INTEGER NOT NULL, forget_before INTEGER NOT NULL,
                    is_complete INTEGER NOT NULL, checkpoints INTEGER NOT NULL);
CREATE TABLE journal (id INTEGER PRIMARY KEY, round INTEGER NOT NULL, block BLOB NOT NULL);
CREATE TABLE snapshot (id INTEGER PRIMARY KEY, block BLOB NOT NULL);";

/// Longest value that is read: a block has at most 1 MiB of records, or one longer record, and the names of 4,096
/// servers, 260 KiB. What a damaged file can make us allocate.
const VALUE_BYTES_MAX: i32 = 4 * 1024 * 1024;

/// Journal blocks that are deleted at once, at most 16 MiB: more than are ever added by one batch, and 20 ms.
const FORGOTTEN_AT_ONCE: i64 = 16;

/// A write-ahead log of this many bytes is moved into the database: that takes some 20 ms and a sync, in which nothing
/// is written, and as long a log is read back in no time.
const WAL_BYTES_MAX: u64 = 8 * 1024 * 1024;

const WAL_HEADER_BYTES: u64 = 32;
const WAL_FRAME_HEADER_BYTES: u64 = 24;

/// The parts of a shard's snapshot have numbers that begin with the shard's.
const PARTS: i64 = 1 << 32;

/// What went wrong with a store that is in use. The disk is at fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// Nothing was written, and nothing that was written before is in doubt: the store can be opened again, and the same
    /// be tried.
    #[error("{0}")]
    Blocked(String),
    /// What was written since the last sync, or all of it, may be gone or wrong: another store has to take its place.
    #[error("{0}")]
    Doubtful(String),
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreOpenError {
    /// There is none.
    #[error("there is no store")]
    Missing,
    /// It belongs to somebody else, who it is says the identity; it stays as it is.
    #[error("it belongs to another server")]
    Foreign(Identity),
    /// It was written by a newer version of this program; it stays as it is.
    #[error("it has the unknown version {0}")]
    Newer(u8),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The two kinds of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Journal,
    Snapshot,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    folder: PathBuf,
    held: Held,
    /// Journal blocks of earlier rounds are of no use any more.
    forget_before: u64,
    is_complete: bool,
    fault: Option<String>,
}

impl Store {
    /// Makes an empty one in an empty folder and closes it; `is_complete` if it does not follow on another whose
    /// reports it has yet to be given.
    pub(super) fn create(path: &Path, identity: &Identity, is_complete: bool) -> Result<(), StoreError> {
        let connection = Connection::open(path.join(FILE))?;
        connection.execute_batch(&format!(
            "PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={}; PRAGMA synchronous=FULL; BEGIN; {SCHEMA}",
            Identity::VERSION
        ))?;
        connection.execute("INSERT INTO identity VALUES (1, ?1)", [identity.encode()])?;
        connection.execute("INSERT INTO state VALUES (1, 0, 0, ?1, 0)", [is_complete])?;
        connection.execute_batch("COMMIT")?;
        journal_in_wal(&connection)?;
        drop(connection);
        Ok(folder::sync(path)?)
    }

    /// Opens the one in a folder, if it is the one of `identity`. Changes nothing.
    pub(super) fn open(path: &Path, identity: &Identity) -> Result<Self, StoreOpenError> {
        if !path.join(FILE).exists() {
            return Err(StoreOpenError::Missing);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path.join(FILE), flags).map_err(StoreError::from)?;
        let prepare = || -> rusqlite::Result<()> {
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
            // What closing would do, it would do without a sync.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.execute_batch(
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;",
            )?;
            journal_in_wal(&connection)
        };
        prepare().map_err(StoreError::from)?;
        let mut store = Self {
            connection,
            folder: path.to_owned(),
            held: Held::default(),
            forget_before: 0,
            is_complete: false,
            fault: None,
        };
        match store.identify() {
            Ok(Ok(found)) if found == *identity => {}
            Ok(Ok(found)) => return Err(StoreOpenError::Foreign(found)),
            Ok(Err(IdentityError::Version(version))) => return Err(StoreOpenError::Newer(version)),
            Ok(Err(error)) => store.fault = Some(error.to_string()),
            Err(error) => store.fault = Some(error.to_string()),
        }
        match store.recollect() {
            // Both are written at once, and no checksum is over them: obeyed, a wrong one would have all blocks forgotten.
            Ok(round) if round.cast_unsigned() != store.forget_before => {
                store.fault = Some("it is damaged where it says what is of no use any more".to_owned());
            }
            Ok(_) => {}
            Err(error) => store.fault = Some(error.to_string()),
        }
        Ok(store)
    }

    fn identify(&self) -> rusqlite::Result<Result<Identity, IdentityError>> {
        let sql = "SELECT bytes FROM identity WHERE id = 1";
        let bytes: Vec<u8> = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Identity::decode(&bytes))
    }

    /// Finds out what it holds; the last complete round.
    fn recollect(&mut self) -> rusqlite::Result<i64> {
        let sql = "SELECT round, forget_before, is_complete FROM state WHERE id = 1";
        let row: (i64, i64, bool) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let (round, forget_before, is_complete) = row;
        let sql = "SELECT round FROM journal ORDER BY id DESC LIMIT 1";
        let last: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        let sum = |from: &str, least: i64| {
            let sql = format!("SELECT COALESCE(SUM(LENGTH(block)), 0) FROM {from} >= ?1");
            self.connection.query_row(&sql, [least], |row| row.get(0)).map(i64::cast_unsigned)
        };
        self.held = Held {
            round: round.max(last.unwrap_or_default()).cast_unsigned(),
            journal_bytes: sum("journal WHERE round", forget_before)?,
            snapshot_bytes: sum("snapshot WHERE id", 0)?,
        };
        self.forget_before = forget_before.cast_unsigned();
        self.is_complete = is_complete;
        Ok(round)
    }

    /// What is wrong with it, if that was seen already: then it is good for reading, but not for writing.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// What it held when it was opened.
    pub(super) const fn held(&self) -> Held {
        self.held
    }

    /// Whether it holds all that there was in earlier ones.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The numbers of the blocks, as far as they can be found out: with a reason if that is not all.
    pub(super) fn numbers(&self, kind: Kind) -> (Vec<i64>, Option<StoreError>) {
        let table = kind.table();
        // No block takes less room than this, so a list that goes round in a circle ends.
        let blocks_max = usize::try_from(self.bytes() / 16).unwrap_or(usize::MAX);
        let mut numbers = Vec::new();
        let mut list = |order: &str| -> rusqlite::Result<()> {
            let mut statement =
                self.connection.prepare(&format!("SELECT id FROM {table} ORDER BY id {order}"))?;
            for number in statement.query_map([], |row| row.get(0))?.take(blocks_max) {
                numbers.push(number?);
            }
            Ok(())
        };
        let fault = list("ASC").err();
        if fault.is_some() {
            // Some are behind what cannot be read.
            let _ = list("DESC");
            numbers.sort_unstable();
            numbers.dedup();
        }
        (numbers, fault.map(StoreError::from))
    }

    /// The block of that number.
    pub(super) fn block(&self, kind: Kind, number: i64) -> Result<Vec<u8>, StoreError> {
        let sql = format!("SELECT block FROM {} WHERE id = ?1", kind.table());
        Ok(self.connection.query_row(&sql, [number], |row| row.get(0))?)
    }

    /// Bytes of the database and its write-ahead log.
    pub(super) fn bytes(&self) -> u64 {
        let length = |name| fs::metadata(self.folder.join(name)).map_or(0, |found| found.len());
        length(FILE) + length(WAL)
    }

    /// Syncs what an earlier life may have left unsynced; has to come before the first [`Store::write`]. Says how many bytes
    /// at the end were no whole transaction.
    pub(super) fn settle(&mut self) -> Result<u64, StoreError> {
        let wal_bytes = self.wal_bytes()?;
        self.connection.execute_batch("PRAGMA synchronous=FULL")?;
        let frames: i64 =
            self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
        let page_bytes: i64 = self.connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let whole = frames.cast_unsigned() * (page_bytes.cast_unsigned() + WAL_FRAME_HEADER_BYTES);
        self.checkpoint()?;
        Ok(wal_bytes.saturating_sub(WAL_HEADER_BYTES + whole))
    }

    /// Writes a batch down, all of it or nothing. From then on it survives this process.
    pub(super) fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        let round = batch.round.cast_signed();
        if let Some(block) = &batch.journal {
            transaction.execute("INSERT INTO journal (round, block) VALUES (?1, ?2)", (round, block))?;
        }
        for snapshot in &batch.snapshots {
            let first = i64::from(snapshot.shard) * PARTS;
            transaction
                .execute("DELETE FROM snapshot WHERE id BETWEEN ?1 AND ?2", (first, first + PARTS - 1))?;
            for (number, block) in (first..).zip(&snapshot.blocks) {
                transaction.execute("INSERT INTO snapshot VALUES (?1, ?2)", (number, block))?;
            }
        }
        if batch.completes_round {
            let sql = "UPDATE state SET round = ?1, forget_before = ?1, is_complete = 1";
            transaction.execute(sql, [round])?;
            self.forget_before = batch.round;
        }
        forget(&transaction, self.forget_before.cast_signed())?;
        transaction.commit()?;
        self.is_complete |= batch.completes_round;
        Ok(())
    }

    /// The write-ahead log: once it is synced, all that was written before is.
    pub(super) fn wal(&self) -> Result<File, StoreError> {
        Ok(File::open(self.folder.join(WAL))?)
    }

    /// Whether `wal` is still where the next life will look for it: what is written to a file that somebody removed is
    /// gone with this process.
    pub(super) fn is_in_place(&self, wal: &File) -> bool {
        let place = |found: fs::Metadata| (found.dev(), found.ino());
        let (named, open) = (fs::metadata(self.folder.join(WAL)), wal.metadata());
        named.and_then(|named| Ok(place(named) == place(open?))).unwrap_or(false)
    }

    /// Moves the write-ahead log into the database if it has grown long.
    pub(super) fn tidy_up(&mut self) -> Result<(), StoreError> {
        if self.wal_bytes()? > WAL_BYTES_MAX { self.checkpoint() } else { Ok(()) }
    }

    /// Moves the write-ahead log into the database; syncs both.
    pub(super) fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.connection.execute_batch("PRAGMA synchronous=FULL")?;
        let is_busy: bool =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        debug_assert!(!is_busy, "nobody else has this database open");
        self.connection
            .execute_batch("UPDATE state SET checkpoints = checkpoints + 1; PRAGMA synchronous=OFF")?;
        Ok(())
    }

    fn wal_bytes(&self) -> Result<u64, StoreError> {
        match fs::metadata(self.folder.join(WAL)) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl Kind {
    const fn table(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Snapshot => "snapshot",
        }
    }
}

fn journal_in_wal(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))
}

/// Deletes some of the blocks that are of no use any more. Rounds only grow with the numbers of blocks.
fn forget(connection: &Connection, before: i64) -> rusqlite::Result<()> {
    let sql = "SELECT MAX(id) FROM (SELECT id, round FROM journal ORDER BY id LIMIT ?1) WHERE round < ?2";
    let last: Option<i64> = connection.query_row(sql, (FORGOTTEN_AT_ONCE, before), |row| row.get(0))?;
    if let Some(last) = last {
        connection.execute("DELETE FROM journal WHERE id <= ?1", [last])?;
    }
    Ok(())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let is_write = |code: i32| [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_TRUNCATE].contains(&code);
        let is_harmless = match error.sqlite_error() {
            Some(inner) if inner.code == ErrorCode::SystemIoFailure => is_write(inner.extended_code),
            Some(inner) => matches!(
                inner.code,
                ErrorCode::DiskFull
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::PermissionDenied
                    | ErrorCode::OutOfMemory
            ),
            None => false,
        };
        if is_harmless { Self::Blocked(error.to_string()) } else { Self::Doubtful(error.to_string()) }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Blocked(error.to_string())
    }
}
