//! Made-up clients that walk, cycle and drive about the world's cities and report where they are.
//!
//! The paths follow from the seed alone, step by step; only the times of the reports come from the clock. The
//! clients of one server share one connection, as phones behind a gateway would.

use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncWriteExt, copy, sink},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

/// Most reports a second of all made-up clients together: a demonstration, not a load test. With more clients
/// than this each reports less often.
const REPORTS_PER_SECOND_MAX: u32 = 10_000;
/// Parts of a round of reports; each is sent at once.
const PARTS: u32 = 20;
/// Time for a server to take a part; after that the connection is made anew.
const SEND_MAX: Duration = Duration::from_secs(5);
/// Wait before a lost server is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Metres in a degree of latitude.
const DEGREE_METRES: f64 = 111_320.0;
/// Distance from the middle of its city at which a client turns back, in metres.
const CITY_RADIUS: f64 = 6_000.0;

/// City and its middle.
const CITIES: [(&str, f64, f64); 24] = [
    ("los-angeles", 34.0689, -118.4451),
    ("new-york", 40.7484, -73.9857),
    ("mexico-city", 19.4326, -99.1332),
    ("bogota", 4.6533, -74.0836),
    ("sao-paulo", -23.5505, -46.6333),
    ("buenos-aires", -34.6037, -58.3816),
    ("london", 51.5074, -0.1278),
    ("paris", 48.8566, 2.3522),
    ("madrid", 40.4168, -3.7038),
    ("berlin", 52.5200, 13.4050),
    ("rome", 41.9028, 12.4964),
    ("istanbul", 41.0082, 28.9784),
    ("cairo", 30.0444, 31.2357),
    ("lagos", 6.5244, 3.3792),
    ("nairobi", -1.2921, 36.8219),
    ("johannesburg", -26.2041, 28.0473),
    ("dubai", 25.2048, 55.2708),
    ("mumbai", 19.0760, 72.8777),
    ("delhi", 28.6139, 77.2090),
    ("bangkok", 13.7563, 100.5018),
    ("singapore", 1.3521, 103.8198),
    ("shanghai", 31.2304, 121.4737),
    ("tokyo", 35.6762, 139.6503),
    ("sydney", -33.8688, 151.2093),
];

/// How someone moves.
#[derive(Debug)]
struct Pace {
    name: &'static str,
    /// Metres a second.
    slowest: f64,
    /// Metres a second.
    fastest: f64,
    /// Most radians that the heading changes in a second.
    turn: f64,
}

const PACES: [Pace; 3] = [
    Pace { name: "walker", slowest: 0.6, fastest: 2.0, turn: 0.6 },
    Pace { name: "cyclist", slowest: 2.5, fastest: 9.0, turn: 0.3 },
    Pace { name: "car", slowest: 3.0, fastest: 30.0, turn: 0.2 },
];

/// What `--demo` and `--seed` ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demo {
    /// How many clients.
    pub(super) clients: u32,
    /// What their paths follow from.
    pub(super) seed: u64,
}

impl Demo {
    /// The ID of a client that the first server hears within about a second; `None` if there is nobody.
    pub(super) fn somebody(self) -> Option<String> {
        (self.clients > 0).then(|| Mover::new(self.seed, 0).id)
    }

