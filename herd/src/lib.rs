//! How a herd *runs*: sockets, links, nearby places, configuration and the command line around `herd-core`.

pub mod config;
pub mod listen;
pub mod roster;
pub mod run;
pub mod clock;
mod date;
mod digits;
pub mod ending;
pub mod engine;
pub mod gateway;
pub mod frontends;
pub mod traffic;
pub mod nearby;
pub mod links;
pub mod storage;
mod muffler;
pub mod supervisor;
mod load;
pub mod cli;
