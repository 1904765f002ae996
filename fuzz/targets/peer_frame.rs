//! What neighbours send: a frame that is read prints as the bytes that it was, and so do the records in it.
//!
//! Input: the stream of a link.
#![cfg_attr(fuzzing, no_main)]

use herd_core::{
    command::{ClientId, Iamat},
    limits::FRAME_BYTES_MAX,
    position::Location,
    time::ClientTime,
    wire::{
        peer::{self, Frame},
        record::{self, Receipt, Record},
    },
};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(mut input: &[u8]) {
    while let Ok(Some((frame, taken))) = peer::decode(input, FRAME_BYTES_MAX) {
        let (bytes, rest) = input.split_at(taken);
        input = rest;
        let mut again = Vec::new();
        peer::encode(&mut again, &frame);
        assert_eq!(again, bytes);
        assert_eq!(peer::decode(&bytes[..taken - 1], FRAME_BYTES_MAX), Ok(None), "not whole yet");
        if let Frame::Reports { records, .. } | Frame::Copy(records) = frame {
            check_records(records);
        }
    }
    // Without the frames around them records are found sooner.
    check_records(input);
}

fn check_records(mut bytes: &[u8]) {
    while let Ok(record) = Record::decode(bytes) {
        bytes = &bytes[record.bytes().len()..];
        let (mut location, mut time) = (Vec::new(), Vec::new());
        record.print_location(&mut location);
        record.print_time(&mut time);
        let client = ClientId::new(record.client()).unwrap();
        let iamat =
            Iamat::new(client, Location::parse(&location).unwrap(), ClientTime::parse(&time).unwrap());
        let receipt = Receipt {
            server: record.server(),
            received_at: record.received_at(),
            order_time: record.order_time(),
        };
        let mut again = Vec::new();
        record::encode(&mut again, &iamat, receipt);
        assert_eq!(again, record.bytes());
    }
}
