//! The line protocol: any stream, cut into reads anyhow, gives its lines; each of them is answered with its own words.
//!
//! Input: the longest line in bytes, the bytes of a read, then the stream.
#![cfg_attr(fuzzing, no_main)]

use herd_core::{
    command::{Command, QuestionLimits},
    report::Sighting,
    server::{Name, ServerIndex},
    time::Timestamp,
    wire::{
        line,
        lines::{Line, LineSplitter},
        record::{self, Receipt, Record},
    },
};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

const LIMITS: QuestionLimits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };

pub(crate) fn check(input: &[u8]) {
    let [line_bytes_max, read_bytes, stream @ ..] = input else { return };
    let line_bytes_max = usize::from(*line_bytes_max);
    let told = |line: Line<'_>| match line {
        Line::Whole(bytes) => (bytes.to_vec(), true),
        Line::TooLong(head) => (head.to_vec(), false),
    };
    let mut splitter = LineSplitter::new(line_bytes_max);
    let mut lines = Vec::new();
    for read in stream.chunks(usize::from(*read_bytes).max(1)) {
        let split = splitter.split(read);
        let mut ahead = split.lines();
        while let Some((line, command)) = line::next(&mut ahead, &LIMITS) {
            assert_eq!(line::command(line, &LIMITS), command);
            lines.push(told(line));
        }
    }
    lines.extend(splitter.finish().lines().map(told));
    let sent =
        stream.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    let cut = |line: &[u8]| (line[..line.len().min(line_bytes_max)].to_vec(), line.len() <= line_bytes_max);
    assert_eq!(lines, sent.map(cut).collect::<Vec<_>>());
    lines.iter().for_each(|(line, _)| check_line(line));
}

fn check_line(line: &[u8]) {
    let mut reply = Vec::new();
    match line::parse(line, &LIMITS) {
        Command::Iamat(iamat) => {
            let words = [iamat.client.as_bytes(), iamat.location.text(), iamat.time.text()].join(&b' ');
            assert_eq!(line::parse(&[b"IAMAT ", words.as_slice()].concat(), &LIMITS), Command::Iamat(iamat));
            let at = Timestamp::from_nanos(7);
            let mut bytes = Vec::new();
            let server = ServerIndex::from_bits(0);
            record::encode(&mut bytes, &iamat, Receipt { server, received_at: at, order_time: at });
            Sighting::of(&Record::decode(&bytes).unwrap(), Name::new("Fuzz").unwrap()).print(&mut reply);
            assert!(reply.ends_with(&[b" ", words.as_slice(), b"\n"].concat()), "other words than sent");
        }
        Command::Whatsat(whatsat) => {
            assert!((0.0..=50.0).contains(&whatsat.question.radius_km) && whatsat.question.bound <= 20);
        }
        Command::Invalid => {
            line::print_refusal(&mut reply, line);
            assert_eq!(reply, [b"? ", line::copy_of(line), b"\n"].concat());
        }
    }
}
