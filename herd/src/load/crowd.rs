//! Made-up clients: their requests, made in place by changing a few digits of a line, and the replies that are right.
//!
//! The one thing to know: every report is news. Times are this moment's, each later than the one before, and no two
//! workers share a client.

use std::{ops::Range, sync::Arc};

use herd_core::position::Position;

use super::{replies::told, source::Asked};
use crate::digits::fill;

/// Places that clients are at: enough that no two reports of a client in a row are likely to be the same.
const PLACES: u16 = 4096;
/// Bytes of a place's text.
const PLACE_BYTES: usize = b"+34.068930-118.445127".len();
/// Farthest north and south, in degrees: some of those that herd is compared with map the world as a Mercator square.
const LATITUDE_MAX: f64 = 85.0;
/// From the middle of a town to its edge: 50 km.
const TOWN_DEGREES: f64 = 0.45;
/// What IDs begin with, as far as there is room.
const PREFIX: &[u8] = b"load-";
/// Digits of a time: `1520023934.918963997`.
const SECONDS_DIGITS: usize = 10;
const NANOS_DIGITS: usize = 9;
const NANOS: u64 = 1_000_000_000;

/// Who they are and what they send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrowdPlan {
    /// How many clients, at least 1.
    pub(crate) clients: u32,
    /// Length of their IDs; at least [`id_bytes_min`] of their number.
    pub(crate) id_bytes: usize,
    /// Of 100 requests so many are questions.
    pub(crate) questions_percent: u8,
    /// How far around in kilometres and how many they ask for.
    pub(crate) question: (u32, u8),
    /// Where they are about; all over the globe if nowhere.
    pub(crate) around: Option<Position>,
    /// What all chance follows from.
    pub(crate) seed: u64,
    /// One report of each client after the other rather than by chance.
    pub(crate) is_in_order: bool,
}

/// Digits that tell so many clients apart.
pub(crate) fn id_bytes_min(clients: u32) -> usize {
    clients.saturating_sub(1).checked_ilog10().map_or(1, |digits| digits as usize + 1)
}

/// The part of the clients that one worker speaks for.
#[derive(Debug)]
pub(super) struct Crowd {
    plan: CrowdPlan,
    chance: fastrand::Rng,
    /// Digits of an ID that tell its client.
    digits: usize,
    mine: Range<u32>,
    next: u32,
    places: Arc<[[u8; PLACE_BYTES]]>,
    report: Vec<u8>,
    question: Vec<u8>,
    /// Time of the latest report.
    latest: u64,
    second: u64,
}

