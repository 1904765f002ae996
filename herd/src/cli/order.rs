//! Orders to a running server, over its administrative address: what the commands for operators share.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use anyhow::{Context, anyhow};

use super::{
    Failure,
    client::{REPLY_MAX, connect},
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
    stream.set_read_timeout(Some(REPLY_MAX))?;
    stream
        .write_all(format!("{order}\n").as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .context("cannot send")?;
    let mut reply = Vec::new();
    stream
        .take(REPLY_BYTES_MAX)
        .read_to_end(&mut reply)
        .with_context(|| format!("no complete reply from {addr}"))?;
    // A peer address says bytes that are no text.
    match String::from_utf8_lossy(&reply).split_once(' ') {
        Some(("ok", said)) => Ok(said.trim_end().to_owned()),
        Some(("error", said)) => Err(anyhow!("{addr} refused: {}", said.trim_end()).into()),
        _ => Err(anyhow!(
            "{addr} is not the administrative address of a server (for a preset: its line port plus 200)"
        )
        .into()),
    }
}
