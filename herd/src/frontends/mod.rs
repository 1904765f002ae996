//! The protocols that clients speak: bytes in, commands to the [`Gateway`], replies out.
//!
//! One more protocol is one module here, one `mod` line and one entry in [`ALL`]. A front-end knows the gateway and
//! nothing behind it.

mod admission;
mod turnstile;
pub mod line;
pub mod admin;

use std::{sync::Arc, time::Duration};

use herd_core::limits::LINE_BYTES_MAX;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{gateway::Gateway, listen::Listeners};

pub use admission::{Admission, Permit};
pub use turnstile::{Share, Turnstile};

/// Every protocol: each takes its sockets out of the listeners, if there are any, and serves clients in tasks of the
/// service until that stops.
pub const ALL: &[fn(&mut Listeners, &Service)] = &[line::start, admin::start];

/// What every front-end is started with.
#[derive(Clone, Debug)]
pub struct Service {
    /// The server behind it.
    pub gateway: Gateway,
    /// Bounds on what clients may make it hold.
    pub limits: ClientLimits,
    /// Who may connect; all front-ends share it.
    pub admission: Arc<Admission>,
    /// Who is served next; all front-ends share it.
    pub turnstile: Turnstile,
    /// Owns every task; whoever stops the service closes it, then fires `stop`, then waits for it.
    pub tasks: TaskTracker,
    /// Fires when the service stops: no more connections are accepted, what has arrived is answered, and
    /// [`DRAIN_MAX`] later every connection is gone.
    pub stop: CancellationToken,
}

/// Longest time that a connection has for its last replies when the service stops: what is left of 5 s must do for
/// links, storage and the log.
pub const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Bounds on what clients may make a server hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Longest line in bytes, without its LF.
    pub line_bytes_max: usize,
    /// Most connections at once: at most 8 KiB each while idle, so 128 MiB.
    pub connections_max: usize,
    /// Most connections from one address, of IPv6 one /64: three quarters of the above, so that none shuts out others alone,
    /// and still as many as a gateway of a town may bring.
    pub connections_per_address_max: usize,
    /// Silence in both directions after which a connection is closed: longer than any phone sleeps between two reports.
    pub idle_timeout: Duration,
    /// Replies in bytes that a client may leave unread before its commands wait, and then the connection is cut.
    pub reply_bytes_max: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            line_bytes_max: LINE_BYTES_MAX,
            connections_max: 16_384,
            connections_per_address_max: 12_288,
            idle_timeout: Duration::from_secs(600),
            reply_bytes_max: 1024 * 1024,
        }
    }
}
