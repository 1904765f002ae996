//! A whole herd in one thread from one seed: the real [`herd_core::node::Node`] and [`herd_core::link::Link`] on a
//! simulated network with faults, watched by oracles. Scenarios are data (`scenarios/*.toml`).
//!
//! Nothing here waits or looks at a clock: time is a number, and the same scenario and seed give the same run, byte for
//! byte. [`run`] is all there is to call.

pub mod scenario;
pub mod topology;
mod chance;
mod swarm;
pub mod catalogue;
mod queue;
mod network;
mod disk;
mod client;
pub mod report;
mod oracle;
mod server;
mod world;
mod fault;
mod caught;
mod run;

pub use catalogue::Catalogue;
pub use report::{Report, Violation};
pub use run::run;
pub use scenario::{Cut, Scenario};
