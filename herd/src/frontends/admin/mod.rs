//! An operator's orders: lines of text over TCP, from this machine only.
//!
//! Not for clients, and nobody is asked who they are: the configuration keeps it on loopback. The one thing to know:
//! whatever is not an order ends the connection, so that a browser that was sent here by a page gets to say nothing else.

pub mod status;

use std::{fmt::Write, io, net::SocketAddr, time::Duration};

use herd_core::wire::lines::{Line, LineSplitter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{Permit, Service};
use crate::{
    gateway::{Gateway, ProviderState},
    listen::Listeners,
    traffic::{Channel, Party},
};

use status::Status;

/// Longest order in bytes: three words.
const ORDER_BYTES_MAX: usize = 64;

/// The order to leave the herd for good, which is carried out once it is answered.
const LEAVE: &[u8] = b"leave";

/// The reply to what is no order.
const NO_ORDER: &str = "error expected status, leave, places pause, places resume or places status";

/// Time for an operator to take the reply to an order.
const REPLY_MAX: Duration = Duration::from_secs(5);

/// Wait after the system refused to accept, for want of file numbers or memory.
const BACK_OFF: Duration = Duration::from_millis(500);

/// Serves it on its socket, if there is one.
pub fn start(listeners: &mut Listeners, service: &Service) {
    if let Some(listener) = listeners.admin.take() {
        service.tasks.spawn(serve(listener, service.clone()));
    }
}

async fn serve(listener: TcpListener, service: Service) {
    while let Some(accepted) = service.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, operator)) => {
                if let Some(permit) = service.admission.admit_operator(operator) {
                    service.tasks.spawn(converse(stream, operator, permit, service.clone()));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an operator");
                let _ = service.stop.run_until_cancelled(sleep(BACK_OFF)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, operator: SocketAddr, permit: Permit, service: Service) {
    let party = Party { channel: Channel::Client(permit.number()), peer: Some(operator) };
    let gateway = &service.gateway;
    gateway.traffic().pen().came(party, gateway.clock(), "operator");
    let ended = service.stop.run_until_cancelled(attend(stream, party, &service)).await;
    let why = match ended {
        Some(Ok(why)) => why.to_owned(),
        Some(Err(error)) => format!("broken: {error}"),
        None => "server stops".to_owned(),
    };
    gateway.traffic().pen().went(party, gateway.clock(), &why);
}

/// Carries out orders until there are no more; says why that was.
async fn attend(mut stream: TcpStream, party: Party, service: &Service) -> io::Result<&'static str> {
    let mut splitter = LineSplitter::new(ORDER_BYTES_MAX);
    let mut buffer = [0; 4 * ORDER_BYTES_MAX];
    loop {
        let Ok(read) = timeout(service.limits.idle_timeout, stream.read(&mut buffer)).await else {
            return Ok("idle");
        };
        let read = read?;
        let split = match buffer.get(..read).filter(|input| !input.is_empty()) {
            Some(input) => splitter.split(input),
            // A last line without its LF counts.
            None => splitter.finish(),
        };
        let mut replies = String::new();
        let mut is_understood = true;
        let mut leaves = false;
        for line in split.lines() {
            let (order, reply) = match line {
                Line::Whole(order) => (order, obey(&service.gateway, order)),
                Line::TooLong(head) => (head, Err(NO_ORDER.to_owned())),
            };
            is_understood = reply.is_ok();
            leaves |= is_understood && order.trim_ascii() == LEAVE;
            let reply = reply.unwrap_or_else(|reply| reply) + "\n";
            let mut pen = service.gateway.traffic().pen();
            let at = service.gateway.clock();
            pen.received(party, at, [order]);
            pen.sent(party, at, reply.as_bytes());
            replies += &reply;
            if !is_understood {
                break;
            }
        }
        match timeout(REPLY_MAX, stream.write_all(replies.as_bytes())).await {
            Ok(written) => written?,
            Err(_) => return Ok("cut: does not read"),
        }
        if leaves {
            // The end of the server cuts this connection, so the reply had to go first.
            tracing::warn!("leaves the herd by order of the operator");
            service.gateway.leave();
            return Ok("left");
        }
        if !is_understood {
            return Ok("cut: not an order");
        }
        if read == 0 {
            return Ok("closed");
        }
    }
}

/// Carries out an order; the reply, which is an error if it was none.
fn obey(gateway: &Gateway, order: &[u8]) -> Result<String, String> {
    let control = &gateway.provider().control;
    let words: Vec<&[u8]> = order.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [b"status"] => {
            let status = serde_json::to_string(&Status::of(gateway));
            return status.map(|json| format!("ok {json}")).map_err(|error| format!("error {error}"));
        }
        [LEAVE] => return Ok(format!("ok {} leaves the herd", gateway.server())),
        [b"places", b"pause"] => control.pause(true),
        [b"places", b"resume"] => control.pause(false),
        [b"places", b"status"] => {}
        _ => return Err(NO_ORDER.to_owned()),
    }
    let state = control.state();
    if words.last() != Some(&b"status".as_slice()) {
        tracing::warn!(provider = state.name, paused = state.is_paused, "by order of the operator");
    }
    Ok(print(&state))
}

/// The state in words, each `key=value`.
fn print(state: &ProviderState) -> String {
    let mut reply =
        format!("ok provider={} paused={}", state.name, if state.is_paused { "yes" } else { "no" });
    if let Some(remote) = &state.remote {
        // Writing to a String cannot fail.
        let _ = write!(
            reply,
            " breaker={} today={}/{} tokens={} entries={} bytes={} hits={} misses={} coalesced={} refused={}",
            remote.breaker,
            remote.requests_today,
            remote.requests_per_day,
            remote.tokens,
            remote.entries,
            remote.bytes,
            remote.hits,
            remote.misses,
            remote.coalesced,
            remote.refused
        );
    }
    reply
}
