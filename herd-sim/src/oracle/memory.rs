//! What a node may keep in memory: a log that forgets, and a table of no more than the reports of its clients.
//!
//! Judged from outside, by what the log still gives and by what the node says of its table.

use std::collections::VecDeque;

use herd_core::{
    limits::SHARDS,
    log::{LogPosition, Source},
    node::Node,
};

use super::Told;

/// Bytes of replaced records that a shard may keep before it is rebuilt, however few clients it has.
const DEAD_BYTES_OF_SHARD_MAX: usize = 4096;

/// What went into the log of one life of one server.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Bytes of all that was news.
    news_bytes: u64,
    /// Of the largest batch of it.
    batch_bytes_most: u64,
    /// Where batches end in the log, from the first that may still be there.
    ends: VecDeque<u64>,
}

impl Memory {
    /// Takes note of a batch of news.
    pub(crate) fn learn(&mut self, records: &[u8]) {
        let bytes = records.len() as u64;
        self.news_bytes += bytes;
        self.batch_bytes_most = self.batch_bytes_most.max(bytes);
        self.ends.push_back(self.news_bytes);
    }

    /// Whether a node keeps what it should and no more; says what is amiss.
    pub(crate) fn check(&mut self, node: &Node, told: &Told) -> Result<(), String> {
        self.check_log(node)?;
        check_table(node, told)
    }

    /// The log gives back at least three quarters of what it may hold, but for two batches, and at most one batch more: it
    /// forgets by sixteenths, after a batch went in.
    fn check_log(&mut self, node: &Node) -> Result<(), String> {
        let end = node.log_end().as_bytes();
        if end != self.news_bytes {
            return Err(format!("its log took {end} bytes, and {} were news", self.news_bytes));
        }
        let bytes_max = node.settings().log_bytes_max as u64;
        let batch = self.batch_bytes_most;
        let first_within = |ends: &VecDeque<u64>, bytes: u64| ends.partition_point(|at| end - at > bytes);
        let is_there =
            |at: u64| node.read_log(LogPosition::from_bytes(at), Source::NOBODY, 0, &mut Vec::new()).is_ok();
        let gone = first_within(&self.ends, bytes_max + batch);
        if let Some(at) = self.ends.drain(..gone).next_back().filter(|&at| is_there(at)) {
            return Err(format!("its log of {bytes_max} bytes holds {} and more", end - at));
        }
        let kept = first_within(&self.ends, (bytes_max / 4 * 3).saturating_sub(2 * batch));
        match self.ends.get(kept).filter(|&&at| !is_there(at)) {
            Some(at) => Err(format!("its log of {bytes_max} bytes does not hold the last {}", end - at)),
            None => Ok(()),
        }
    }
}

/// A table holds clients that spoke, no more than it may, and of each one report, besides replaced ones that wait to go: a
/// third of what is held (a quarter of all), or a few kilobytes where that is more.
fn check_table(node: &Node, told: &Told) -> Result<(), String> {
    let clients = node.clients();
    let clients_max = node.settings().clients_max.min(told.clients());
    if clients > clients_max {
        return Err(format!("holds {clients} clients of at most {clients_max}"));
    }
    let bytes = u64::try_from(clients).unwrap_or(u64::MAX).saturating_mul(node.record_bytes_mean());
    let live = clients * told.record_bytes_most();
    let bytes_max = live + live / 3 + clients.min(SHARDS) * DEAD_BYTES_OF_SHARD_MAX;
    if bytes > bytes_max as u64 {
        return Err(format!("its table takes {bytes} bytes of at most {bytes_max}"));
    }
    Ok(())
}
