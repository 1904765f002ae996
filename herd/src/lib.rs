//! How a herd *runs*: sockets, links, nearby places, configuration and the command line around `herd-core`.

pub mod nearby;
pub mod cli;
