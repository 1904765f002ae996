//! The frames of a link: what servers say to each other, as bytes. docs/protocol.md describes them for strangers.
//!
//! A frame is a 4-byte little-endian length, one byte of kind (counted in the length), and the payload. All numbers are
//! little-endian. Decoding borrows, checks every length, and never panics.

use crate::{
    limits::NAME_BYTES_MAX, log::LogPosition, members::Fact, secret::PROOF_BYTES, server::Name,
    time::Timestamp,
};

use super::{
    comparison::Comparison,
    fields::{Fields, push_u64},
    members,
};

/// The first bytes of a hello.
pub const MAGIC: [u8; 4] = *b"herd";

/// The version of this protocol; servers of different versions refuse each other.
pub const VERSION: u16 = 2;

/// Bytes of the random number in a hello.
pub const NONCE_BYTES: usize = 32;

/// Bytes before the payload of a frame: length and kind.
pub const HEADER_BYTES: usize = 5;

/// Longest frame, without its length, that a peer may send before it has proved who it is: a hello with two names of the
/// greatest length.
pub const GREETING_BYTES_MAX: usize = 1 + 4 + 2 + 8 + NONCE_BYTES + 2 * (1 + NAME_BYTES_MAX) + 1;

/// One thing that a server says to its neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Who speaks.
    Hello(Hello),
    /// That the speaker knows the herd's key.
    Proof([u8; PROOF_BYTES]),
    /// Why the speaker closes the connection.
    Refused(Refusal),
    /// What the speaker has of the listener's log.
    Resume {
        /// Of which life of the listener; 0 if of none.
        incarnation: u64,
        /// Up to where.
        position: LogPosition,
    },
    /// Where in its log the speaker begins.
    Start {
        /// The position of the first record to come.
        position: LogPosition,
        /// Whether that is where the listener wanted to resume.
        is_resumed: bool,
    },
    /// Names of servers, numbered from `first` on, that records to come refer to.
    Names {
        /// The number of the first name.
        first: u16,
        /// The names.
        names: Vec<Name>,
    },
    /// Records of the speaker's log.
    Reports {
        /// Where the log goes on behind them.
        next: LogPosition,
        /// Whole records.
        records: &'a [u8],
    },
    /// Records of the speaker's table.
    Copy(&'a [u8]),
    /// That the speaker lives, and what time it is there.
    Heartbeat(Heartbeat),
    /// A step of comparing tables.
    Compare(Comparison),
    /// What servers said of themselves.
    Members(Vec<Fact>),
}

/// Who a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// A random number that no other life of this server has had.
    pub incarnation: u64,
    /// A random number that no other connection has had.
    pub nonce: [u8; NONCE_BYTES],
    /// The herd's name.
    pub herd: Name,
    /// The server's name.
    pub server: Name,
    /// It asks for an edge that no configuration names.
    pub joins: bool,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The speaker's wall clock.
    pub clock: Timestamp,
    /// The clock in the last heartbeat from the listener, 0 if there was none.
    pub echo: Timestamp,
    /// Nanoseconds since that one came.
    pub held_nanos: u64,
    /// Up to where the speaker has merged the listener's log.
    pub merged: LogPosition,
}

/// Why a link is not to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The other speaks another version of this protocol. Whoever upgrades is at fault.
    #[error("it speaks another version of the protocol")]
    Version,
    /// The other belongs to another herd.
    #[error("it belongs to another herd")]
    Herd,
    /// The configuration has no edge between the two servers.
    #[error("no edge is configured between the two servers")]
    Stranger,
    /// The other does not know the secret.
    #[error("it does not know the herd's secret")]
    Proof,
    /// There is a link between the two already.
    #[error("there is a link between the two servers already")]
    Duplicate,
    /// The other's certificate does not bear its name. Said inside TLS only.
    #[error("its certificate is another server's")]
    Certificate,
    /// The one who refuses is linked with another server of that name, or has that name itself.
    #[error("another server has its name")]
    Claimed,
    /// The other joins, and there is no room for it.
    #[error("as many servers have joined here as may")]
    Full,
}

impl Refusal {
    const ALL: [(u8, Self); 8] = [
        (1, Self::Version),
        (2, Self::Herd),
        (3, Self::Stranger),
        (4, Self::Proof),
        (5, Self::Duplicate),
        (6, Self::Certificate),
        (7, Self::Claimed),
        (8, Self::Full),
    ];
}

/// Why bytes are no frame. The peer is at fault; the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length that is 0 or beyond the bound.
    #[error("a frame of {0} bytes, which no frame has: this is no peer address of a herd")]
    Length(usize),
    /// A kind that this version does not know.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// A payload that does not fit its kind.
    #[error("a malformed frame of kind {0}")]
    Payload(u8),
    /// A hello of another version of this protocol.
    #[error("protocol version {0}, ours is {VERSION}")]
    Version(u16),
}

/// Appends a frame.
pub fn encode(out: &mut Vec<u8>, frame: &Frame<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    let kind = encode_payload(out, frame);
    let bytes = out.len() - start - 4;
    debug_assert!(bytes <= crate::limits::FRAME_BYTES_MAX, "a frame is longer than peers accept");
    if let Some(header) = out.get_mut(start..start + HEADER_BYTES) {
        let [a, b, c, d] = u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        header.copy_from_slice(&[a, b, c, d, kind]);
    }
}

