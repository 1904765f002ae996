//! Stores on a real disk, and what becomes of them: what is written is there again, whoever else asks for it.

mod damage;
mod power_cut;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use herd_core::{
    command::{Command, QuestionLimits},
    node::{Answer, Node, NodeSettings},
    secret::HerdKey,
    wire::line,
    write_behind::WriteBehind,
};

use super::*;

const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn identity() -> Identity {
    Identity { herd: name("goloman"), server: name("Hands") }
}

fn node(seed: u64) -> Arc<Node> {
    let identity = identity();
    let key = HerdKey::derive(&identity.herd, None);
    Arc::new(Node::new(NodeSettings::new(identity.server, seed + 1, seed, key)))
}

/// Applies lines as one batch; the answers' AT lines, as far as there are any.
fn tell(node: &Node, lines: &[String]) -> Vec<String> {
    let limits = QuestionLimits { radius_km_max: None, bound_max: 20 };
    let commands: Vec<Command<'_>> = lines.iter().map(|l| line::parse(l.as_bytes(), &limits)).collect();
    let mut answers = Vec::new();
    let _ = node.apply(&commands, NOW, &mut answers);
    let printed = answers.iter().filter_map(|answer| {
        let Answer::Found(sighting) = answer else { return None };
        let mut out = Vec::new();
        sighting.print(&mut out);
        Some(String::from_utf8(out).unwrap())
    });
    printed.collect()
}

/// The reports of `clients` at `time`, each at a place that follows from both.
fn report(node: &Node, clients: impl Iterator<Item = usize>, time: u64) {
    let lines: Vec<_> =
        clients.map(|c| format!("IAMAT c{c} +{}-118 {time}", (c as u64 + time) % 80 + 10)).collect();
    let _ = tell(node, &lines);
}

fn recovered(home: &Path, node: &Arc<Node>) -> Result<Pen, OpenError> {
    let settings = StorageSettings { folder: home.to_owned(), replies_wait: false };
    recover(&settings, &name("goloman"), node, NOW).map(|recovered| recovered.pen)
}

/// Writes until there is nothing left to write.
fn write_all(pen: &mut Pen) {
    pen.write().unwrap();
    while pen.has_work() {
        pen.write().unwrap();
    }
}

/// The files of a store.
fn files(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(store).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

fn put(store: &Path, files: &BTreeMap<String, Vec<u8>>) {
    fs::create_dir_all(store).unwrap();
    for (name, bytes) in files {
        fs::write(store.join(name), bytes).unwrap();
    }
}

#[test]
fn lives_of_a_server_hand_their_reports_on() {
    let home = tempfile::tempdir().unwrap();
    let mut digest = node(0).digest();
    for life in 1..6 {
        let node = node(life);
        let mut pen = recovered(home.path(), &node).unwrap();
        assert_eq!(node.digest(), digest, "life {life}");
        for time in 1..4 {
            report(&node, 0..50 * usize::try_from(life).unwrap(), life * 10 + time);
            pen.write().unwrap();
        }
        digest = node.digest();
        // The pen is dropped as a kill would drop it: nothing is closed in order.
    }
}

#[test]
fn a_data_folder_is_one_process_s() {
    let home = tempfile::tempdir().unwrap();
    let pen = recovered(home.path(), &node(1)).unwrap();
    let refused = recovered(home.path(), &node(2)).unwrap_err();
    assert!(matches!(refused, OpenError::Locked(_)));
    assert!(refused.to_string().starts_with("another process uses this data folder"), "{refused}");
    drop(pen);
    recovered(home.path(), &node(3)).unwrap();
}

#[test]
fn a_store_of_another_server_or_of_a_later_time_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    drop(recovered(home.path(), &node(1)).unwrap());
    let store = home.path().join("reports");
    let before = files(&store);

    let settings = StorageSettings { folder: home.path().to_owned(), replies_wait: false };
    let refused = recover(&settings, &name("farmar"), &node(2), NOW).unwrap_err();
    let expected =
        "this data folder belongs to server Hands of herd goloman, not to server Hands of herd farmar: ";
    assert!(refused.to_string().starts_with(expected), "{refused}");
    assert_eq!(files(&store), before);

    let connection = rusqlite::Connection::open(store.join("store.db")).unwrap();
    let newer = [9, 1, 2, 3];
    let newer = [&xxhash_rust::xxh3::xxh3_64(&newer).to_le_bytes()[..], &newer].concat();
    connection.execute("UPDATE identity SET bytes = ?1", [newer]).unwrap();
    drop(connection);
    let before = files(&store);
    let refused = recovered(home.path(), &node(3)).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { version: 9, .. }), "{refused}");
    let untouched = files(&store);
    assert!(before.iter().all(|(name, bytes)| untouched[name] == *bytes));
}

#[test]
fn a_journal_that_is_of_no_use_any_more_goes_bit_by_bit() {
    let home = tempfile::tempdir().unwrap();
    let (node, identity) = (node(1), identity());
    Store::create(home.path(), &identity, true).unwrap();
    let mut store = Store::open(home.path(), &identity).unwrap();
    store.settle().unwrap();
    let mut behind = WriteBehind::new(store.held());
    let keep = |behind: &mut WriteBehind, store: &mut Store| {
        while let Some(batch) = behind.next_batch(&node) {
            store.write(&batch).unwrap();
            behind.kept(&batch);
        }
    };
    for time in 1..100 {
        report(&node, 0..3, time);
        keep(&mut behind, &mut store);
    }
    let journal = |store: &Store| store.numbers(store::Kind::Journal).0.len();
    assert_eq!(journal(&store), 99);
    let mut behind = WriteBehind::anew(&node, behind.held());
    keep(&mut behind, &mut store);
    assert_eq!(journal(&store), 99 - 16, "as much as one batch deletes");
    for time in 100..120 {
        report(&node, 0..3, time);
        keep(&mut behind, &mut store);
    }
    assert_eq!(journal(&store), 20, "what came after the round");
    drop(store);
    let held = Store::open(home.path(), &identity).unwrap().held();
    assert_eq!(held, behind.held());
}
