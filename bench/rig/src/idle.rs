//! Connections that have said something once and keep silent.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context, bail};

/// Opens `count` connections, has a report answered on each and holds them until standard input ends.
///
/// # Errors
/// The server does not take them all.
pub(crate) fn hold(address: SocketAddr, count: u32) -> anyhow::Result<()> {
    let mut held = Vec::new();
    for number in 0..count {
        let connect = || TcpStream::connect(address);
        let mut stream = connect().with_context(|| format!("cannot open connection {number}"))?;
        stream.write_all(b"IAMAT somebody +34.068930-118.445127 1520023934.918963997\n")?;
        if stream.read(&mut [0; 256])? == 0 {
            bail!("connection {number} was closed");
        }
        held.push(stream);
    }
    println!("held {}", held.len());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
