//! Tests of the core through its public interface.

mod nodes;
mod transcript;
mod line_protocol;
mod grammar;
mod splitting;
mod full_table;
