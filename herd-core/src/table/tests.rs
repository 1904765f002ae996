//! The table against a map of the standard library.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    command::{Command, QuestionLimits},
    server::ServerIndex,
    time::Timestamp,
    wire::{
        line,
        record::{self, Receipt},
    },
};

/// What is done to a table.
#[derive(Clone, Debug)]
enum Step {
    /// A client's record comes, with a text of this length.
    Put { client: u16, digits: usize, time: u32 },
    /// Only clients of one residue stay.
    Retain { of: u16 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = (0_u16..300, 1_usize..40, any::<u32>()).prop_map(|(client, digits, time)| Step::Put {
        client,
        digits,
        time,
    });
    let retain = (1_u16..5).prop_map(|of| Step::Retain { of });
    prop::collection::vec(prop_oneof![60 => put, 1 => retain], 0..400)
}

fn encoded(client: u16, digits: usize, time: u32) -> Vec<u8> {
    let line = format!("IAMAT {client} +34.{time:0digits$}-118 {time}");
    let limits = QuestionLimits { radius_km_max: None, bound_max: 20 };
    let Command::Iamat(iamat) = line::parse(line.as_bytes(), &limits) else { panic!("{line}") };
    let at = Timestamp::from_nanos(time.into());
    let mut bytes = Vec::new();
    record::encode(
        &mut bytes,
        &iamat,
        Receipt { server: ServerIndex::from_bits(0), received_at: at, order_time: at },
    );
    bytes
}

/// A poor hash on purpose: many clients share a home, and some share all 64 bits.
fn hash(client: &[u8]) -> SlotHash {
    let number: u64 = str::from_utf8(client).unwrap().parse().unwrap();
    ((number / 3 % 40) << 32) | (number % 7)
}

fn residue(client: &[u8], of: u16) -> bool {
    str::from_utf8(client).unwrap().parse::<u16>().unwrap().is_multiple_of(of)
}

proptest! {
    #[test]
    fn a_table_holds_what_a_map_would(steps in steps()) {
        let mut table = Table::default();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Put { client, digits, time } => {
                    let record = encoded(client, digits, time);
                    let client = client.to_string().into_bytes();
                    match table.find(hash(&client), &client) {
                        Some((spot, _)) => prop_assert!(table.replace(spot, &record, hash(&client), hash)),
                        None => prop_assert!(table.insert(hash(&client), &record)),
                    }
                    model.insert(client, record);
                }
                Step::Retain { of } => {
                    table.retain(|record| residue(record.client(), of), hash);
                    model.retain(|client, _| residue(client, of));
                }
            }
            prop_assert_eq!(table.clients(), model.len());
        }
        let held: BTreeMap<_, _> =
            table.records().map(|r| (r.client().to_vec(), r.bytes().to_vec())).collect();
        prop_assert_eq!(&held, &model);
        for client in 0_u16..300 {
            let client = client.to_string().into_bytes();
            let found = table.find(hash(&client), &client).map(|(_, record)| record);
            prop_assert_eq!(found.map(|record| record.bytes()), model.get(&client).map(Vec::as_slice));
        }
        let live: usize = model.values().map(Vec::len).sum();
        prop_assert!(table.bytes() <= live + DEAD_BYTES_MIN.max(table.bytes() / 4) + 100);
    }
}
