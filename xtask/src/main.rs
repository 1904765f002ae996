//! What CI and people run, with nothing to install but cargo.

fn main() {}