impl Crowd {
    /// The clients of worker `nth` of `of`.
    pub(super) fn new(plan: CrowdPlan, nth: u32, of: u32) -> Self {
        let share = |nth: u32| {
            let bound = u64::from(plan.clients) * u64::from(nth) / u64::from(of.max(1));
            u32::try_from(bound).unwrap_or(u32::MAX)
        };
        let mine = share(nth)..share(nth + 1);
        let padding = "0".repeat(plan.id_bytes);
        let place = "+".repeat(PLACE_BYTES);
        let time = format!("{:0SECONDS_DIGITS$}.{:0NANOS_DIGITS$}", 0, 0);
        let (radius_km, bound) = plan.question;
        let mut crowd = Self {
            plan,
            // Spread by an odd constant (2^64 over the golden ratio), so that no two workers draw alike.
            chance: fastrand::Rng::with_seed(plan.seed ^ u64::from(nth).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            digits: id_bytes_min(plan.clients),
            next: mine.start,
            mine,
            places: places(plan.seed, plan.around),
            report: format!("IAMAT {padding} {place} {time}\n").into_bytes(),
            question: format!("WHATSAT {padding} {radius_km} {bound}\n").into_bytes(),
            latest: 0,
            second: u64::MAX,
        };
        for (line, command) in [(&mut crowd.report, "IAMAT "), (&mut crowd.question, "WHATSAT ")] {
            let room = plan.id_bytes.saturating_sub(crowd.digits);
            let prefix = PREFIX.get(..room).unwrap_or(PREFIX);
            line[command.len()..command.len() + prefix.len()].copy_from_slice(prefix);
        }
        crowd
    }

    /// Appends the next request, to be sent at `due` of the run, which is `clock` by the wall.
    pub(super) fn ask(&mut self, out: &mut Vec<u8>, due: u64, clock: u64) -> Asked {
        let client = self.client();
        let is_question =
            self.plan.questions_percent > 0 && self.chance.u8(..100) < self.plan.questions_percent;
        // Copied first and changed there: to read what has only just been written in other pieces makes a processor wait.
        let start = out.len();
        if is_question {
            out.extend_from_slice(&self.question);
            let id_end = start + "WHATSAT ".len() + self.plan.id_bytes;
            fill(&mut out[id_end - self.digits..id_end], client.into());
            return Asked { due, time: 0, what: client, place: 0, is_question };
        }
        let time = clock.max(self.latest + 1);
        self.latest = time;
        let place = self.chance.u16(..) % PLACES;
        let place_at = "IAMAT ".len() + self.plan.id_bytes + 1;
        let nanos_at = place_at + PLACE_BYTES + 1 + SECONDS_DIGITS + 1;
        if time / NANOS != self.second {
            self.second = time / NANOS;
            fill(&mut self.report[nanos_at - 1 - SECONDS_DIGITS..nanos_at - 1], self.second);
        }
        out.extend_from_slice(&self.report);
        let line = &mut out[start..];
        fill(&mut line[place_at - 1 - self.digits..place_at - 1], client.into());
        line[place_at..place_at + PLACE_BYTES].copy_from_slice(&self.places[usize::from(place)]);
        fill(&mut line[nanos_at..nanos_at + NANOS_DIGITS], time % NANOS);
        Asked { due, time, what: client, place, is_question }
    }

    /// Whether `line` (without its LF) tells the report of `asked`; of a question, whether it tells one of that client.
    pub(super) fn is_answered_by(&self, asked: &Asked, line: &[u8]) -> bool {
        let Some((_, words)) = told(line) else { return false };
        let mut digits = [0; NANOS_DIGITS + 1 + SECONDS_DIGITS];
        let id = "IAMAT ".len().."IAMAT ".len() + self.plan.id_bytes;
        let mut expected = self.report[id].to_vec();
        let end = expected.len();
        fill(&mut expected[end - self.digits..], asked.what.into());
        expected.push(b' ');
        if asked.is_question {
            return words.starts_with(&expected);
        }
        expected.extend_from_slice(&self.places[usize::from(asked.place)]);
        expected.push(b' ');
        let (seconds, nanos) = digits.split_at_mut(SECONDS_DIGITS);
        fill(seconds, asked.time / NANOS);
        nanos[0] = b'.';
        fill(&mut nanos[1..], asked.time % NANOS);
        expected.extend_from_slice(&digits);
        words == expected
    }

    fn client(&mut self) -> u32 {
        if !self.plan.is_in_order {
            return self.chance.u32(self.mine.clone());
        }
        let client = self.next;
        self.next = if client + 1 < self.mine.end { client + 1 } else { self.mine.start };
        client
    }
}

/// Places spread evenly over the globe between the poles' circles, or about a middle.
fn places(seed: u64, around: Option<Position>) -> Arc<[[u8; PLACE_BYTES]]> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let height = LATITUDE_MAX.to_radians().sin();
    let mut anywhere =
        || ((height * (2.0 * chance.f64() - 1.0)).asin().to_degrees(), 360.0 * chance.f64() - 180.0);
    let place = |_| {
        let (latitude, longitude) = match around {
            None => anywhere(),
            Some(middle) => about(middle, anywhere()),
        };
        let text = format!("{latitude:+010.6}{longitude:+011.6}");
        // Always as long: the widths above.
        <[u8; PLACE_BYTES]>::try_from(text.as_bytes()).unwrap_or(*b"+34.068930-118.445127")
    };
    (0..PLACES).map(place).collect()
}

