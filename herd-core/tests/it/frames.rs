//! Frames and records as bytes: encoding and decoding are inverse, and no bytes make a decoder panic.

use std::net::SocketAddr;

use herd_core::{
    digest::LeafSet,
    limits::{FRAME_BYTES_MAX, LEAVES, SHARDS},
    log::LogPosition,
    members::{Fact, Presence},
    server::{Name, ServerIndex},
    time::Timestamp,
    wire::{
        comparison::Comparison,
        line,
        peer::{self, Frame, Heartbeat, Hello, NONCE_BYTES, Refusal},
        record::{self, Receipt, Record},
    },
};
use proptest::{prelude::*, sample::select};

fn name() -> impl Strategy<Value = Name> {
    "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}".prop_map(|text| Name::new(&text).unwrap())
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<u64>().prop_map(Timestamp::from_nanos),
        Just(Timestamp::default()),
        Just(Timestamp::MAX)
    ]
}

fn position() -> impl Strategy<Value = LogPosition> {
    any::<u64>().prop_map(LogPosition::from_bytes)
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let hashes = |count| prop::collection::vec(any::<u64>(), count);
    prop_oneof![
        any::<u64>().prop_map(Comparison::Digest),
        Just(Comparison::Same),
        hashes(SHARDS).prop_map(Comparison::Shards),
        (any::<u8>(), hashes(LEAVES)).prop_map(|(shard, hashes)| Comparison::Leaves { shard, hashes }),
        Just(Comparison::LeavesEnd),
        (any::<u8>(), any::<[u64; LEAVES / 64]>())
            .prop_map(|(shard, words)| Comparison::Differ { shard, leaves: LeafSet::from_words(words) }),
        Just(Comparison::Copied),
        Just(Comparison::Ask),
        Just(Comparison::Taken),
    ]
}

fn address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from),
    ]
}

pub(crate) fn fact() -> impl Strategy<Value = Fact> {
    let numbers = any::<[u64; 5]>();
    let neighbours = prop::collection::btree_set(name(), 0..4);
    let rest = (any::<bool>(), timestamp(), prop::option::of(address()), neighbours);
    (name(), numbers, rest).prop_map(|(name, numbers, (has_left, started_at, address, neighbours))| {
        let [life, incarnation, version, rival, age] = numbers;
        Fact {
            name,
            life,
            incarnation,
            version,
            presence: if has_left { Presence::Left } else { Presence::Present },
            started_at,
            rival,
            age,
            address,
            neighbours: neighbours.into_iter().collect(),
        }
    })
}

