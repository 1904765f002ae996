//! Who may connect: counts the connections of all front-ends, in all and by address.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::muffler::Muffler;

use super::ClientLimits;

/// Connections that operators may have beyond those of clients.
const OPERATORS_MAX: usize = 16;

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
        self.admit_up_to(client, self.connections_max, self.per_address_max)
    }

    /// Lets an operator in, for whom there is room when clients have taken all of theirs.
    pub fn admit_operator(self: &Arc<Self>, operator: SocketAddr) -> Option<Permit> {
        let connections_max = self.connections_max.saturating_add(OPERATORS_MAX);
        self.admit_up_to(operator, connections_max, connections_max)
    }

    fn admit_up_to(
        self: &Arc<Self>,
        client: SocketAddr,
        connections_max: usize,
        per_address_max: usize,
    ) -> Option<Permit> {
        let address = household(client.ip());
        let admitted = self.open.lock().admit(address, connections_max, per_address_max);
        if let Some(number) = admitted {
            return Some(Permit { admission: Arc::clone(self), address, number });
        }
        if let Some(refused) = self.refusals.count(1) {
            tracing::warn!(refused, last = %address, "too many connections");
        }
        None
    }
}

/// The address by which connections are counted: of IPv6 the first half, since whoever has one such address has all that
/// begin alike.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
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
    fn addresses_of_one_household_are_counted_as_one() {
        let limits = ClientLimits { connections_per_address_max: 1, ..ClientLimits::default() };
        let admission = Arc::new(Admission::new(&limits));
        let admit = |address: &str| admission.admit(address.parse().unwrap());
        let first = admit("[2001:db8:0:1::1]:1");
        assert!(first.is_some());
        assert!(admit("[2001:db8:0:1:ffff::2]:1").is_none());
        assert!(admit("[2001:db8:0:2::1]:1").is_some());
    }

    #[test]
    fn clients_do_not_keep_operators_out() {
        let limits = ClientLimits { connections_max: 1, ..ClientLimits::default() };
        let admission = Arc::new(Admission::new(&limits));
        let address = "127.0.0.1:1".parse().unwrap();
        let client = admission.admit(address);
        assert!(client.is_some() && admission.admit(address).is_none());
        let operators: Vec<_> = (0..=OPERATORS_MAX).map(|_| admission.admit_operator(address)).collect();
        assert_eq!(operators.iter().flatten().count(), OPERATORS_MAX);
    }

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
