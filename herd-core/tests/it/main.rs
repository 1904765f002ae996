//! Tests of the core through its public interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nodes;
mod transcript;
mod line_protocol;
mod grammar;
mod splitting;
mod full_table;
