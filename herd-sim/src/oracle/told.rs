//! What clients told the herd, whoever of it still knows: no server may hold or tell anything else.

use std::collections::{BTreeMap, BTreeSet};

use herd_core::{node::Node, time::Timestamp};

use super::{Known, reports, shown};

/// Every report that was news to the server that took it from a client, in any of the servers' lives.
#[derive(Debug, Default)]
pub(crate) struct Told {
    of_clients: BTreeMap<Vec<u8>, BTreeSet<Known>>,
    record_bytes_most: usize,
}

impl Told {
    /// Takes in records that a node took for news from clients; says what is wrong with them.
    pub(crate) fn take(&mut self, node: &Node, records: &[u8]) -> Result<(), String> {
        for report in reports(node, records) {
            let (record, known) = report?;
            self.record_bytes_most = self.record_bytes_most.max(record.bytes().len());
            match self.of_clients.get_mut(record.client()) {
                Some(told) => drop(told.insert(known)),
                None => drop(self.of_clients.insert(record.client().to_vec(), BTreeSet::from([known]))),
            }
        }
        Ok(())
    }

    /// Whether records that a node has from a neighbour or from its disk are what some server took from a client; says which
    /// is not.
    pub(crate) fn check_origin(&self, node: &Node, records: &[u8]) -> Result<(), String> {
        for report in reports(node, records) {
            let (record, known) = report?;
            if !self.of_clients.get(record.client()).is_some_and(|told| told.contains(&known)) {
                return Err(format!("holds what nobody said, of {}: {known:?}", shown(record.client())));
            }
        }
        Ok(())
    }

    /// The report that an AT line about a client tells, if a client said so.
    pub(crate) fn find(&self, client: &[u8], at_line: &[u8]) -> Option<&Known> {
        self.of_clients.get(client)?.iter().rev().find(|known| known.print(client) == at_line)
    }

    /// When a client was heard of last, by the clock of who took that.
    pub(crate) fn heard_at(&self, client: &[u8]) -> Timestamp {
        let told = self.of_clients.get(client).into_iter().flatten();
        told.map(|known| known.received_at).max().unwrap_or_default()
    }

    /// Clients that ever said something.
    pub(crate) fn clients(&self) -> usize {
        self.of_clients.len()
    }

    /// Bytes of the longest record.
    pub(crate) const fn record_bytes_most(&self) -> usize {
        self.record_bytes_most
    }
}
