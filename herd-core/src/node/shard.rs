//! One shard: its table and digest, kept in step, and the one place where a report replaces another.

use std::cmp::Ordering;

use crate::{
    digest::Digest,
    report::{fingerprint, precedence},
    server::KnownServers,
    table::Table,
    time::Timestamp,
    wire::record::Record,
};

use super::placement::{Place, Placement, Standing};

/// What a shard needs to know to judge reports.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) servers: KnownServers<'a>,
    /// Reports received before this have expired: they stand in nobody's way.
    pub(super) expired: Timestamp,
    pub(super) placement: &'a Placement,
}

/// How much a shard holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) clients: usize,
    pub(super) bytes: usize,
}

impl Size {
    /// Differences wrap, and so does adding them.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            clients: self.clients.wrapping_add(other.clients),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }

    pub(super) const fn minus(self, other: Self) -> Self {
        Self {
            clients: self.clients.wrapping_sub(other.clients),
            bytes: self.bytes.wrapping_sub(other.bytes),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shard {
    table: Table,
    digest: Digest,
    /// No report in the table was received before this.
    oldest: Timestamp,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self { table: Table::default(), digest: Digest::new(), oldest: Timestamp::MAX }
    }

    /// Merges a report: says whether it won against the one that is held, if any, and so is held from here on. A shard whose
    /// records fill 4 GiB holds none that is new or longer.
    ///
    /// # Errors
    /// `check`, if there is any, refused it; one that equals what is held is not asked about.
    pub(super) fn offer<E>(
        &mut self,
        place: Place,
        record: &Record<'_>,
        rules: &Rules<'_>,
        check: Option<impl Fn(&Record<'_>) -> Result<(), E>>,
    ) -> Result<bool, E> {
        let found = self.table.find(place.slot, record.client());
        if let Some(check) = check {
            if found.is_some_and(|(_, held)| held.bytes() == record.bytes()) {
                return Ok(false);
            }
            check(record)?;
        }
        let seed = rules.placement.fingerprint_seed();
        match found {
            Some((_, held))
                if held.received_at() >= rules.expired
                    && precedence(record, &held, &rules.servers) != Ordering::Greater =>
            {
                return Ok(false);
            }
            Some((at, held)) => {
                let replaced = fingerprint(&held, &rules.servers, seed);
                let rehash = |client: &[u8]| rules.placement.of(client).slot;
                if !self.table.replace(at, record.bytes(), place.slot, rehash) {
                    return Ok(false);
                }
                self.digest.toggle(place.leaf, replaced);
            }
            None => {
                if !self.table.insert(place.slot, record.bytes()) {
                    return Ok(false);
                }
            }
        }
        self.digest.toggle(place.leaf, fingerprint(record, &rules.servers, seed));
        self.oldest = self.oldest.min(record.received_at());
        Ok(true)
    }

    /// The table, to have what is needed soon brought near.
    pub(super) const fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn find(&self, place: Place, client: &[u8]) -> Option<Record<'_>> {
        self.table.find(place.slot, client).map(|(_, record)| record)
    }

    pub(super) const fn size(&self) -> Size {
        Size { clients: self.table.clients(), bytes: self.table.bytes() }
    }

    pub(super) const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// No report in the table was received before this.
    pub(super) const fn oldest(&self) -> Timestamp {
        self.oldest
    }

    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.table.records()
    }

    /// Drops every report that stands before `limit`.
    pub(super) fn drop_before(&mut self, limit: Standing, rules: &Rules<'_>) {
        if self.oldest > limit.0 {
            return;
        }
        let seed = rules.placement.fingerprint_seed();
        let mut oldest = Timestamp::MAX;
        let mut some_go = false;
        for record in self.table.records() {
            if rules.placement.standing(&record) < limit {
                let leaf = rules.placement.of(record.client()).leaf;
                self.digest.toggle(leaf, fingerprint(&record, &rules.servers, seed));
                some_go = true;
            } else {
                oldest = oldest.min(record.received_at());
            }
        }
        if some_go {
            let rehash = |client: &[u8]| rules.placement.of(client).slot;
            self.table.retain(|record| rules.placement.standing(record) >= limit, rehash);
        }
        self.oldest = oldest;
    }
}
