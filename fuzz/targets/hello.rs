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
        let count = usize::from(count);
        let first = |bytes: &[u8]| bytes[..count.min(bytes.len())].to_vec();
        let unheard = other.said.get(end.passed..).unwrap_or_default();
        let is_made_up = what >> 1 & 3 == 1;
        let bytes = match what >> 1 & 3 {
            0 => first(unheard),
            1 => vec![byte; count],
            2 => first(&end.said),
            _ => Vec::new(),
        };
        end.passed += if is_made_up { 0 } else { count };
        end.hear(&bytes, other);
    }
    assert!(ends.iter().all(|end| end.said.len() <= SAID_BYTES_MAX), "a stranger makes a server talk");
}
