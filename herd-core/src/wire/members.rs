//! Facts about servers as bytes: the payload of the frame `members`. Knows nothing of what they mean.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    limits::{FACT_NEIGHBOURS_MAX, NAME_BYTES_MAX},
    members::{Fact, Presence},
};

use super::{
    fields::{Fields, push_u64},
    peer::push_name,
};

/// Bytes of a fact but for its name, address and neighbours: presence, six numbers, the address's family, the count.
const FIXED_BYTES: usize = 1 + 6 * 8 + 1 + 1;

/// Bytes of the longest address, an IPv6 one with its port.
const ADDRESS_BYTES_MAX: usize = 16 + 2;

/// Bytes of the longest fact.
pub const FACT_BYTES_MAX: usize =
    FIXED_BYTES + ADDRESS_BYTES_MAX + (1 + FACT_NEIGHBOURS_MAX) * (1 + NAME_BYTES_MAX);

/// About how many bytes a fact takes, never fewer than it does.
#[must_use]
pub fn fact_bytes(fact: &Fact) -> usize {
    let names = fact.neighbours.iter().chain([&fact.name]);
    FIXED_BYTES + ADDRESS_BYTES_MAX + names.map(|name| 1 + name.as_str().len()).sum::<usize>()
}

pub(super) fn encode(out: &mut Vec<u8>, facts: &[Fact]) {
    for fact in facts {
        push_name(out, &fact.name);
        out.push(match fact.presence {
            Presence::Present => 0,
            Presence::Left => 1,
        });
        let started_at = fact.started_at.as_nanos();
        for number in [fact.life, fact.incarnation, fact.version, started_at, fact.rival, fact.age] {
            push_u64(out, number);
        }
        push_address(out, fact.address);
        let neighbours = fact.neighbours.get(..FACT_NEIGHBOURS_MAX).unwrap_or(&fact.neighbours);
        out.push(u8::try_from(neighbours.len()).unwrap_or(u8::MAX));
        neighbours.iter().for_each(|name| push_name(out, name));
    }
}

fn push_address(out: &mut Vec<u8>, address: Option<SocketAddr>) {
    match address.map(|address| address.ip()) {
        None => out.push(0),
        Some(IpAddr::V4(ip)) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    if let Some(address) = address {
        out.extend_from_slice(&address.port().to_le_bytes());
    }
}

/// All facts of a payload; `None` if there is anything else in it.
pub(super) fn decode(fields: &mut Fields<'_>) -> Option<Vec<Fact>> {
    let mut facts = Vec::new();
    while !fields.is_empty() {
        facts.push(decode_fact(fields)?);
    }
    Some(facts)
}

fn decode_fact(fields: &mut Fields<'_>) -> Option<Fact> {
    let name = fields.name()?;
    let presence = if fields.flag()? { Presence::Left } else { Presence::Present };
    let (life, incarnation, version) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let started_at = fields.timestamp()?;
    let (rival, age) = (fields.u64()?, fields.u64()?);
    let address = match fields.byte()? {
        0 => None,
        4 => Some(IpAddr::V4(Ipv4Addr::from(fields.array::<4>()?))),
        6 => Some(IpAddr::V6(Ipv6Addr::from(fields.array::<16>()?))),
        _ => return None,
    };
    let address = match address {
        None => None,
        Some(ip) => Some(SocketAddr::new(ip, u16::from_le_bytes(fields.array()?))),
    };
    let count = usize::from(fields.byte()?);
    let neighbours = (0..count).map(|_| fields.name()).collect::<Option<Vec<_>>>()?;
    let is_in_order = neighbours.iter().zip(neighbours.iter().skip(1)).all(|(a, b)| a < b);
    (is_in_order && count <= FACT_NEIGHBOURS_MAX).then_some(Fact {
        name,
        life,
        incarnation,
        version,
        presence,
        started_at,
        rival,
        age,
        address,
        neighbours,
    })
}