/// The globe, shrunk to a town about `middle`.
fn about(middle: Position, (latitude, longitude): (f64, f64)) -> (f64, f64) {
    let (north, east) = (latitude / LATITUDE_MAX * TOWN_DEGREES, longitude / 180.0 * TOWN_DEGREES);
    let stretch = middle.latitude().to_radians().cos().max(0.01);
    let latitude = (middle.latitude() + north).clamp(-90.0, 90.0);
    (latitude, (middle.longitude() + east / stretch).clamp(-180.0, 180.0))
}

#[cfg(test)]
mod tests {
    use herd_core::{
        command::{Command, QuestionLimits},
        position::Location,
        wire::line,
    };
    use proptest::prelude::*;

    use super::*;

    const LIMITS: QuestionLimits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };

    fn plan(clients: u32, id_bytes: usize) -> CrowdPlan {
        CrowdPlan {
            clients,
            id_bytes,
            questions_percent: 30,
            question: (10, 5),
            around: None,
            seed: 1,
            is_in_order: false,
        }
    }

    proptest! {
        #[test]
        fn every_request_is_a_command_and_its_reply_is_right(
            clients in 1_u32.., spare in 0_usize..40, clock in 0_u64..9_000_000_000_000_000_000,
        ) {
            let mut crowd = Crowd::new(plan(clients, id_bytes_min(clients) + spare), 0, 1);
            let mut latest = 0;
            for _ in 0..20 {
                let mut out = Vec::new();
                let asked = crowd.ask(&mut out, 0, clock);
                prop_assert_eq!(out.pop(), Some(b'\n'));
                match line::parse(&out, &LIMITS) {
                    Command::Iamat(iamat) => {
                        prop_assert!(iamat.time.at().as_nanos() > latest);
                        latest = iamat.time.at().as_nanos();
                        let (client, at, time) = (iamat.client.as_bytes(), iamat.location.text(), iamat.time.text());
                        prop_assert_eq!(client.len(), crowd.plan.id_bytes);
                        let mut reply = Vec::new();
                        line::print_at(&mut reply, "S", -5, client, at, time);
                        reply.pop();
                        prop_assert!(crowd.is_answered_by(&asked, &reply));
                        for end in 0..reply.len() {
                            prop_assert!(!crowd.is_answered_by(&asked, &reply[..end]));
                        }
                        reply.push(b'0');
                        prop_assert!(!crowd.is_answered_by(&asked, &reply));
                    }
                    Command::Whatsat(whatsat) => {
                        let mut reply = Vec::new();
                        line::print_at(&mut reply, "S", 5, whatsat.client.as_bytes(), b"+1+1", b"5");
                        prop_assert!(asked.is_question && crowd.is_answered_by(&asked, &reply));
                        prop_assert!(!crowd.is_answered_by(&asked, b"AT S +0.000000000 other +1+1 5"));
                    }
                    Command::Invalid => prop_assert!(false, "{}", String::from_utf8_lossy(&out)),
                }
            }
        }
    }

    #[test]
    fn a_town_is_about_its_middle() {
        for (latitude, longitude) in [(34.07, -118.44), (-89.9, 0.0), (0.0, 179.9)] {
            let middle = Position::new(latitude, longitude).unwrap();
            for place in places(1, Some(middle)).iter() {
                let there = Location::parse(place).unwrap().position();
                assert!(middle.distance_m(there) < 75_000.0, "{}", String::from_utf8_lossy(place));
            }
        }
    }

    #[test]
    fn workers_share_no_client_and_leave_none_out() {
        let mut seen = Vec::new();
        for nth in 0..3 {
            let all = CrowdPlan { is_in_order: true, questions_percent: 0, ..plan(100, 20) };
            let mut crowd = Crowd::new(all, nth, 3);
            seen.extend((0..crowd.mine.len()).map(|_| crowd.ask(&mut Vec::new(), 0, 0).what));
        }
        assert_eq!(seen, (0..100).collect::<Vec<u32>>());
    }
}
