//! Who may connect: counts the connections of all front-ends, in all and by address.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::muffler::Muffler;

use super::ClientLimits;

/// The count.
pub struct Admission {
    connections_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
    refusals: Muffler,
}

#[derive(Default)]
struct Open {
    connections: usize,
    /// All that were ever let in.
    admitted: u64,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to be connected, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
    number: u64,
}

impl Permit {
    /// The connection's number: 1 for the first since the server started.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }
}

impl Admission {
    /// Nobody is connected yet.
    #[must_use]
    pub fn new(limits: &ClientLimits) -> Self {
        Self {
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            open: Mutex::default(),
            refusals: Muffler::default(),
        }
    }

    /// Lets a client in, unless there are too many. Refusals are counted and told to the operator.
    pub fn admit(self: &Arc<Self>, client: SocketAddr) -> Option<Permit> {
        let address = client.ip().to_canonical();
        let admitted = self.open.lock().admit(address, self.connections_max, self.per_address_max);
        if let Some(number) = admitted {
            return Some(Permit { admission: Arc::clone(self), address, number });
        }
        if let Some(refused) = self.refusals.count(1) {
            tracing::warn!(refused, last = %address, "too many connections");
        }
        None
    }
}

impl Open {
    fn admit(&mut self, address: IpAddr, connections_max: usize, per_address_max: usize) -> Option<u64> {
        if self.connections >= connections_max
            || self.by_address.get(&address).is_some_and(|&count| count >= per_address_max)
        {
            return None;
        }
        self.connections += 1;
        *self.by_address.entry(address).or_default() += 1;
        self.admitted += 1;
        Some(self.admitted)
    }

    fn leave(&mut self, address: IpAddr) {
        self.connections -= 1;
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.open.lock().leave(self.address);
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("connections", &self.open.lock().connections)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_connections_and_leaving_makes_room() {
        let limits =
            ClientLimits { connections_max: 3, connections_per_address_max: 2, ..ClientLimits::default() };
        let admission = Arc::new(Admission::new(&limits));
        let admit = |address: &str| admission.admit(address.parse().unwrap());
        let first = admit("10.0.0.1:1").unwrap();
        let second = admit("[::ffff:10.0.0.1]:2").unwrap();
        assert!(admit("10.0.0.1:3").is_none(), "one address too often");
        let third = admit("10.0.0.2:1").unwrap();
        assert!(admit("10.0.0.3:1").is_none(), "too many in all");
        drop(first);
        let fourth = admit("10.0.0.1:4").unwrap();
        drop((second, third, fourth));
        assert!(admission.open.lock().by_address.is_empty());
        assert_eq!(admission.open.lock().connections, 0);
    }
}
