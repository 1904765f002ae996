//! A node beside a slow model of one: whatever it is told in whatever order, both hold the same and say the same.
//!
//! Input: lines. `+9` and `-9` move the clock by seconds, `#` sweeps, `=` compares, `B9 IAMAT ...` merges what server B
//! took at 9 s, `~...` merges raw records, `>9` reads the log from the ninth record on; an empty line ends a batch of
//! commands, which is what all other lines are.
#![cfg_attr(fuzzing, no_main)]

mod model;

use herd_core::{
    command::{Command, QuestionLimits},
    time::Timestamp,
    wire::line,
};

use model::Pair;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

const SECOND: u64 = 1_000_000_000;

pub(crate) fn check(input: &[u8]) {
    let limits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
    let mut pair = Pair::new();
    let mut clock: u64 = 1000 * SECOND;
    let mut batch: Vec<Command<'_>> = Vec::new();
    for text in input.split(|&byte| byte == b'\n') {
        let at = Timestamp::from_nanos(clock);
        let is_command = matches!(text, [b'I' | b'W', ..]);
        if !is_command && !batch.is_empty() {
            pair.apply(&std::mem::take(&mut batch), at);
        }
        match text {
            [] => {}
            [b'+', number @ ..] => clock += leading(number).0 * SECOND,
            [b'-', number @ ..] => clock = clock.saturating_sub(leading(number).0 * SECOND),
            [b'#', ..] => pair.sweep(at),
            [b'=', ..] => pair.compare(),
            [b'>', number @ ..] => pair.read_log(leading(number).0),
            [b'~', records @ ..] => pair.merge(records.to_vec(), usize::from(text.len() % 2 == 0), at),
            [server @ b'A'..=b'C', rest @ ..] => {
                let (received, iamat) = leading(rest);
                if let Command::Iamat(iamat) = line::parse(iamat, &limits) {
                    let server = usize::from(server - b'A');
                    let record = pair.record(&iamat, server, Timestamp::from_nanos(received * SECOND));
                    pair.merge(record, server, at);
                }
            }
            command => batch.push(line::parse(command, &limits)),
        }
    }
    pair.apply(&batch, Timestamp::from_nanos(clock));
    pair.compare();
}

/// The number of up to four digits at the front, and what follows it.
fn leading(text: &[u8]) -> (u64, &[u8]) {
    let digits = text.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    (number.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')), rest)
}
