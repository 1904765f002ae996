//! A place index, however damaged: it is refused, or answers in Google's format within the bounds that were asked for.
//!
//! Input: latitude and longitude in degrees (two bytes), radius, bound, then the index without its checksum.
#![cfg_attr(fuzzing, no_main)]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use herd::nearby::embedded::Embedded;
use herd_core::{command::Question, position::Location};
use xxhash_rust::xxh3::xxh3_64;

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

pub(crate) fn check(input: &[u8]) {
    let [latitude, longitude, radius, bound, index @ ..] = input else { return };
    // Without its own checksum it is refused at the latest for that.
    assert!(Embedded::from_bytes(index.to_vec()).is_err() || index.ends_with(&sum(index)));
    let Ok(places) = Embedded::from_bytes([index, &xxh3_64(index).to_le_bytes()].concat()) else { return };
    let latitude = i16::from(latitude.cast_signed()).clamp(-90, 90);
    let longitude = i16::from(longitude.cast_signed());
    let text = format!("{latitude:+03}{longitude:+04}");
    let position = Location::parse(text.as_bytes()).unwrap().position();
    let question = Question { radius_km: f64::from(radius % 51), bound: bound % 21 };
    let answer = pin!(places.answer(position, question));
    let Poll::Ready(answer) = answer.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("an index in memory waits for nothing");
    };
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let results = answer["results"].as_array().unwrap().len();
    assert!(results <= usize::from(question.bound), "more places than asked for");
    assert!(matches!(answer["status"].as_str(), Some("OK" | "ZERO_RESULTS")));
}

/// The checksum that an index has at its end.
fn sum(index: &[u8]) -> [u8; 8] {
    xxh3_64(&index[..index.len().saturating_sub(8)]).to_le_bytes()
}
