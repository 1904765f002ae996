//! The line protocol in datagrams: lines in, their replies back in one datagram.
//!
//! A sender's address may be forged, so nothing here answers with much more than it was sent, answers an address that
//! is no single machine's, or answers an answer: two servers made to talk to each other fall silent.

use std::{collections::VecDeque, future::poll_fn, io, net::SocketAddr, ops::Range, task::Poll};

use herd_core::{
    command::Command,
    wire::{line, lines::Line},
};
use tokio::{net::UdpSocket, task::yield_now};

use crate::{
    frontends::Service,
    gateway::{Gateway, Submitted, Wait},
    muffler::Muffler,
    traffic::{Channel, Party},
};

use super::answer;

/// Largest datagram: 65,535 bytes less the headers of IPv4 and UDP.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Bytes of datagrams that are answered together: three of the largest, or 3,000 usual ones.
const BATCH_BYTES: usize = 4 * 64 * 1024;

/// Datagrams that are received, and answered, together: measured for TCP, more than 32 commands at once gain little.
const BATCH_DATAGRAMS: usize = 64;

/// Batches of datagrams whose replies may wait for the disk; with more, none are received: what is held of them is at
/// most so many times [`BATCH_BYTES`], 16 MiB.
const HELD_MAX: usize = 64;

/// Replies with their addresses.
pub type Replies = Vec<(Vec<u8>, SocketAddr)>;

/// Serves until the service stops.
pub(super) async fn serve(socket: UdpSocket, service: Service) {
    let mut buffer = vec![0; BATCH_BYTES];
    let mut datagrams = Vec::with_capacity(BATCH_DATAGRAMS);
    let mut held = VecDeque::new();
    let unanswered = Muffler::default();
    loop {
        let is_stopping = service.stop.is_cancelled();
        // What has arrived is answered even when the service stops.
        if !is_stopping {
            tokio::select! {
                biased;
                () = service.stop.cancelled() => {}
                replies = released(&mut held) => send(&socket, replies, &unanswered).await,
                readable = socket.readable(), if held.len() < HELD_MAX => {
                    if let Err(error) = readable {
                        tracing::error!(%error, "datagrams are no longer served");
                        return;
                    }
                }
            }
        }
        if held.len() < HELD_MAX {
            receive(|buffer| socket.try_recv_from(buffer), &mut buffer, &mut datagrams);
        }
        if datagrams.is_empty() {
            if is_stopping {
                break;
            }
            // Nothing is sent to wait for: a flood that nobody answers must not keep the thread.
            yield_now().await;
            continue;
        }
        let (replies, wait) = replies(&service.gateway, service.limits.line_bytes_max, &buffer, &datagrams);
        datagrams.clear();
        match wait {
            Some(wait) => held.push_back((wait, replies)),
            None => send(&socket, replies, &unanswered).await,
        }
    }
    for (wait, replies) in held {
        wait.await;
        send(&socket, replies, &unanswered).await;
    }
}

/// The replies that were held back longest, as soon as they may go.
async fn released(held: &mut VecDeque<(Wait, Replies)>) -> Replies {
    poll_fn(|cx| held.front_mut().map_or(Poll::Pending, |(wait, _)| wait.as_mut().poll(cx))).await;
    held.pop_front().map(|(_, replies)| replies).unwrap_or_default()
}

async fn send(socket: &UdpSocket, replies: Replies, unanswered: &Muffler) {
    for (reply, client) in replies {
        let sent = reply.len() <= DATAGRAM_BYTES_MAX && socket.send_to(&reply, client).await.is_ok();
        if !sent && let Some(datagrams) = unanswered.count(1) {
            tracing::warn!(datagrams, "datagrams could not be answered");
        }
    }
}

/// Takes what has arrived, as far as there is room. Each of `next` counts, kept or not: it may never run out of what is
/// not.
fn receive(
    mut next: impl FnMut(&mut [u8]) -> io::Result<(usize, SocketAddr)>,
    buffer: &mut [u8],
    datagrams: &mut Vec<(Range<usize>, SocketAddr)>,
) {
    datagrams.clear();
    let mut start = 0;
    for _ in 0..BATCH_DATAGRAMS {
        if buffer.len() - start <= DATAGRAM_BYTES_MAX {
            break;
        }
        match next(buffer.get_mut(start..).unwrap_or_default()) {
            Ok((bytes, client)) => {
                if may_be_answered(client) {
                    datagrams.push((start..start + bytes, client));
                    start += bytes;
                }
            }
            // An earlier reply reached nobody: nothing that the next datagram has to wait for.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => break,
        }
    }
}

