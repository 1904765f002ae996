//! The floor of propagation: a relay that sends what it hears on one connection to all the others, and understands nothing.
//!
//! A thread per connection with blocking reads and writes: on this kind of machine nothing passes bytes on sooner.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context, bail};

/// Bytes of one read.
const READ_BYTES: usize = 64 * 1024;

/// What a relay says first, once.
const GREETING: &[u8] = b"+";

/// Waits until a relay has taken us in.
///
/// # Errors
/// It is gone.
pub(crate) fn greeted(stream: &mut TcpStream) -> anyhow::Result<()> {
    stream.read_exact(&mut [0; GREETING.len()]).context("the relay says nothing")
}

/// Whoever is connected, by number.
type Connected = Arc<Mutex<Vec<(usize, TcpStream)>>>;

/// Relays until it is ended; `upstream` is one more connection that it makes itself.
///
/// # Errors
/// No socket to be had, or nobody upstream.
pub(crate) fn run(upstream: Option<SocketAddr>) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
    let address = listener.local_addr()?;
    let dialled = upstream.map(TcpStream::connect).transpose().context("nobody upstream")?;
    println!("relay {address}");
    let connected = Connected::default();
    for (number, stream) in dialled.into_iter().map(Ok).chain(listener.incoming()).enumerate() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        let writer = stream.try_clone()?;
        if let Ok(mut all) = connected.lock() {
            all.push((number, writer));
        }
        if number == 0 && upstream.is_some() {
            greeted(&mut stream)?;
        } else {
            // Whoever connects hears when it is among those that are relayed to.
            stream.write_all(GREETING)?;
        }
        let others = Arc::clone(&connected);
        thread::spawn(move || {
            // Its end, of whatever kind, ends this connection only.
            drop(relay(number, stream, &others));
            if let Ok(mut all) = others.lock() {
                all.retain(|(other, _)| *other != number);
            }
        });
    }
    Ok(())
}

fn relay(number: usize, mut stream: TcpStream, connected: &Connected) -> anyhow::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let Ok(mut all) = connected.lock() else { bail!("another thread failed") };
        for (_, other) in all.iter_mut().filter(|(other, _)| *other != number) {
            other.write_all(buffer.get(..count).unwrap_or_default())?;
        }
    }
}