fn encode_payload(out: &mut Vec<u8>, frame: &Frame<'_>) -> u8 {
    match frame {
        Frame::Hello(hello) => {
            out.extend_from_slice(&MAGIC);
            out.extend_from_slice(&VERSION.to_le_bytes());
            push_u64(out, hello.incarnation);
            out.extend_from_slice(&hello.nonce);
            push_name(out, &hello.herd);
            push_name(out, &hello.server);
            out.push(u8::from(hello.joins));
            1
        }
        Frame::Proof(proof) => {
            out.extend_from_slice(proof);
            2
        }
        Frame::Refused(refusal) => {
            out.extend(Refusal::ALL.iter().find(|(_, r)| r == refusal).map(|(code, _)| code));
            3
        }
        Frame::Resume { incarnation, position } => {
            push_u64(out, *incarnation);
            push_u64(out, position.as_bytes());
            4
        }
        Frame::Start { position, is_resumed } => {
            push_u64(out, position.as_bytes());
            out.push(u8::from(*is_resumed));
            5
        }
        Frame::Names { first, names } => {
            out.extend_from_slice(&first.to_le_bytes());
            names.iter().for_each(|name| push_name(out, name));
            6
        }
        Frame::Reports { next, records } => {
            push_u64(out, next.as_bytes());
            out.extend_from_slice(records);
            7
        }
        Frame::Heartbeat(heartbeat) => {
            push_u64(out, heartbeat.clock.as_nanos());
            push_u64(out, heartbeat.echo.as_nanos());
            push_u64(out, heartbeat.held_nanos);
            push_u64(out, heartbeat.merged.as_bytes());
            8
        }
        Frame::Copy(records) => {
            out.extend_from_slice(records);
            9
        }
        Frame::Members(facts) => {
            members::encode(out, facts);
            10
        }
        Frame::Compare(step) => step.encode(out),
    }
}

/// Takes the first frame of `bytes`, none if it is incomplete; says how many bytes it took.
///
/// # Errors
/// The length is 0 or more than `bytes_max`, or the frame is not one of ours.
pub fn decode(bytes: &[u8], bytes_max: usize) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length == 0 || length > bytes_max {
        return Err(FrameError::Length(length));
    }
    let Some((&kind, payload)) = rest.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
    let mut fields = Fields::new(payload);
    let frame = if kind == 1 { decode_hello(&mut fields)? } else { decode_payload(kind, &mut fields)? };
    match frame {
        Some(frame) if fields.is_empty() => Ok(Some((frame, 4 + length))),
        _ => Err(FrameError::Payload(kind)),
    }
}

fn decode_hello<'a>(fields: &mut Fields<'a>) -> Result<Option<Frame<'a>>, FrameError> {
    if fields.array() != Some(MAGIC) {
        return Ok(None);
    }
    match fields.array().map(u16::from_le_bytes) {
        Some(VERSION) => {}
        Some(other) => return Err(FrameError::Version(other)),
        None => return Ok(None),
    }
    let mut hello = || {
        let (incarnation, nonce) = (fields.u64()?, fields.array()?);
        let (herd, server, joins) = (fields.name()?, fields.name()?, fields.flag()?);
        Some(Hello { incarnation, nonce, herd, server, joins })
    };
    Ok(hello().map(Frame::Hello))
}

/// `None` if the payload does not fit the kind.
fn decode_payload<'a>(kind: u8, fields: &mut Fields<'a>) -> Result<Option<Frame<'a>>, FrameError> {
    let frame = match kind {
        2 => fields.array().map(Frame::Proof),
        3 => fields.array().and_then(|[code]| {
            let (_, refusal) = Refusal::ALL.into_iter().find(|(known, _)| *known == code)?;
            Some(Frame::Refused(refusal))
        }),
        4 => fields
            .u64()
            .zip(fields.u64().map(LogPosition::from_bytes))
            .map(|(incarnation, position)| Frame::Resume { incarnation, position }),
        5 => fields
            .u64()
            .map(LogPosition::from_bytes)
            .zip(fields.flag())
            .map(|(position, is_resumed)| Frame::Start { position, is_resumed }),
        6 => fields.array().map(u16::from_le_bytes).and_then(|first| {
            let mut names = Vec::new();
            while !fields.is_empty() {
                names.push(fields.name()?);
            }
            Some(Frame::Names { first, names })
        }),
        7 => fields
            .u64()
            .map(LogPosition::from_bytes)
            .map(|next| Frame::Reports { next, records: fields.rest() }),
        8 => decode_heartbeat(fields).map(Frame::Heartbeat),
        9 => Some(Frame::Copy(fields.rest())),
        10 => members::decode(fields).map(Frame::Members),
        kind if Comparison::KINDS.contains(&kind) => Comparison::decode(kind, fields).map(Frame::Compare),
        unknown => return Err(FrameError::Kind(unknown)),
    };
    Ok(frame)
}

fn decode_heartbeat(fields: &mut Fields<'_>) -> Option<Heartbeat> {
    Some(Heartbeat {
        clock: fields.timestamp()?,
        echo: fields.timestamp()?,
        held_nanos: fields.u64()?,
        merged: LogPosition::from_bytes(fields.u64()?),
    })
}

/// Names have at most 64 bytes, so one byte holds their length.
pub(super) fn push_name(out: &mut Vec<u8>, name: &Name) {
    out.push(u8::try_from(name.as_str().len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name.as_str().as_bytes());
}
