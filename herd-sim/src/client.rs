//! The clients: what they say, in the words of the line protocol. Knows no server.

use crate::scenario::Clients;

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
    last_time: Option<String>,
}

/// One line that a client sends.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) client: Vec<u8>,
    pub(crate) line: Vec<u8>,
    /// It bears a time that is, by the client's clock, about that of sending.
    pub(crate) is_honest: bool,
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
            Client { id, last_time: None }
        };
        Self { plan: plan.clone(), clients: (0..plan.count).map(client).collect() }
    }

    /// Time until somebody speaks again, in nanoseconds.
    pub(crate) fn pause(&self, rng: &mut fastrand::Rng) -> u64 {
        let mean = 1_000_000_000 / self.plan.reports_per_second.max(1);
        rng.u64(..mean.saturating_mul(2).max(1))
    }

    /// The line of some client at a time in nanoseconds since the start.
    pub(crate) fn speak(&mut self, now: u64, rng: &mut fastrand::Rng) -> Option<Said> {
        let plan = &self.plan;
        // One after another at first, so that all of them are heard of; then anybody.
        let spoken = self.clients.iter().position(|client| client.last_time.is_none());
        let index = spoken.filter(|_| rng.bool()).unwrap_or_else(|| rng.usize(..self.clients.len().max(1)));
        if plan.until_ms.is_some_and(|until| now > until.saturating_mul(1_000_000)) {
            return None;
        }
        let client = self.clients.get_mut(index)?;
        let chance = rng.u8(..100);
        let stale = plan.stale_percent;
        let equal = stale.saturating_add(plan.equal_percent);
        let future = equal.saturating_add(plan.future_percent);
        let (time, is_honest) = match &client.last_time {
            Some(_) if chance < stale => {
                (time_text(now.saturating_sub(rng.u64(..20_000_000_000)), 0, rng), false)
            }
            Some(last) if chance < equal => (last.clone(), false),
            _ if (equal..future).contains(&chance) => (time_text(now, FUTURE_SECONDS, rng), false),
            _ => (time_text(now, 0, rng), true),
        };
        client.last_time = Some(time.clone());
        let line = format!("IAMAT {} {} {time}", client.id, location_text(rng)).into_bytes();
        Some(Said { client: client.id.clone().into_bytes(), line, is_honest })
    }
}

fn time_text(now: u64, ahead_seconds: u64, rng: &mut fastrand::Rng) -> String {
    let seconds = EPOCH_SECONDS + ahead_seconds + now / 1_000_000_000;
    let fraction = format!("{:09}", now % 1_000_000_000);
    match rng.u8(..10) {
        0 => format!("{seconds}"),
        1 => format!("0{seconds}.{fraction}"),
        2 => format!("{seconds}.{fraction}{:03}", rng.u16(..1000)),
        3 => format!("{seconds}.{}", fraction.get(..3).unwrap_or("0")),
        _ => format!("{seconds}.{fraction}"),
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
