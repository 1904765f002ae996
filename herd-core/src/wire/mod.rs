//! How things look as bytes: the line protocol of clients and the frames of peers. Pure: bytes in, values out.

pub mod lines;
pub mod line;
mod usual;
pub mod record;
pub mod block;
pub mod peer;
pub mod comparison;
pub mod members;
mod fields;
