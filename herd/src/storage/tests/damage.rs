//! Bits that flip, ends that are missing, files that are something else: noticed, told, and never a report that nobody
//! sent.

use std::collections::HashSet;

use super::*;
use crate::storage::store::{Kind, Store, StoreError};

const CLIENTS: usize = 300;

fn asked() -> Vec<String> {
    (0..CLIENTS).map(|client| format!("WHATSAT c{client} 1 1")).collect()
}

/// A store with snapshots, a journal and a write-ahead log, and what is in it.
fn original() -> (BTreeMap<String, Vec<u8>>, HashSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (node, identity) = (node(1), identity());
    Store::create(folder.path(), &identity, true).unwrap();
    let mut store = Store::open(folder.path(), &identity).unwrap();
    store.settle().unwrap();
    let mut taken = HashSet::new();
    let mut behind = WriteBehind::anew(&node, store.held());
    for time in 1..8 {
        report(&node, (0..CLIENTS).filter(|c| c % 7 == usize::try_from(time).unwrap() % 7), time);
        taken.extend(tell(&node, &asked()));
        while let Some(batch) = behind.next_batch(&node) {
            store.write(&batch).unwrap();
            behind.kept(&batch);
        }
        if time == 5 {
            store.checkpoint().unwrap();
        }
    }
    (files(folder.path()), taken)
}

/// What a reader makes of some files.
struct Reading {
    found: Vec<String>,
    /// Whether anything was said to be wrong.
    is_told: bool,
}

fn reading(files: &BTreeMap<String, Vec<u8>>) -> Reading {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), files);
    let node = node(3);
    let mut tally = Tally::default();
    let is_told = match Store::open(folder.path(), &identity()) {
        Ok(mut store) => {
            recovery::restore(&store, &node, NOW, &mut tally);
            tally.fault.is_some() || store.settle().map_or(true, |cut_bytes| cut_bytes > 0)
        }
        Err(StoreOpenError::Store(StoreError::Doubtful(_))) => true,
        Err(error) => panic!("damage is mistaken for something else: {error}"),
    };
    Reading { found: tell(&node, &asked()), is_told }
}

#[test]
fn a_flipped_bit_anywhere_is_told_and_invents_nothing() {
    let (files, taken) = original();
    let whole = reading(&files);
    assert_eq!((whole.found.len(), whole.is_told), (CLIENTS, false));
    let mut chance = fastrand::Rng::with_seed(1);
    for (name, bytes) in &files {
        for round in 0..160 {
            // The first bytes of a file say what it is; they are looked at one by one.
            let at = if round < 100 { round } else { chance.usize(..bytes.len()) };
            let bit = chance.u8(..8);
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[at] ^= 1 << bit;
            let reading = reading(&flipped);
            assert!(
                reading.found.iter().all(|line| taken.contains(line)),
                "{name}, byte {at}, bit {bit}: invented"
            );
            let is_all = reading.found == whole.found;
            assert!(
                is_all || reading.is_told,
                "{name}, byte {at}, bit {bit}: {} left, not told",
                reading.found.len()
            );
        }
    }
}

#[test]
fn a_file_that_ends_early_is_told_and_invents_nothing() {
    let (files, taken) = original();
    let whole = reading(&files);
    let mut chance = fastrand::Rng::with_seed(2);
    for (name, bytes) in &files {
        for _ in 0..20 {
            let end = chance.usize(..bytes.len());
            let mut short = files.clone();
            short.get_mut(name).unwrap().truncate(end);
            let reading = reading(&short);
            assert!(reading.found.iter().all(|line| taken.contains(line)), "{name} cut at {end}: invented");
            // A write-ahead log that ends between two transactions is one that was never written further.
            let is_all = reading.found == whole.found;
            assert!(is_all || reading.is_told || name.ends_with("-wal"), "{name} cut at {end}: not told");
        }
    }
}

#[test]
fn what_is_left_of_a_damaged_store_is_kept_in_a_new_one() {
    let (files, _) = original();
    let damaged_at = |at: usize| {
        let mut damaged = files.clone();
        damaged.get_mut("store.db").unwrap()[at..at + 8].fill(0x55);
        let reading = reading(&damaged);
        (reading.is_told && (1..CLIENTS).contains(&reading.found.len())).then_some((damaged, reading))
    };
    let mut places = (2048..files["store.db"].len()).step_by(4096);
    let (damaged, left) = places.find_map(damaged_at).expect("some page holds reports that are nowhere else");

    let home = tempfile::tempdir().unwrap();
    put(&home.path().join("reports"), &damaged);
    let first = node(4);
    let pen = recovered(home.path(), &first).unwrap();
    assert_eq!(tell(&first, &asked()), left.found);
    let aside = files_aside(home.path());
    assert_eq!(aside, ["reports.damaged-1"]);
    // Killed before the new store has everything, the next life reads the old one too.
    drop(pen);
    let second = node(5);
    let mut pen = recovered(home.path(), &second).unwrap();
    assert_eq!(tell(&second, &asked()), left.found);
    write_all(&mut pen);
    drop(pen);
    for aside in files_aside(home.path()) {
        fs::remove_dir_all(home.path().join(aside)).unwrap();
    }
    let third = node(6);
    let pen = recovered(home.path(), &third).unwrap();
    assert_eq!(tell(&third, &asked()), left.found);
    drop(pen);
    assert_eq!(files_aside(home.path()), [""; 0], "nothing is wrong any more");
}

