//! How a server stands, as one line of JSON: what `status` answers and `herd status` reads.
//!
//! The shape is this front-end's own; what it tells is the gateway's. Keys are only ever added.

use std::time::Duration;

use herd_core::{members::Member, server::Name};
use serde::{Deserialize, Serialize};

use crate::gateway::{DiskState, Gateway, LinkState};

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub server: String,
    /// Clients in its table.
    pub clients: usize,
    /// Its links, by neighbour.
    pub links: Vec<LinkStatus>,
    /// The servers of the herd that have not left, as far as this one knows.
    pub members: Vec<MemberStatus>,
    /// Its disk; none if it keeps nothing there.
    pub disk: Option<DiskStatus>,
}

/// How it stands with its disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Bytes of reports that are not written down.
    pub lag_bytes: u64,
    /// Milliseconds that something has been written without being synced; none if all that was written is synced.
    pub unsynced_ms: Option<u64>,
    /// Why nothing can be written now.
    pub error: Option<String>,
}

/// One server of the herd, as it said of itself last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Its name.
    pub server: String,
    /// Whether links lead to it. Otherwise it is down, or cut off.
    pub is_reachable: bool,
    /// The random number of its present life, in hexadecimal digits.
    pub incarnation: String,
    /// Where other servers connect with it.
    pub address: Option<String>,
    /// Whom it is linked with.
    pub links: Vec<String>,
}

/// How it stands with one neighbour. Everything is counted since the server started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// The neighbour's name.
    pub neighbour: String,
    /// `down`, `dialled` (by this server) or `accepted`.
    pub state: String,
    /// The other end of the connection.
    pub address: Option<String>,
    /// Whether each side holds what the other held when the link came up.
    pub is_synced: bool,
    /// About how many reports the neighbour had not merged at its last heartbeat; none while the link is down.
    pub lag_reports: Option<u64>,
    /// Milliseconds that the oldest of them had waited.
    pub lag_ms: Option<u64>,
    /// Bytes sent over all links with it.
    pub sent_bytes: u64,
    /// Bytes received over them.
    pub received_bytes: u64,
    /// Links that came up.
    pub links: u64,
    /// Times that it was dialled.
    pub redials: u64,
    /// Reports that came by comparing tables.
    pub copied: u64,
    /// Those of them that should have come as they happened: divergences healed.
    pub healed: u64,
    /// Why the last connection with it ended.
    pub ended: Option<String>,
}

impl Status {
    /// How the server behind a gateway stands.
    #[must_use]
    pub fn of(gateway: &Gateway) -> Self {
        Self {
            server: gateway.server().to_string(),
            clients: gateway.clients(),
            links: gateway.surroundings().links().into_iter().map(LinkStatus::from).collect(),
            members: gateway.members().into_iter().map(MemberStatus::from).collect(),
            disk: gateway.disk().map(DiskStatus::from),
        }
    }
}

impl From<LinkState> for LinkStatus {
    fn from(link: LinkState) -> Self {
        let up = link.up.as_ref();
        let state = up.map_or("down", |up| if up.is_dialled { "dialled" } else { "accepted" });
        Self {
            neighbour: link.neighbour.to_string(),
            state: state.to_owned(),
            address: up.and_then(|up| up.address).map(|address| address.to_string()),
            is_synced: up.is_some_and(|up| up.is_synced),
            lag_reports: up.map(|up| up.lag_reports),
            lag_ms: up.map(|up| millis(up.lag)),
            sent_bytes: link.sent_bytes,
            received_bytes: link.received_bytes,
            links: link.links,
            redials: link.redials,
            copied: link.copied,
            healed: link.healed,
            ended: link.ended,
        }
    }
}

impl From<Member> for MemberStatus {
    fn from(Member { fact, is_reachable }: Member) -> Self {
        Self {
            server: fact.name.to_string(),
            is_reachable,
            incarnation: format!("{:016x}", fact.incarnation),
            address: fact.address.map(|address| address.to_string()),
            links: fact.neighbours.iter().map(Name::to_string).collect(),
        }
    }
}

impl From<DiskState> for DiskStatus {
    fn from(disk: DiskState) -> Self {
        let unsynced_ms = disk.unsynced_for.map(millis);
        Self { lag_bytes: disk.lag_bytes, unsynced_ms, error: disk.error }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
