//! The clients: what they say, in the words of the line protocol. Knows no server.

use herd_core::time::Timestamp;

use crate::scenario::{Clients, millis};

/// Seconds since the epoch at the start of a run, as clients' clocks have it.
const EPOCH_SECONDS: u64 = 1_520_000_000;

/// How far ahead a client with a wrong clock is: a year.
const FUTURE_SECONDS: u64 = 31_536_000;

/// All clients of a run.
#[derive(Debug)]
pub(crate) struct Crowd {
    plan: Clients,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    id: String,
    /// Nanoseconds that its clock is ahead.
    clock_offset: i64,
    last: Option<Time>,
}

/// A time as text, and what it means.
#[derive(Clone, Debug)]
struct Time {
    text: String,
    nanos: u64,
}

/// One line that a client sends.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) client: Vec<u8>,
    pub(crate) location: Vec<u8>,
    pub(crate) time: Vec<u8>,
    /// What the time means.
    pub(crate) at: Timestamp,
}

impl Said {
    /// The line of the line protocol.
    pub(crate) fn line(&self) -> Vec<u8> {
        [b"IAMAT ", self.client.as_slice(), b" ", &self.location, b" ", &self.time].concat()
    }
}

impl Crowd {
    pub(crate) fn new(plan: &Clients, rng: &mut fastrand::Rng) -> Self {
        let (least, most) = plan.id_bytes;
        let client = |number| {
            let mut id = format!("c{number:x}");
            let bytes = rng.usize(least..=most.max(least));
            while id.len() < bytes {
                id.push(if rng.u8(..10) == 0 { '\u{e9}' } else { rng.alphanumeric() });
            }
            Client { id, clock_offset: plan.clock_offset(rng), last: None }
        };
        Self { plan: plan.clone(), clients: (0..plan.count).map(client).collect() }
    }

    /// Time until somebody speaks again, in nanoseconds.
    pub(crate) fn pause(&self, rng: &mut fastrand::Rng) -> u64 {
        let mean = 1_000_000_000 / self.plan.reports_per_second.max(1);
        rng.u64(..mean.saturating_mul(2).max(1))
    }

    /// What some client says at a time in nanoseconds since the start.
    pub(crate) fn speak(&mut self, now: u64, rng: &mut fastrand::Rng) -> Option<Said> {
        let plan = &self.plan;
        // One after another at first, so that all of them are heard of; then anybody.
        let spoken = self.clients.iter().position(|client| client.last.is_none());
        let index = spoken.filter(|_| rng.bool()).unwrap_or_else(|| rng.usize(..self.clients.len().max(1)));
        if plan.until_ms.is_some_and(|until| now > millis(until)) {
            return None;
        }
        let client = self.clients.get_mut(index)?;
        if rng.u8(..100) < plan.clock_jump_percent {
            client.clock_offset = plan.clock_offset(rng);
        }
        let clock = (EPOCH_SECONDS * 1_000_000_000 + now).saturating_add_signed(client.clock_offset);
        let chance = rng.u8(..100);
        let stale = plan.stale_percent;
        let equal = stale.saturating_add(plan.equal_percent);
        let future = equal.saturating_add(plan.future_percent);
        let time = match &client.last {
            Some(_) if chance < stale => Time::new(clock - rng.u64(..20_000_000_000), rng),
            Some(last) if chance < equal => last.clone(),
            _ if (equal..future).contains(&chance) => Time::new(clock + FUTURE_SECONDS * 1_000_000_000, rng),
            _ => Time::new(clock, rng),
        };
        client.last = Some(time.clone());
        Some(Said {
            client: client.id.clone().into_bytes(),
            location: location_text(rng).into_bytes(),
            time: time.text.into_bytes(),
            at: Timestamp::from_nanos(time.nanos),
        })
    }
}

impl Time {
    /// A time in one of the forms that clients write.
    fn new(nanos: u64, rng: &mut fastrand::Rng) -> Self {
        let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let (text, untold) = match rng.u8(..10) {
            0 => (format!("{seconds}"), 1_000_000_000),
            1 => (format!("0{seconds}.{fraction:09}"), 1),
            2 => (format!("{seconds}.{fraction:09}{:03}", rng.u16(..1000)), 1),
            3 => (format!("{seconds}.{:03}", fraction / 1_000_000), 1_000_000),
            _ => (format!("{seconds}.{fraction:09}"), 1),
        };
        Self { text, nanos: nanos - nanos % untold }
    }
}

fn location_text(rng: &mut fastrand::Rng) -> String {
    let mut coordinate = |degrees: u32| {
        let sign = if rng.bool() { '+' } else { '-' };
        let digits = rng.usize(..=9);
        let fraction: String = (0..digits).map(|_| rng.digit(10)).collect();
        let point = if digits > 0 { "." } else { "" };
        format!("{sign}{:02}{point}{fraction}", rng.u32(..degrees))
    };
    let text = coordinate(90) + &coordinate(180);
    if rng.u8(..20) == 0 { text + "/" } else { text }
}
