//! Laws of the line splitter: how a stream is cut into reads makes no difference.

use herd_core::{
    command::QuestionLimits,
    wire::{
        line,
        lines::{Line, LineSplitter},
    },
};
use proptest::{collection::vec, prelude::*};

/// What was told of a line, and whether that is all of it.
type Told = (Vec<u8>, bool);

fn told(line: Line<'_>) -> Told {
    match line {
        Line::Whole(bytes) => (bytes.to_vec(), true),
        Line::TooLong(head) => (head.to_vec(), false),
    }
}

/// The lines of a stream that is at hand as a whole.
fn reference(stream: &[u8], line_bytes_max: usize) -> Vec<Told> {
    let mut lines: Vec<_> = stream.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let is_whole = |line: &[u8]| line.len() <= line_bytes_max;
    lines.iter().map(|line| (line[..line.len().min(line_bytes_max)].to_vec(), is_whole(line))).collect()
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![3 => Just(b'x'), 1 => Just(b'\n'), 1 => any::<u8>()], 0..200)
}

/// Lines as clients send them, and as they do not.
fn commands() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        6 => "IAMAT [a-z]{1,12} [+-][0-9]{1,2}(\\.[0-9]{1,9})?[+-][0-9]{1,3}(\\.[0-9]{1,9})?/? [0-9]{1,11}(\\.[0-9]{1,10})?\r?",
        2 => "(IAMAT|WHATSAT)?[ \t]{0,2}[a-z+.0-9é]{0,9} {0,2}[0-9+-]{0,5} [0-9]{0,2}\r?\0?",
    ];
    vec(line, 0..12).prop_map(|lines| lines.join("\n").into_bytes())
}

proptest! {
    #[test]
    fn turns_of_any_length_give_the_lines_and_commands_of_a_stream(
        stream in commands(),
        line_bytes_max in 30_usize..90,
        reads in vec(1_usize..200, 1..40),
        turns in vec(1_usize..5, 1..40),
    ) {
        let limits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
        let mut splitter = LineSplitter::new(line_bytes_max);
        let (mut taken, mut rest, mut read) = (Vec::new(), stream.as_slice(), 0);
        let mut turns = turns.iter().cycle();
        for &bytes in reads.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            // What a turn leaves is brought again, with more behind it.
            read = (read + bytes).min(rest.len());
            let split = splitter.split(&rest[..read]);
            let mut ahead = split.lines();
            for _ in 0..*turns.next().unwrap() {
                let Some((line, command)) = line::next(&mut ahead, &limits) else { break };
                prop_assert_eq!(line::command(line, &limits), command);
                taken.push(told(line));
            }
            let left = ahead.unread();
            split.put_back(left);
            rest = &rest[read - left..];
            read = left;
        }
        taken.extend(splitter.finish().lines().map(told));
        prop_assert_eq!(taken, reference(&stream, line_bytes_max));
    }

    #[test]
    fn any_reads_of_a_stream_give_its_lines(
        stream in stream(),
        line_bytes_max in 0_usize..20,
        reads in vec(0_usize..30, 1..40),
    ) {
        let mut splitter = LineSplitter::new(line_bytes_max);
        let mut lines = Vec::new();
        let mut rest = stream.as_slice();
        for &bytes in reads.iter().cycle().take(1000) {
            let (read, after) = rest.split_at(bytes.min(rest.len()));
            rest = after;
            let split = splitter.split(read);
            // All lines of a read at once, as a batch borrows them.
            let batch: Vec<_> = split.lines().collect();
            lines.extend(batch.into_iter().map(told));
        }
        if !rest.is_empty() {
            lines.extend(splitter.split(rest).lines().map(told));
        }
        lines.extend(splitter.finish().lines().map(told));
        prop_assert_eq!(lines, reference(&stream, line_bytes_max));
    }
}
