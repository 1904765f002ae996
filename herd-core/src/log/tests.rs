//! What readers of the log get, against a plain list of what was appended.

use proptest::prelude::*;

use super::*;
use crate::{
    command::{Command, QuestionLimits},
    server::ServerIndex,
    time::Timestamp,
    wire::{
        line,
        record::{Receipt, encode},
    },
};

/// Most bytes that these tests append at once.
const BATCH_BYTES_MAX: usize = 4 * 60_100;

/// A record of about so many bytes, told apart by its number.
fn encoded(number: usize, bytes: usize) -> Vec<u8> {
    let line = format!("IAMAT {number:z>bytes$} +34-118 1");
    let limits = QuestionLimits { radius_km_max: None, bound_max: 20 };
    let Command::Iamat(iamat) = line::parse(line.as_bytes(), &limits) else { panic!("no line") };
    let at = Timestamp::default();
    let mut out = Vec::new();
    encode(&mut out, &iamat, Receipt { server: ServerIndex::from_bits(0), received_at: at, order_time: at });
    out
}

/// Batches: where from, how many records of how many bytes.
fn batches() -> impl Strategy<Value = Vec<(u32, usize, usize)>> {
    prop::collection::vec((0_u32..3, 1_usize..5, prop_oneof![1_usize..50, 20_000_usize..60_000]), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_reader_gets_all_but_the_excepted_source_or_learns_that_it_cannot(
        batches in batches(),
        bytes_max in 0_usize..1_500_000,
        piece in prop_oneof![0_usize..200, 10_000_usize..200_000],
        except in 0_u32..3,
        start in 0_usize..40,
    ) {
        let mut log = Log::new(bytes_max);
        let mut expected = Vec::new();
        let mut from = LogPosition::default();
        for (i, (source, count, bytes)) in batches.iter().enumerate() {
            if i == start {
                from = log.end();
                expected.clear();
            }
            let records: Vec<u8> = (0..*count).flat_map(|n| encoded(i * 10 + n, *bytes)).collect();
            log.append(Source(*source), &records);
            if *source != except {
                expected.extend_from_slice(&records);
            }
        }
        let behind = log.end().as_bytes() - from.as_bytes();
        let mut read = Vec::new();
        loop {
            let mut out = Vec::new();
            match log.read(from, Source(except), piece, &mut out) {
                Ok(next) => {
                    prop_assert!(next > from || (next == log.end() && out.is_empty()), "a reader gets on");
                    prop_assert_eq!(record::whole_records(&out, out.len(), false).len(), out.len());
                    read.extend(out);
                    if next == log.end() {
                        break;
                    }
                    from = next;
                }
                Err(overtaken) => {
                    prop_assert_eq!(overtaken.end, log.end());
                    // A segment is left open for one that overfills it with its last batch, and the oldest goes whole.
                    let kept = bytes_max.saturating_sub(2 * (log.segment_bytes + BATCH_BYTES_MAX));
                    prop_assert!(behind > kept as u64, "dropped too early");
                    return Ok(());
                }
            }
        }
        prop_assert!(read == expected);
    }
}

#[test]
fn a_position_beyond_the_end_is_of_another_log() {
    let mut log = Log::new(1000);
    log.append(Source(0), &encoded(1, 10));
    let beyond = LogPosition::from_bytes(log.end().as_bytes() + 1);
    assert_eq!(log.read(beyond, Source(1), 100, &mut Vec::new()), Err(Overtaken { end: log.end() }));
}

/// Broke: a reader that began within a record got nothing and was told to go on from there, for ever.
#[test]
fn a_position_within_a_record_is_of_another_log() {
    let mut log = Log::new(100_000);
    log.append(Source(0), &encoded(1, 30_000));
    let within = LogPosition::from_bytes(10_000);
    assert_eq!(log.read(within, Source(1), 10_000, &mut Vec::new()), Err(Overtaken { end: log.end() }));
}

#[test]
fn a_log_holds_no_more_than_its_bound_and_one_segment() {
    let mut log = Log::new(600_000);
    for number in 0..100 {
        log.append(Source(0), &encoded(number, 30_000));
        assert!(log.bytes <= 600_000 + BATCH_BYTES_MAX);
    }
    assert_eq!(log.segments.iter().map(|segment| segment.bytes.len()).sum::<usize>(), log.bytes);
}
