//! The command line: what each subcommand prints and with which code it exits. The only place that prints.

pub mod places;
