//! A power cut: of what was written after the last sync, every sector of the disk is kept, lost or garbled as chance will.

use std::collections::HashSet;

use super::*;
use crate::storage::store::Store;

const SECTOR: usize = 4096;
/// What a disk writes at once, or not at all.
const ATOM: usize = 512;

/// What is on a disk that has forgotten some of what it was not told to sync.
fn cut(
    synced: &BTreeMap<String, Vec<u8>>,
    written: &BTreeMap<String, Vec<u8>>,
    chance: &mut fastrand::Rng,
) -> BTreeMap<String, Vec<u8>> {
    let file = |(name, new): (&String, &Vec<u8>)| {
        let old = synced.get(name).map(Vec::as_slice).unwrap_or_default();
        let bytes = if new.len() > old.len() { chance.usize(old.len()..=new.len()) } else { new.len() };
        let mut left: Vec<u8> = (0..bytes).map(|at| old.get(at).copied().unwrap_or_default()).collect();
        for start in (0..bytes).step_by(SECTOR) {
            let end = bytes.min(start + SECTOR);
            let was = |at: usize| old.get(at).copied().unwrap_or_default();
            if (start..end).all(|at| new[at] == was(at)) {
                continue;
            }
            // A sector that holds something synced is rewritten atom by atom; one that is new may come to anything.
            let fate = if start < old.len() { chance.u8(..2) } else { chance.u8(..4) };
            match fate {
                0 => left[start..end].copy_from_slice(&new[start..end]),
                1 => {
                    for atom in (start..end).step_by(ATOM).filter(|_| chance.bool()) {
                        let atom_end = end.min(atom + ATOM);
                        left[atom..atom_end].copy_from_slice(&new[atom..atom_end]);
                    }
                }
                2 => {}
                _ => left[start..end].fill_with(|| chance.u8(..)),
            }
        }
        (name.clone(), left)
    };
    written.iter().map(file).collect()
}

/// One server, what it told its disk, and what it ever took.
struct Life {
    folder: tempfile::TempDir,
    node: Arc<Node>,
    behind: WriteBehind,
    store: Store,
    /// The files when everything was synced last, and a node that holds what was reported by then.
    synced: BTreeMap<String, Vec<u8>>,
    expected: Vec<String>,
    taken: HashSet<String>,
}

const CLIENTS: usize = 40;

fn asked() -> Vec<String> {
    (0..CLIENTS).map(|client| format!("WHATSAT c{client} 1 1")).collect()
}

impl Life {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Store::create(folder.path(), &identity(), true).unwrap();
        let mut store = Store::open(folder.path(), &identity()).unwrap();
        store.settle().unwrap();
        let mut life = Self {
            node: node(1),
            behind: WriteBehind::new(store.held()),
            store,
            synced: BTreeMap::new(),
            expected: Vec::new(),
            taken: HashSet::new(),
            folder,
        };
        life.sync();
        life
    }

    fn report(&mut self, time: u64, chance: &mut fastrand::Rng) {
        let first = chance.usize(..CLIENTS);
        report(&self.node, first..CLIENTS.min(first + chance.usize(1..CLIENTS)), time);
        self.taken.extend(tell(&self.node, &asked()));
    }

    fn write(&mut self) {
        if let Some(batch) = self.behind.next_batch(&self.node) {
            self.store.write(&batch).unwrap();
            self.behind.kept(&batch);
        }
    }

    /// Everything that is written from here on may be lost, nothing that was written before.
    fn sync(&mut self) {
        self.synced = files(self.folder.path());
        self.expected = if self.behind.position() == self.node.log_end() {
            tell(&self.node, &asked())
        } else {
            self.expected.clone()
        };
    }
}

fn restored(home: &Path) -> (Arc<Node>, Vec<String>) {
    let node = node(7);
    let mut pen = recovered(home, &node).unwrap();
    let found = tell(&node, &asked());
    write_all(&mut pen);
    (node, found)
}

fn client_and_time(line: &str) -> (String, u64) {
    let fields: Vec<_> = line.split_whitespace().collect();
    (fields[3].to_owned(), fields[5].parse().unwrap())
}

#[test]
fn a_power_cut_loses_nothing_that_was_synced_and_invents_nothing() {
    for seed in 0..40 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut life = Life::begin();
        for time in 1..chance.u64(5..120) {
            match chance.u8(..20) {
                0 => {
                    life.store.checkpoint().unwrap();
                    life.sync();
                }
                1..5 => life.sync(),
                5 => life.behind = WriteBehind::anew(&life.node, life.behind.held()),
                _ => {
                    life.report(time, &mut chance);
                    life.write();
                }
            }
        }
        let home = tempfile::tempdir().unwrap();
        let left = cut(&life.synced, &files(life.folder.path()), &mut chance);
        put(&home.path().join("reports"), &left);
        let (node, found) = restored(home.path());
        let held: BTreeMap<_, _> = found.iter().map(|line| client_and_time(line)).collect();
        for line in &life.expected {
            let (client, time) = client_and_time(line);
            assert!(held.get(&client).is_some_and(|held| *held >= time), "seed {seed}: {line} is lost");
        }
        assert!(found.iter().all(|line| life.taken.contains(line)), "seed {seed}: something was invented");
        // And what the next life made of it is whole again.
        let (next, again) = restored(home.path());
        assert_eq!((again, next.digest()), (found, node.digest()), "seed {seed}");
    }
}
