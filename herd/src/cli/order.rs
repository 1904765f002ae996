//! Orders to a running server, over its administrative address: what the commands for operators share.

use std::{io::Write, net::Shutdown};

use anyhow::{Context, anyhow};

use super::{
    Failure,
    client::{REPLY_MAX, connect, read_reply},
};

/// Most bytes of a reply that are read: twice the status of a herd of 4,096 servers with 128 links each. What listens at a
/// mistyped address may never end.
const REPLY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Which server is meant.
#[derive(Debug, clap::Args)]
pub(super) struct OrderArgs {
    /// Where the server takes orders, for example 127.0.0.1:12200
    pub(super) addr: String,
}

/// Gives an order; what the server said to it, without the `ok`.
pub(super) fn order(OrderArgs { addr }: &OrderArgs, order: &str) -> Result<String, Failure> {
    let mut stream = connect(addr)?;
    stream
        .write_all(format!("{order}\n").as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .context("cannot send")?;
    let reply = read_reply(&mut stream, addr, REPLY_MAX, REPLY_BYTES_MAX)?;
    // A peer address says bytes that are no text.
    match String::from_utf8_lossy(&reply).split_once(' ') {
        Some(("ok", said)) => Ok(said.trim_end().to_owned()),
        Some(("error", said)) => Err(anyhow!("{addr} refused: {}", said.trim_end()).into()),
        _ => Err(anyhow!(
            "{addr} is not the administrative address of a server (`listen.admin`; for a preset: its line port plus 200)"
        )
        .into()),
    }
}
