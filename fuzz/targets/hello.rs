//! Handshakes: whoever sits between two servers and passes on, drops, repeats or makes up bytes convinces neither of
//! anything but what the other said.
//!
//! Input: three bytes a step: whom it is about and what happens, how many bytes, and one of them.
#![cfg_attr(fuzzing, no_main)]

mod end;

use end::End;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

/// More than a hello, a proof and a refusal.
const SAID_BYTES_MAX: usize = 256;

pub(crate) fn check(input: &[u8]) {
    let mut ends = [End::dialler("A", "B"), End::acceptor("B")];
    for &[what, count, byte] in input.as_chunks::<3>().0 {
        ends.iter_mut().for_each(End::speak);
        let [a, b] = &mut ends;
        let (end, other) = if what & 1 == 0 { (a, b) } else { (b, a) };
        let first = |bytes: &[u8]| bytes[..bytes.len().min(usize::from(count))].to_vec();
        let next = first(&other.said[end.passed..]);
        if what >> 1 & 3 != 1 {
            end.passed += next.len();
        }
        let bytes = match what >> 1 & 3 {
            0 => next,
            1 => vec![byte; usize::from(count)],
            2 => first(&end.said),
            _ => Vec::new(),
        };
        end.hear(&bytes, other);
    }
    assert!(ends.iter().all(|end| end.said.len() <= SAID_BYTES_MAX), "a stranger makes a server talk");
}
