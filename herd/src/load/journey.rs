//! Recorded tracks as requests: each point with its own time and place, a client's points in order on one connection.

use std::{collections::VecDeque, sync::Arc};

use super::{
    replies::told,
    source::Asked,
    track::{Point, Tracks},
};

/// The part of the tracks that one worker sends.
#[derive(Debug)]
pub(super) struct Journey {
    tracks: Arc<Tracks>,
    /// Points that each connection is to send.
    queues: Vec<VecDeque<u32>>,
}

impl Journey {
    /// What worker `nth` of `of` sends over so many connections.
    pub(super) fn new(tracks: &Arc<Tracks>, nth: u32, of: u32, connections: usize) -> Self {
        let mut queues = vec![VecDeque::new(); connections];
        for (index, _, connection) in mine(tracks, nth, of, connections) {
            if let Some(queue) = queues.get_mut(connection) {
                queue.push_back(index);
            }
        }
        Self { tracks: Arc::clone(tracks), queues }
    }

    /// How many points are left.
    pub(super) fn left(&self) -> u64 {
        self.queues.iter().map(|queue| queue.len() as u64).sum()
    }

    pub(super) fn ask(&mut self, nth: usize, out: &mut Vec<u8>, due: u64) -> Option<Asked> {
        let index = self.queues.get_mut(nth)?.pop_front()?;
        out.extend_from_slice(self.line(index)?);
        Some(Asked { due, time: 0, what: index, place: 0, is_question: false })
    }

    pub(super) fn is_answered_by(&self, asked: &Asked, line: &[u8]) -> bool {
        let sent = self.line(asked.what).and_then(|line| line.strip_prefix(b"IAMAT "));
        told(line).is_some_and(|(_, words)| sent.and_then(|sent| sent.strip_suffix(b"\n")) == Some(words))
    }

    pub(super) fn give_up(&mut self, nth: usize) -> u64 {
        self.queues.get_mut(nth).map_or(0, |queue| std::mem::take(queue).len() as u64)
    }

    fn line(&self, index: u32) -> Option<&[u8]> {
        self.tracks.points().get(usize::try_from(index).ok()?).map(|point| self.tracks.line(point))
    }
}

/// When each of a worker's requests is due if the tracks go on `speed` times as fast as they did, in nanoseconds, and
/// the connection that it is for.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "to a microsecond in 285 years"
)]
pub(super) fn timetable(
    tracks: &Tracks,
    speed: f64,
    nth: u32,
    of: u32,
    connections: usize,
) -> Vec<(u64, usize)> {
    let first = tracks.points().first().map_or(0, |point| point.at);
    let due = |point: &Point| ((point.at - first) as f64 / speed) as u64;
    mine(tracks, nth, of, connections).map(|(_, point, connection)| (due(point), connection)).collect()
}

/// The points of worker `nth` of `of` in order of time, with the connection of each.
fn mine(
    tracks: &Tracks,
    nth: u32,
    of: u32,
    connections: usize,
) -> impl Iterator<Item = (u32, &Point, usize)> {
    let own = (0..).zip(tracks.points()).filter(move |(_, point)| point.client % of == nth);
    own.map(move |(index, point)| (index, point, (point.client / of) as usize % connections.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_points_stay_in_order_on_one_connection() {
        let mut tracks = Tracks::default();
        for second in 0..40_u64 {
            let client = tracks.client(&format!("c{}", second % 5));
            tracks.add(client, herd_core::time::Timestamp::from_nanos(second * 1_000_000_000), (1.5, -2.0));
        }
        tracks.sort();
        let tracks = Arc::new(tracks);
        let mut seen = 0;
        for worker in 0..2 {
            let mut journey = Journey::new(&tracks, worker, 2, 2);
            let times = timetable(&tracks, 2.0, worker, 2, 2);
            assert_eq!(journey.left(), times.len() as u64);
            let mut latest = [0; 5];
            for (due, connection) in times {
                let mut line = Vec::new();
                let asked = journey.ask(connection, &mut line, due).unwrap();
                let second = 2 * due / 1_000_000_000;
                let client = usize::try_from(second % 5).unwrap();
                assert_eq!(String::from_utf8(line).unwrap(), format!("IAMAT c{client} +1.5-2 {second}\n"));
                let reply = format!("AT S +0.000000001 c{client} +1.5-2 {second}");
                assert!(journey.is_answered_by(&asked, reply.as_bytes()));
                assert!(!journey.is_answered_by(&asked, b"AT S +0.000000001 c9 +1.5-2 5"));
                assert!(second >= latest[client]);
                latest[client] = second;
                seen += 1;
            }
            assert_eq!(journey.left(), 0);
        }
        assert_eq!(seen, 40);
    }
}