    /// Moves the clients, from when the servers' addresses come, for ever. Ends at once if there is nothing to do.
    pub(super) async fn run(self, servers: oneshot::Receiver<Vec<SocketAddr>>) {
        let Ok(servers) = servers.await else { return };
        let mut tasks = JoinSet::new();
        let round =
            Duration::from_secs_f64((f64::from(self.clients) / f64::from(REPORTS_PER_SECOND_MAX)).max(1.0));
        for (nth, &server) in servers.iter().enumerate() {
            let mine = (0..self.clients).skip(nth).step_by(servers.len().max(1));
            let movers: Vec<Mover> = mine.map(|client| Mover::new(self.seed, client)).collect();
            if !movers.is_empty() {
                tasks.spawn(report_for_ever(server, movers, round));
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Moves and reports, a part of the clients at a time; a lost server is tried again without haste.
async fn report_for_ever(server: SocketAddr, mut movers: Vec<Mover>, round: Duration) {
    let mut ticks = interval(round / PARTS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut part = 0;
    loop {
        let Ok(Ok(stream)) = timeout(SEND_MAX, TcpStream::connect(server)).await else {
            sleep(RETRY).await;
            continue;
        };
        let (mut replies, mut commands) = stream.into_split();
        // Replies are read and dropped: a client that never reads is cut.
        let send = async {
            loop {
                ticks.tick().await;
                part = (part + 1) % PARTS as usize;
                let mut lines = String::new();
                for mover in movers.iter_mut().skip(part).step_by(PARTS as usize) {
                    mover.advance(round.as_secs_f64());
                    mover.write_report(&mut lines, SystemTime::now());
                }
                if !matches!(timeout(SEND_MAX, commands.write_all(lines.as_bytes())).await, Ok(Ok(()))) {
                    return;
                }
            }
        };
        let mut nowhere = sink();
        tokio::select! {
            () = send => {}
            _ = copy(&mut replies, &mut nowhere) => {}
        }
        sleep(RETRY).await;
    }
}

/// One made-up client.
#[derive(Debug)]
struct Mover {
    id: String,
    pace: &'static Pace,
    home: (f64, f64),
    /// Metres north and east of home.
    north: f64,
    east: f64,
    /// Radians, clockwise from north.
    heading: f64,
    /// Radians a second.
    turning: f64,
    /// Metres a second.
    speed: f64,
    chance: fastrand::Rng,
}

impl Mover {
    fn new(seed: u64, client: u32) -> Self {
        // Seeds are spread by an odd constant (2^64 over the golden ratio), so that two never share a client's stream.
        let stream = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(client.into());
        let mut chance = fastrand::Rng::with_seed(stream);
        let pace = chance.choice(&PACES).unwrap_or(&PACES[0]);
        let &(city, latitude, longitude) = chance.choice(&CITIES).unwrap_or(&CITIES[0]);
        let within = |chance: &mut fastrand::Rng| (chance.f64() - 0.5) * CITY_RADIUS;
        Self {
            id: format!("{}-{client}.{city}.demo", pace.name),
            pace,
            home: (latitude, longitude),
            north: within(&mut chance),
            east: within(&mut chance),
            heading: chance.f64() * std::f64::consts::TAU,
            turning: 0.0,
            speed: pace.slowest + (pace.fastest - pace.slowest) * chance.f64(),
            chance,
        }
    }

    /// Moves on: speed and turning drift a little, and far from home the heading bends back.
    fn advance(&mut self, seconds: f64) {
        let drift = |chance: &mut fastrand::Rng| (chance.f64() - 0.5) * seconds.min(1.0);
        let pace = self.pace;
        self.speed =
            (self.speed + drift(&mut self.chance) * pace.fastest / 5.0).clamp(pace.slowest, pace.fastest);
        self.turning = (self.turning + drift(&mut self.chance) * pace.turn).clamp(-pace.turn, pace.turn);
        if self.north.hypot(self.east) > CITY_RADIUS {
            let off = (-self.east).atan2(-self.north) - self.heading;
            // The shorter way round to the way home.
            self.turning = off.sin().atan2(off.cos()).clamp(-pace.turn, pace.turn);
        }
        self.heading += self.turning * seconds;
        self.north += self.heading.cos() * self.speed * seconds;
        self.east += self.heading.sin() * self.speed * seconds;
    }

    /// Degrees north and east.
    fn position(&self) -> (f64, f64) {
        let (latitude, longitude) = self.home;
        let east_degree = DEGREE_METRES * latitude.to_radians().cos();
        (latitude + self.north / DEGREE_METRES, longitude + self.east / east_degree)
    }

    fn write_report(&self, to: &mut String, now: SystemTime) {
        let (latitude, longitude) = self.position();
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, nanos) = (now.as_secs(), now.subsec_nanos());
        // Writing to a String cannot fail.
        let _ = writeln!(to, "IAMAT {} {latitude:+010.6}{longitude:+011.6} {seconds}.{nanos:09}", self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(seed: u64, clients: u32, steps: u32) -> String {
        let mut lines = String::new();
        for client in 0..clients {
            let mut mover = Mover::new(seed, client);
            for step in 0..steps {
                mover.advance(1.0);
                mover.write_report(&mut lines, UNIX_EPOCH + Duration::from_secs(step.into()));
            }
        }
        lines
    }

    #[test]
    fn paths_follow_from_the_seed() {
        assert_eq!(reports(1, 20, 50), reports(1, 20, 50));
        assert_ne!(reports(1, 20, 50), reports(2, 20, 50));
    }

    #[test]
    fn somebody_is_one_who_reports() {
        let somebody = Demo { clients: 3, seed: 5 }.somebody().unwrap();
        assert!(reports(5, 3, 1).starts_with(&format!("IAMAT {somebody} ")));
        assert_eq!(Demo { clients: 0, seed: 5 }.somebody(), None);
    }

    #[test]
    fn nobody_leaps_turns_on_the_spot_or_leaves_town() {
        for client in 0..60 {
            let mut mover = Mover::new(7, client);
            for step in 0..3600 {
                let (before, heading) = ((mover.north, mover.east), mover.heading);
                mover.advance(1.0);
                let speed = (mover.north - before.0).hypot(mover.east - before.1);
                let pace = mover.pace;
                assert!(
                    (pace.slowest - 1e-6..=pace.fastest + 1e-6).contains(&speed),
                    "{mover:?} at {step}: {speed}"
                );
                assert!((mover.heading - heading).abs() <= pace.turn + 1e-9, "{mover:?} at {step}");
                assert!(mover.north.hypot(mover.east) < CITY_RADIUS * 1.2, "{mover:?} at {step}");
            }
        }
    }

    #[test]
    fn a_report_has_the_width_that_the_grammar_asks_for() {
        for line in reports(3, 200, 2).lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            assert_eq!((fields.len(), fields[0]), (4, "IAMAT"));
            assert_eq!(fields[2].len(), "+34.068930-118.445127".len(), "{line}");
            assert!(fields[2][10..].starts_with(['+', '-']), "{line}");
        }
    }
}
