//! What a herd *is*: reports, the table, the log, links, catch-up, the line grammar and the peer frames.
//!
//! There is no socket, clock, task, file or thread in here. Time comes in as [`time::Timestamp`] and
//! [`time::Moment`], randomness as plain numbers, bytes as slices; whoever drives this crate (the `herd`
//! binary on real sockets, `herd-sim` on simulated ones) turns the world into inputs and outputs into effects.

pub mod limits;
pub mod decimal;
mod prefetch;
pub mod time;
pub mod position;
pub mod server;
pub mod secret;
pub mod command;
pub mod report;
pub mod wire;
pub mod digest;
mod table;
pub mod log;
pub mod members;
pub mod node;
pub mod write_behind;
pub mod link;
