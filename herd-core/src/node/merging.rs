//! Records that come as bytes, from neighbours or a store, into the table.
//!
//! The one thing to know: in a herd with cycles every second record is known already, byte for byte. So a record is looked for
//! before it is checked: what equals one that is held was checked when that came.

use arrayvec::ArrayVec;

use crate::{
    log::Source,
    time::Timestamp,
    wire::record::{Record, RecordError},
};

use super::{
    Effects, Node, RECORD_BYTES_USUAL,
    placement::{Place, Standing},
    shard::{Rules, Shard},
    shards::{LOOKAHEAD, Places},
};

/// What came of some records.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Records that are held now.
    pub(super) held: usize,
    /// Those of them that are news.
    pub(super) fresh: Vec<u8>,
    /// Why the rest was not looked at.
    pub(super) fault: Option<RecordError>,
}

/// What all records of a batch are judged by.
struct Judge<'a> {
    rules: Rules<'a>,
    evicted_before: Standing,
    has_room: bool,
}

/// How one record fared.
enum Verdict {
    Refused,
    Held,
    /// Held, but no news: received before others that had to go for want of room.
    HeldLate,
}

impl Node {
    /// Merges records that a neighbour sent, whose server numbers were translated to ours. One that was received before
    /// others that had to go for want of room is held if there is room again, but is no news.
    ///
    /// # Errors
    /// The bytes are not whole, well-formed records; those before the fault are merged all the same.
    pub fn merge(&self, source: Source, records: &[u8], clock: Timestamp) -> Result<Effects, RecordError> {
        let step = self.step.read();
        let Taken { fresh, fault, .. } = self.take_in(records, clock, |record| record.check());
        let effects = self.conclude(step, source, fresh);
        fault.map_or(Ok(effects), Err)
    }

    /// Holds those of `records` that win, up to the first that is none, or that `check` refuses.
    pub(super) fn take_in(
        &self,
        mut records: &[u8],
        clock: Timestamp,
        check: impl Fn(&Record<'_>) -> Result<(), RecordError>,
    ) -> Taken {
        let judge = Judge {
            rules: Rules {
                servers: self.names.read(),
                expired: self.expired(clock),
                placement: &self.placement,
            },
            evicted_before: self.evicted_before(),
            has_room: self.has_room(),
        };
        let mut taken = Taken::default();
        let mut earliest_late = Timestamp::MAX;
        while !records.is_empty() && taken.fault.is_none() {
            let batch = locate_some(&mut records, &mut taken.fault);
            let places: Places = batch.iter().map(|record| self.placement.of(record.client())).collect();
            let mut fault = None;
            let growth = self.shards.visit(&places, |shard, place, i| {
                let record = &batch[i];
                if fault.is_some() {
                    return;
                }
                match judge.offer(shard, place, record, &check) {
                    Ok(Verdict::Refused) => {}
                    Ok(Verdict::Held) => {
                        taken.held += 1;
                        if taken.fresh.is_empty() {
                            taken.fresh.reserve(batch.len() * RECORD_BYTES_USUAL + records.len());
                        }
                        taken.fresh.extend_from_slice(record.bytes());
                    }
                    Ok(Verdict::HeldLate) => {
                        taken.held += 1;
                        earliest_late = earliest_late.min(record.received_at());
                    }
                    Err(malformed) => fault = Some(malformed),
                }
            });
            taken.fault = fault.or(taken.fault);
            self.room.grew(growth);
        }
        if earliest_late < Timestamp::MAX {
            self.hold_late(earliest_late);
        }
        taken
    }
}

impl Judge<'_> {
    fn offer(
        &self,
        shard: &mut Shard,
        place: Place,
        record: &Record<'_>,
        check: impl Fn(&Record<'_>) -> Result<(), RecordError>,
    ) -> Result<Verdict, RecordError> {
        if record.received_at() < self.rules.expired {
            return check(record).map(|()| Verdict::Refused);
        }
        // Those that were heard of at once are told apart by their hash.
        let may_be_late = record.received_at() <= self.evicted_before.0;
        let is_late = may_be_late && self.rules.placement.standing(record) < self.evicted_before;
        if is_late && !self.has_room && shard.find(place, record.client()).is_none() {
            return check(record).map(|()| Verdict::Refused);
        }
        let is_held = shard.offer(place, record, &self.rules, Some(check))?;
        Ok(match (is_held, is_late) {
            (false, _) => Verdict::Refused,
            (true, false) => Verdict::Held,
            (true, true) => Verdict::HeldLate,
        })
    }
}

/// Takes the next records off the front of `bytes`, up to a batch or the first fault.
fn locate_some<'a>(bytes: &mut &'a [u8], fault: &mut Option<RecordError>) -> ArrayVec<Record<'a>, LOOKAHEAD> {
    let mut batch = ArrayVec::new();
    while !bytes.is_empty() && !batch.is_full() {
        match Record::locate(bytes) {
            Ok(record) => {
                *bytes = bytes.get(record.bytes().len()..).unwrap_or_default();
                batch.push(record);
            }
            Err(malformed) => {
                *fault = Some(malformed);
                break;
            }
        }
    }
    batch
}
