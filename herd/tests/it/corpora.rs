//! What the fuzzer found worth keeping, replayed without it: `cargo xtask fuzz` runs the same checks on new input.

use std::{fs, path::Path};

#[path = "../../../fuzz/targets/configuration.rs"]
mod configuration;
#[path = "../../../fuzz/targets/hello.rs"]
mod hello;
#[path = "../../../fuzz/targets/index_file.rs"]
mod index_file;
#[path = "../../../fuzz/targets/line.rs"]
mod line;
#[path = "../../../fuzz/targets/node.rs"]
mod node;
#[path = "../../../fuzz/targets/peer_frame.rs"]
mod peer_frame;
#[path = "../../../fuzz/targets/store_file.rs"]
mod store_file;
#[path = "../../../fuzz/targets/udp.rs"]
mod udp;

/// The name of a target and its check.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 8] = [
    ("line", line::check),
    ("udp", udp::check),
    ("peer_frame", peer_frame::check),
    ("hello", hello::check),
    ("index_file", index_file::check),
    ("store_file", store_file::check),
    ("configuration", configuration::check),
    ("node", node::check),
];

/// Bytes of all corpora: what a repository carries without a thought.
const CORPORA_BYTES_MAX: usize = 200 * 1024;

#[test]
fn every_input_of_the_corpora_holds() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut bytes = 0;
    for (target, check) in TARGETS {
        let inputs = fs::read_dir(corpora.join(target)).unwrap().map(|input| input.unwrap().path());
        let inputs: Vec<_> = inputs.collect();
        assert!(!inputs.is_empty(), "{target} has no corpus");
        for path in inputs {
            let input = fs::read(&path).unwrap();
            bytes += input.len();
            // A failed check tells of values, not of its input.
            let outcome = std::panic::catch_unwind(|| check(&input));
            assert!(outcome.is_ok(), "{target} does not hold for {}", path.display());
        }
    }
    assert!(bytes <= CORPORA_BYTES_MAX, "the corpora have grown to {bytes} bytes: minimise them");
}
