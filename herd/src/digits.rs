//! Numbers of a fixed width, two digits at a time: requests of a generator and lines of the log are mostly that. And numbers
//! of things, as people read them.

use std::fmt::Display;

const PAIRS: [[u8; 2]; 100] = pairs();

#[expect(clippy::cast_possible_truncation, reason = "below 100")]
const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
}

/// Fills `to` with the last decimal digits of `number`, with zeros in front.
pub(crate) fn fill(to: &mut [u8], mut number: u64) {
    let mut places = to.rchunks_exact_mut(2);
    for place in &mut places {
        place.copy_from_slice(pair(number % 100));
        number /= 100;
    }
    if let [first] = places.into_remainder() {
        *first = pair(number % 10)[1];
    }
}

fn pair(number: u64) -> &'static [u8; 2] {
    // Always found: the callers keep it below 100.
    usize::try_from(number).ok().and_then(|number| PAIRS.get(number)).unwrap_or(&PAIRS[0])
}

/// A number of things, `what` being one of them.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    if count == N::from(1) { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_fills_its_width(number: u64, width in 0_usize..30) {
            let mut text = vec![b'x'; width];
            fill(&mut text, number);
            let padded = format!("{number:030}");
            prop_assert_eq!(text, &padded.as_bytes()[30 - width..]);
        }
    }
}
