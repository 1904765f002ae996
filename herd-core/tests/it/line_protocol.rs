//! The transcripts against a bare node: what the line protocol promises without sockets, neighbours and providers.

use std::iter;

use herd_core::{
    command::Command,
    node::{Answer, Node, NodeSettings},
    secret::HerdKey,
    server::Name,
    time::Timestamp,
    wire::{
        line,
        lines::{Line, LineSplitter, Split},
    },
};

use crate::transcript::{self, Settings, Transport};

struct Server {
    settings: Settings,
    node: Node,
}

impl Server {
    fn new(settings: Settings) -> Self {
        let name = |text| Name::new(text).unwrap();
        let herd_key = HerdKey::derive(&name("goloman"), None);
        Self { settings, node: Node::new(NodeSettings::new(name("Goloman"), 1, 2, herd_key)) }
    }

    /// Replies to the lines of one read, as one batch.
    fn answer(&self, clock: Timestamp, split: &Split<'_>, out: &mut Vec<u8>) {
        let (mut ahead, limits) = (split.lines(), self.settings.limits());
        let read = iter::from_fn(|| line::next(&mut ahead, &limits));
        let (lines, commands): (Vec<_>, Vec<_>) =
            read.map(|(line, command)| (line, self.taken(command))).unzip();
        let mut answers = Vec::new();
        let _ = self.node.apply(&commands, clock, &mut answers);
        assert_eq!(answers.len(), lines.len());
        for ((line, command), answer) in lines.into_iter().zip(commands).zip(answers) {
            match (line, command, answer) {
                (Line::TooLong(head), ..) => line::print_refusal_of_cut(out, head),
                (_, Command::Iamat(iamat), Answer::Taken { skew_nanos }) => {
                    line::print_reply(out, "Goloman", skew_nanos, &iamat);
                }
                (_, _, Answer::Found(sighting)) => sighting.print(out),
                (Line::Whole(line), ..) => line::print_refusal(out, line),
            }
        }
    }

    fn taken<'a>(&self, command: Command<'a>) -> Command<'a> {
        match command {
            // What a UDP front-end does.
            Command::Whatsat(_) if self.settings.transport == Transport::Udp => Command::Invalid,
            command @ (Command::Iamat(_) | Command::Whatsat(_) | Command::Invalid) => command,
        }
    }
}

#[test]
fn a_bare_node_speaks_every_transcript_in_reads_of_any_size() {
    for transcript in transcript::all() {
        for read_bytes in [usize::MAX, 1, 2, 7, 33, 100] {
            let server = Server::new(transcript.settings);
            let mut splitter = LineSplitter::new(transcript.settings.line_bytes_max);
            transcript.run(|clock, sent| {
                let mut out = Vec::new();
                for read in sent.chunks(read_bytes) {
                    server.answer(clock, &splitter.split(read), &mut out);
                }
                server.answer(clock, &splitter.finish(), &mut out);
                out
            });
        }
    }
}