fn may_be_answered(client: SocketAddr) -> bool {
    let is_one_machine = match client.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => !(ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified()),
        std::net::IpAddr::V6(ip) => !(ip.is_multicast() || ip.is_unspecified()),
    };
    is_one_machine && client.port() != 0
}

/// Answers datagrams together, each a part of `buffer` and its sender: the replies to each, unless there are none, and
/// what they wait for.
#[must_use]
pub fn replies(
    gateway: &Gateway,
    line_bytes_max: usize,
    buffer: &[u8],
    datagrams: &[(Range<usize>, SocketAddr)],
) -> (Replies, Option<Wait>) {
    let mut lines = Vec::new();
    let mut counts = Vec::with_capacity(datagrams.len());
    for (range, _) in datagrams {
        let before = lines.len();
        push_lines(&mut lines, buffer.get(range.clone()).unwrap_or_default(), line_bytes_max);
        counts.push(lines.len() - before);
    }
    let commands: Vec<Command<'_>> = lines
        .iter()
        .map(|line| line::command(*line, &gateway.provider().limits))
        .map(without_question)
        .collect();
    let mut answers = Vec::with_capacity(commands.len());
    let Submitted { at, wait } = gateway.submit(&commands, &mut answers);
    let mut answered = lines.iter().zip(&commands).zip(&answers);
    let mut pen = gateway.traffic().pen();
    let mut replies = Vec::with_capacity(datagrams.len());
    for ((_, client), count) in datagrams.iter().zip(counts) {
        let party = Party { channel: Channel::Datagram, peer: Some(*client) };
        let mut reply = Vec::new();
        for ((line, command), answer) in answered.by_ref().take(count) {
            pen.received(party, at, [answer::bytes(line)]);
            if !is_refusal_of_refusal(line) {
                // Without WHATSAT nothing is left to ask a provider.
                let _ = answer::print(&mut reply, gateway.server(), line, command, answer);
            }
        }
        pen.sent(party, at, &reply);
        if !reply.is_empty() {
            replies.push((reply, *client));
        }
    }
    (replies, wait)
}

/// Answers to questions do not fit into a datagram.
fn without_question(command: Command<'_>) -> Command<'_> {
    if matches!(command, Command::Whatsat(_)) { Command::Invalid } else { command }
}

/// Appends the lines of a datagram. Its end ends the last one.
fn push_lines<'a>(lines: &mut Vec<Line<'a>>, datagram: &'a [u8], line_bytes_max: usize) {
    for bytes in datagram.split_inclusive(|&byte| byte == b'\n') {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        lines.push(match bytes.split_at_checked(line_bytes_max) {
            Some((head, [_, ..])) => Line::TooLong(head),
            _ => Line::Whole(bytes),
        });
    }
}

/// Whether a line is what a server makes of another's refusal: only servers that answer each other say that.
fn is_refusal_of_refusal(line: &Line<'_>) -> bool {
    answer::bytes(line).starts_with(b"? ? ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_that_is_not_answered_ends_a_batch_like_any_other() {
        // Datagrams from port 0 and the like were not counted: as long as they came, a batch had no end.
        let mut buffer = vec![0; BATCH_BYTES];
        let mut datagrams = Vec::new();
        for sender in ["127.0.0.1:0", "224.0.0.1:7", "255.255.255.255:7", "0.0.0.0:7"] {
            let sender: SocketAddr = sender.parse().unwrap();
            let mut received = 0;
            let next = |_: &mut [u8]| {
                received += 1;
                assert!(received <= BATCH_DATAGRAMS, "{sender}");
                Ok((100, sender))
            };
            receive(next, &mut buffer, &mut datagrams);
            assert_eq!(datagrams, []);
        }
        let sender: SocketAddr = "127.0.0.1:7".parse().unwrap();
        receive(|_| Ok((100, sender)), &mut buffer, &mut datagrams);
        assert_eq!((datagrams.len(), datagrams[1].clone()), (BATCH_DATAGRAMS, (100..200, sender)));
        receive(|_| Ok((DATAGRAM_BYTES_MAX, sender)), &mut buffer, &mut datagrams);
        assert_eq!(datagrams.len(), BATCH_BYTES / DATAGRAM_BYTES_MAX, "what may come next has to fit");
    }
}
