//! Tests of the core through its public interface.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests fail by panicking, and what they did not expect is one case to them"
)]

mod nodes;
mod pair;
mod transcript;
mod line_protocol;
mod grammar;
mod splitting;
mod frames;
mod merging;
mod full_table;
mod handshake;
mod members;
mod link_faults;
mod copying;
mod resuming;
mod write_behind;
