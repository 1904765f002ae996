//! The program from outside (processes, pipes and sockets), and one server in this process on real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod program;
mod check;
mod client;
mod up;
mod flock;
mod herd_of_five;
mod stranger;
mod peer_port;
mod members;
mod storage;
mod certificates;
mod server;
#[path = "../../../herd-core/tests/it/transcript.rs"]
mod transcript;
mod line;
mod abuse;
mod traffic;
mod upstream;
mod remote;
mod google;
mod tweets;
mod secrecy;
mod admin;
mod status;
mod spending;
mod corpora;
mod load;
