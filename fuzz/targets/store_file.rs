//! What lies on a disk: it is refused as a whole and nothing of it is held, or held and written down again without loss.
//!
//! Input: a block of a store without its checksum.
#![cfg_attr(fuzzing, no_main)]

use herd_core::{
    digest::LeafSet,
    node::{Node, NodeSettings},
    secret::HerdKey,
    server::Name,
    time::Timestamp,
    wire::block,
};
use xxhash_rust::xxh3::xxh3_64;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

const NOW: Timestamp = Timestamp::from_nanos(1_000_000);

pub(crate) fn check(input: &[u8]) {
    assert!(block::decode(input).is_err(), "a checksum that fits by chance");
    let bytes = [&xxh3_64(input).to_le_bytes(), input].concat();
    let node = node("A");
    let empty = node.digest();
    match node.restore(&bytes, NOW) {
        Ok(held) => {
            let block = block::decode(&bytes).unwrap();
            assert!(node.clients() <= held && held <= block.count);
            let again = node_of(&table(&node));
            assert_eq!((again.clients(), again.digest()), (node.clients(), node.digest()));
        }
        Err(_) => assert_eq!((node.clients(), node.digest()), (0, empty)),
    }
}

/// A later life of the server, with other numbers for the same names.
fn node_of(block: &[u8]) -> Node {
    let node = node("B");
    let held = node.restore(block, NOW).unwrap();
    assert_eq!(held, node.clients(), "a table has each client once");
    node
}

/// All that a node holds, written down.
fn table(node: &Node) -> Vec<u8> {
    let mut leaves = LeafSet::default();
    (0..256).for_each(|leaf| leaves.insert(leaf));
    let mut records = Vec::new();
    (0..=u8::MAX).for_each(|shard| node.export(shard, leaves, &(..), &mut records));
    block::encode(&records, node.names())
}

fn node(name: &str) -> Node {
    let name = Name::new(name).unwrap();
    let herd = Name::new("fuzz").unwrap();
    Node::new(NodeSettings::new(name, 1, 2, HerdKey::derive(&herd, None)))
}
