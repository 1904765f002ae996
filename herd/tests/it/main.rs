//! The program from outside: processes, pipes and sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod program;
mod check;
mod client;
mod up;
mod flock;
mod herd_of_five;