#[test]
fn a_file_that_is_no_store_is_moved_aside() {
    let home = tempfile::tempdir().unwrap();
    let strange =
        BTreeMap::from([("store.db".to_owned(), b"these are not the reports you are looking for".to_vec())]);
    put(&home.path().join("reports"), &strange);
    let node = node(1);
    let mut pen = recovered(home.path(), &node).unwrap();
    assert_eq!(node.clients(), 0);
    report(&node, 0..3, 1);
    write_all(&mut pen);
    drop(pen);
    let kept = files(&home.path().join("reports.damaged-1"));
    assert_eq!(kept["store.db"], strange["store.db"]);
    let next = self::node(2);
    drop(recovered(home.path(), &next).unwrap());
    assert_eq!(next.digest(), node.digest());
}

#[test]
fn a_sync_that_failed_has_the_whole_table_written_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let node = node(1);
    let mut pen = recovered(home.path(), &node).unwrap();
    report(&node, 0..CLIENTS, 1);
    write_all(&mut pen);
    let before = fs::metadata(home.path().join("reports/store.db")).unwrap();
    pen.doubt().store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(pen.has_work());
    write_all(&mut pen);
    let after = fs::metadata(home.path().join("reports/store.db")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_ne!(before.ino(), after.ino());
    drop(pen);
    fs::remove_dir_all(home.path().join("reports.damaged-1")).unwrap();
    let next = self::node(2);
    drop(recovered(home.path(), &next).unwrap());
    assert_eq!(next.digest(), node.digest());
}

#[test]
fn what_could_not_be_put_right_is_tried_again_though_nobody_reports() {
    let home = tempfile::tempdir().unwrap();
    let node = node(1);
    let mut pen = recovered(home.path(), &node).unwrap();
    report(&node, 0..CLIENTS, 1);
    write_all(&mut pen);
    let in_the_way = home.path().join("reports.new");
    fs::write(&in_the_way, "").unwrap();
    pen.doubt().store(true, std::sync::atomic::Ordering::Relaxed);
    pen.write().unwrap_err();
    assert!(pen.has_work());
    fs::remove_file(in_the_way).unwrap();
    write_all(&mut pen);
    assert!(!pen.has_work());
}

#[test]
fn a_store_that_somebody_removed_is_written_anew_and_not_taken_for_kept() {
    let home = tempfile::tempdir().unwrap();
    let node = node(1);
    let mut pen = recovered(home.path(), &node).unwrap();
    report(&node, 0..CLIENTS, 1);
    write_all(&mut pen);
    fs::remove_dir_all(home.path().join("reports")).unwrap();
    report(&node, 0..1, 2);
    pen.write().unwrap_err();
    write_all(&mut pen);
    drop(pen);
    let next = self::node(2);
    drop(recovered(home.path(), &next).unwrap());
    assert_eq!(next.digest(), node.digest());
}

#[test]
fn lives_that_end_early_push_out_no_store_that_is_still_needed() {
    let home = tempfile::tempdir().unwrap();
    let first = node(1);
    let mut pen = recovered(home.path(), &first).unwrap();
    report(&first, 0..CLIENTS, 1);
    write_all(&mut pen);
    pen.doubt().store(true, std::sync::atomic::Ordering::Relaxed);
    pen.write().unwrap();
    drop(pen);
    for life in 2..12 {
        let node = node(life);
        drop(recovered(home.path(), &node).unwrap());
        assert_eq!(node.digest(), first.digest(), "life {life}");
        assert_eq!(files_aside(home.path()), ["reports.damaged-1"], "life {life}");
    }
}

#[test]
fn a_wrong_note_of_what_is_of_no_use_has_nothing_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let first = node(1);
    report(&first, 0..CLIENTS, 1);
    let mut pen = recovered(home.path(), &first).unwrap();
    write_all(&mut pen);
    drop(pen);
    let database = rusqlite::Connection::open(home.path().join("reports/store.db")).unwrap();
    database.execute("UPDATE state SET forget_before = forget_before + 1024", []).unwrap();
    drop(database);
    let second = node(2);
    let mut pen = recovered(home.path(), &second).unwrap();
    report(&second, 0..1, 2);
    write_all(&mut pen);
    drop(pen);
    let third = node(3);
    drop(recovered(home.path(), &third).unwrap());
    assert_eq!((third.clients(), third.digest()), (CLIENTS, second.digest()));
}

fn files_aside(home: &Path) -> Vec<String> {
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("reports.damaged")).collect()
}

#[test]
fn every_kind_of_block_is_read() {
    let (files, _) = original();
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &files);
    let store = Store::open(folder.path(), &identity()).unwrap();
    for kind in [Kind::Journal, Kind::Snapshot] {
        assert!(!store.numbers(kind).0.is_empty(), "{kind:?}");
    }
}
