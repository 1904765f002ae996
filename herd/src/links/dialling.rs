//! Dialling: a neighbour whenever there is no link with it, and the contact of a joiner likewise, for ever.
//!
//! Each edge has a task of its own here; what becomes of a connection is `connection`'s business.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use herd_core::{
    limits::{HANDSHAKE_MAX, REDIAL_FIRST, REDIAL_LONGEST},
    server::Name,
};
use tokio::{
    net::{TcpStream, ToSocketAddrs, lookup_host},
    sync::watch,
    time,
};

use super::{
    Links,
    connection::{Connection, ConnectionError, Ended},
    envelope::EnvelopeError,
};
use crate::roster::{Contact, Roster};

/// How patient the dialling of one edge is.
struct Patience {
    pause: Duration,
    /// Why it was refused, as it was said last.
    told: Option<String>,
}

impl Patience {
    const fn new() -> Self {
        Self { pause: REDIAL_FIRST, told: None }
    }

    /// Says why a connection with `whom` ended, and how long to wait before the next. Whoever `is_stranger` was never met:
    /// its address may be a slip of the pen, so the first reason is worth telling whatever it is.
    fn after(&mut self, whom: &str, is_stranger: bool, ended: &Ended) -> Duration {
        let why = ended.why.to_string();
        let is_first = is_stranger && self.told.is_none() && !ended.why.is_passing();
        if is_first || ended.why.is_refusal() && self.told.as_ref() != Some(&why) {
            // Said once: it is dialled again every few seconds until somebody mends it.
            tracing::warn!(neighbour = whom, why, "no link");
            self.told = Some(why);
        } else {
            tracing::debug!(neighbour = whom, why, "a connection to a neighbour ended");
        }
        // Whoever turns us away by its own lights has let us in first.
        let was_link = ended.neighbour.is_some() && !ended.why.is_refusal();
        if was_link {
            *self = Self::new();
        } else {
            self.pause = (self.pause * 2).min(REDIAL_LONGEST);
        }
        jittered(self.pause)
    }
}

impl Links {
    /// Dials a neighbour whenever there is no link with it. One that left the herd is left alone, if it can dial us itself
    /// when it comes back: that is, if we are `is_reachable`.
    pub(super) async fn keep_linked(
        self: Arc<Self>,
        neighbour: Name,
        mut roster: watch::Receiver<Roster>,
        is_reachable: bool,
    ) {
        let mut patience = Patience::new();
        loop {
            let dialable = self.dialable(&neighbour, &mut roster, is_reachable);
            let address = self.draining.run_until_cancelled(dialable).await;
            let Some(Some(address)) = address else { return };
            self.registry.dialled(&neighbour);
            let ended = self.dial(address, Some(neighbour.clone())).await;
            self.registry.ended(&neighbour, ended.why.to_string());
            let pause = patience.after(&format!("{neighbour} ({address})"), false, &ended);
            if self.draining.run_until_cancelled(time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Dials a contact whenever there is no link with whoever was there last.
    pub(super) async fn keep_joined(self: Arc<Self>, contact: Contact) {
        let mut patience = Patience::new();
        let mut known: Option<Name> = None;
        loop {
            if let Some(name) = &known {
                if self.draining.run_until_cancelled(self.registry.unlinked(name)).await.is_none() {
                    return;
                }
                self.registry.dialled(name);
            }
            let ended = self.dial(contact.as_str(), None).await;
            let is_stranger = known.is_none() && ended.neighbour.is_none();
            let pause = patience.after(contact.as_str(), is_stranger, &ended);
            known = ended.neighbour.or(known);
            if self.draining.run_until_cancelled(time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Waits until there is no link with the neighbour, and it is to be there; says where to dial it, once that is known.
    /// None when nobody will tell any more.
    async fn dialable(
        &self,
        neighbour: &Name,
        roster: &mut watch::Receiver<Roster>,
        is_reachable: bool,
    ) -> Option<SocketAddr> {
        self.registry.unlinked(neighbour).await;
        if self.identity.server > *neighbour {
            // Of two connections dialled at once that of the smaller name stays: let it be first.
            time::sleep(jittered(REDIAL_FIRST)).await;
            self.registry.unlinked(neighbour).await;
        }
        loop {
            let changed = self.engine.fresh();
            if !is_reachable || !self.engine.node().members().has_left(neighbour) {
                break;
            }
            changed.await;
        }
        let known = roster.wait_for(|roster| roster.address(neighbour).is_some()).await;
        known.ok().and_then(|roster| roster.address(neighbour))
    }

    /// Dials whoever is expected at an address, or joins whoever is there; to the end of the connection.
    async fn dial(self: &Arc<Self>, address: impl ToSocketAddrs, expected: Option<Name>) -> Ended {
        match self.draining.run_until_cancelled(self.connect(address)).await {
            Some(Ok((stream, address))) => {
                Connection::dialled(Arc::clone(self), stream, address, expected).run().await
            }
            Some(Err(why)) => Ended::failed(why),
            None => Ended::failed(ConnectionError::Stopping),
        }
    }

    async fn connect(&self, address: impl ToSocketAddrs) -> Result<(TcpStream, SocketAddr), ConnectionError> {
        let connected = async {
            let mut known: Vec<SocketAddr> = lookup_host(address).await?.collect();
            let count = known.len();
            known.retain(|&address| !self.is_exposed(address));
            if known.is_empty() && count > 0 {
                return Ok(None);
            }
            let stream = TcpStream::connect(known.as_slice()).await?;
            let address = stream.peer_addr()?;
            Ok(Some((stream, address)))
        };
        let connected = time::timeout(HANDSHAKE_MAX, connected).await;
        connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(EnvelopeError::Socket)?
            .ok_or(ConnectionError::Exposed)
    }
}

/// Between half and all of a wait, so that a herd that lost one server does not dial it in step.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}
