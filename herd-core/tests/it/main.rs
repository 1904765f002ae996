//! Tests of the core through its public interface.

mod transcript;
mod line_protocol;
mod grammar;
mod splitting;
