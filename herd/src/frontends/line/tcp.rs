//! Accepts the connections of clients.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
    time,
};

use crate::{
    frontends::{Permit, Service},
    traffic::{Channel, Party},
};

use super::connection::Connection;

/// First and longest wait after the system refused to accept, for want of file numbers or memory: it gets some back as
/// connections end, and there is nothing else to do about it.
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
const BACK_OFF_LONGEST: Duration = Duration::from_secs(1);

/// Connections accepted in a row, before whoever else is ready is served.
const ACCEPTED_MAX: u32 = 8;

/// Bytes of replies that the system may hold for a client, doubled by it for its own needs: two batches of replies.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// Accepts until the service stops.
pub(super) async fn serve(listener: TcpListener, service: Service) {
    let mut back_off = BACK_OFF_FIRST;
    let mut accepted_in_a_row = 0;
    while let Some(accepted) = service.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, client)) => {
                back_off = BACK_OFF_FIRST;
                if let Some(permit) = service.admission.admit(client) {
                    service.tasks.spawn(converse(stream, client, permit, service.clone()));
                }
                accepted_in_a_row += 1;
                if accepted_in_a_row >= ACCEPTED_MAX {
                    accepted_in_a_row = 0;
                    yield_now().await;
                }
            }
            // The client gave up before it was accepted.
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                let _ = service.stop.run_until_cancelled(time::sleep(back_off)).await;
                back_off = (2 * back_off).min(BACK_OFF_LONGEST);
            }
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn converse(stream: TcpStream, client: SocketAddr, permit: Permit, service: Service) {
    // Replies are written in whole batches: nothing is gained by holding back a small one.
    let _ = stream.set_nodelay(true);
    // The system would take in megabytes for a client that does not read, and tell late of one that reads slowly.
    let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
    let party = Party { channel: Channel::Client(permit.number()), peer: Some(client) };
    let gateway = &service.gateway;
    gateway.traffic().pen().came(party, gateway.clock(), "client");
    let mut connection = Connection::new(stream, party, gateway.clone(), service.limits, &service.turnstile);
    let mut stopped = pin!(service.stop.cancelled());
    // Asked once, so that it wakes this task; asked each time it would be a lock that all connections share.
    let mut is_awaited = false;
    let departure = poll_fn(|cx| {
        if !std::mem::replace(&mut is_awaited, true) && stopped.as_mut().poll(cx).is_ready()
            || service.tasks.is_closed()
        {
            connection.stop();
        }
        connection.poll(cx)
    });
    let departure = departure.await;
    gateway.traffic().pen().went(party, gateway.clock(), &departure.to_string());
    connection.close(&departure);
}
