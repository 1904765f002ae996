//! The transcripts against the grammar and the plainest table that obeys the rule of which report wins. What passes
//! here and fails elsewhere is not the grammar's fault.

use std::{collections::HashMap, time::Duration};

use herd_core::{
    command::{Command, Iamat},
    limits::FUTURE_TOLERANCE,
    time::Timestamp,
    wire::{
        line,
        lines::{Line, LineSplitter},
    },
};

use crate::transcript::{self, Settings, Transport};

/// One server without neighbours: per client the order time, the time of receipt and the AT line.
struct Model {
    settings: Settings,
    reports: HashMap<Vec<u8>, (Timestamp, Timestamp, Vec<u8>)>,
}

impl Model {
    fn answer(&mut self, clock: Timestamp, line: &[u8], out: &mut Vec<u8>) {
        match line::parse(line, &self.settings.limits()) {
            Command::Iamat(iamat) => out.extend(self.take(clock, iamat)),
            Command::Whatsat(whatsat) if self.settings.transport == Transport::Tcp => {
                match self.reports.get(whatsat.client.as_bytes()) {
                    Some((_, _, at_line)) => out.extend(at_line),
                    None => line::print_refusal(out, line),
                }
            }
            Command::Whatsat(_) | Command::Invalid => line::print_refusal(out, line),
        }
    }

    fn take(&mut self, clock: Timestamp, iamat: Iamat<'_>) -> Vec<u8> {
        let mut at_line = Vec::new();
        let skew = clock.nanos_since(iamat.time.at());
        let (client, location, time) = (iamat.client.as_bytes(), iamat.location.text(), iamat.time.text());
        line::print_at(&mut at_line, "Goloman", skew, client, location, time);
        let order = iamat.time.at().min(clock.later(FUTURE_TOLERANCE));
        let is_news = self.reports.get(client).is_none_or(|held| (order, clock) > (held.0, held.1));
        if is_news {
            self.reports.insert(client.to_vec(), (order, clock, at_line.clone()));
        }
        at_line
    }
}

#[test]
fn the_grammar_speaks_every_transcript_in_pieces_of_any_size() {
    assert_eq!(FUTURE_TOLERANCE, Duration::from_secs(60), "stale.txt counts on it");
    for transcript in transcript::all() {
        for piece_bytes in [usize::MAX, 1, 2, 7, 33, 100] {
            let mut model = Model { settings: transcript.settings, reports: HashMap::new() };
            let mut splitter = LineSplitter::new(transcript.settings.line_bytes_max);
            transcript.run(|clock, sent| {
                let mut out = Vec::new();
                let mut answer = |line: Line<'_>| match line {
                    Line::Whole(line) => model.answer(clock, line, &mut out),
                    Line::TooLong(head) => line::print_refusal_of_cut(&mut out, head),
                };
                for piece in sent.chunks(piece_bytes) {
                    splitter.split(piece).lines().for_each(&mut answer);
                }
                splitter.finish().lines().for_each(&mut answer);
                out
            });
        }
    }
}