fn frame(bytes: &'static [u8]) -> impl Strategy<Value = Frame<'static>> {
    let refusals = vec![
        Refusal::Version,
        Refusal::Herd,
        Refusal::Stranger,
        Refusal::Proof,
        Refusal::Duplicate,
        Refusal::Claimed,
        Refusal::Full,
    ];
    prop_oneof![
        (any::<u64>(), any::<[u8; NONCE_BYTES]>(), name(), name(), any::<bool>()).prop_map(
            |(incarnation, nonce, herd, server, joins)| {
                Frame::Hello(Hello { incarnation, nonce, herd, server, joins })
            }
        ),
        any::<[u8; 32]>().prop_map(Frame::Proof),
        select(refusals).prop_map(Frame::Refused),
        (any::<u64>(), position())
            .prop_map(|(incarnation, position)| Frame::Resume { incarnation, position }),
        (position(), any::<bool>()).prop_map(|(position, is_resumed)| Frame::Start { position, is_resumed }),
        (any::<u16>(), prop::collection::vec(name(), 0..5))
            .prop_map(|(first, names)| Frame::Names { first, names }),
        position().prop_map(move |next| Frame::Reports { next, records: bytes }),
        Just(Frame::Copy(bytes)),
        (timestamp(), timestamp(), any::<u64>(), position()).prop_map(|(clock, echo, held_nanos, merged)| {
            Frame::Heartbeat(Heartbeat { clock, echo, held_nanos, merged })
        }),
        comparison().prop_map(Frame::Compare),
        prop::collection::vec(fact(), 0..5).prop_map(Frame::Members),
    ]
}

fn encoded(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    peer::encode(&mut bytes, frame);
    bytes
}

/// The words of an IAMAT line that is valid, plain or odd.
fn iamat() -> impl Strategy<Value = String> {
    let location = "[+-][0-8][0-9](\\.[0-9]{1,12})?[+-]1?[0-7][0-9](\\.[0-9]{1,12})?/?";
    let time = "0{0,3}[0-9]{1,9}(\\.[0-9]{1,14})?";
    ("[!-~é]{1,40}", location, time)
        .prop_map(|(client, location, time)| format!("IAMAT {client} {location} {time}"))
}

fn record_of(text: &str, receipt: Receipt) -> Option<Vec<u8>> {
    let limits = herd_core::command::QuestionLimits { radius_km_max: None, bound_max: 20 };
    let herd_core::command::Command::Iamat(iamat) = line::parse(text.as_bytes(), &limits) else {
        return None;
    };
    let mut bytes = Vec::new();
    record::encode(&mut bytes, &iamat, receipt);
    Some(bytes)
}

fn receipt() -> impl Strategy<Value = Receipt> {
    (any::<u16>(), timestamp(), timestamp()).prop_map(|(server, received_at, order_time)| Receipt {
        server: ServerIndex::from_bits(server),
        received_at,
        order_time,
    })
}

proptest! {
    #[test]
    fn a_frame_of_any_kind_decodes_to_itself(
        frame in frame(b"any bytes at all"),
        tail in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let bytes = encoded(&frame);
        let with_tail = [bytes.as_slice(), &tail].concat();
        prop_assert_eq!(peer::decode(&with_tail, FRAME_BYTES_MAX), Ok(Some((frame, bytes.len()))));
        for cut in [0, 3, 4, bytes.len() - 1] {
            prop_assert_eq!(peer::decode(&bytes[..cut.min(bytes.len() - 1)], FRAME_BYTES_MAX), Ok(None));
        }
    }

    #[test]
    fn no_bytes_make_the_frame_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..30) {
        let _ = peer::decode(&bytes, FRAME_BYTES_MAX);
        let length = u32::try_from(bytes.len() + 1).unwrap().to_le_bytes();
        let framed = [&length[..], &[kind], &bytes].concat();
        if let Ok(Some((frame, taken))) = peer::decode(&framed, FRAME_BYTES_MAX) {
            prop_assert_eq!(taken, framed.len());
            prop_assert_eq!(encoded(&frame), framed, "there is one way to write a frame");
        }
    }

    #[test]
    fn a_record_decodes_to_what_was_encoded(text in iamat(), receipt in receipt()) {
        let Some(bytes) = record_of(&text, receipt) else { return Ok(()) };
        let with_tail = [bytes.as_slice(), b"tail"].concat();
        let record = Record::decode(&with_tail).unwrap();
        prop_assert_eq!(record.bytes(), bytes.as_slice());
        prop_assert_eq!(record.server(), receipt.server);
        prop_assert_eq!(record.received_at(), receipt.received_at);
        prop_assert_eq!(record.order_time(), receipt.order_time);
        let mut printed = [b"IAMAT ", record.client(), b" "].concat();
        record.print_location(&mut printed);
        printed.push(b' ');
        record.print_time(&mut printed);
        prop_assert_eq!(String::from_utf8(printed).unwrap(), text);
        for cut in 0..bytes.len() {
            prop_assert!(Record::decode(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn a_changed_record_is_refused_or_is_another_record(
        text in iamat(),
        receipt in receipt(),
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let Some(mut bytes) = record_of(&text, receipt) else { return Ok(()) };
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if let Ok(record) = Record::decode(&bytes) {
            let mut line = [b"IAMAT ", record.client(), b" "].concat();
            record.print_location(&mut line);
            line.push(b' ');
            record.print_time(&mut line);
            let receipt = Receipt {
                server: record.server(),
                received_at: record.received_at(),
                order_time: record.order_time(),
            };
            let again = record_of(&String::from_utf8(line).unwrap(), receipt).unwrap();
            prop_assert_eq!(record.bytes(), again.as_slice(), "there is one way to write a record");
        }
    }

    #[test]
    fn no_bytes_make_the_record_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Record::decode(&bytes);
    }
}
