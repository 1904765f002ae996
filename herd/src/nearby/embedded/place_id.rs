//! Place IDs in Google's shape: 27 characters, always the same ones for the same place, and traceable to it.
//!
//! Google's are base64url of the bytes `0a 12 09`, eight bytes, `11`, eight bytes. Ours hold the place's key, mixed so that
//! neighbours look nothing alike, and a check derived from it.

use super::place::PlaceKey;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Keeps our second halves apart from the first ones: "herd" in ASCII, twice.
const CHECK: u64 = 0x6865_7264_6865_7264;

/// Appends the ID of a place.
pub(crate) fn print_place_id(key: PlaceKey, out: &mut Vec<u8>) {
    let mixed = mix(key.to_bits());
    // One byte more than there is to tell: the last letter stands for nothing.
    let mut bytes = [0; 21];
    bytes[..3].copy_from_slice(&[0x0a, 0x12, 0x09]);
    bytes[3..11].copy_from_slice(&mixed.to_le_bytes());
    bytes[11] = 0x11;
    bytes[12..20].copy_from_slice(&mix(mixed ^ CHECK).to_le_bytes());
    let [letters @ .., _] = base64url(&bytes);
    out.extend_from_slice(&letters);
}

/// A one-to-one scrambling of 64 bits (the finaliser of splitmix64).
const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn base64url(bytes: &[u8; 21]) -> [u8; 28] {
    let mut text = [b'A'; 28];
    for (chunk, letters) in bytes.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | usize::from(*byte));
        for (number, letter) in letters.iter_mut().enumerate() {
            *letter = ALPHABET.get(word >> (18 - 6 * number) & 63).copied().unwrap_or(b'A');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nearby::embedded::place::Source;

    /// The inverse of `mix`.
    fn unmix(bits: u64) -> u64 {
        let bits = bits ^ (bits >> 31) ^ (bits >> 62);
        let bits = bits.wrapping_mul(0x3196_42b2_d24d_8ec3);
        let bits = bits ^ (bits >> 27) ^ (bits >> 54);
        let bits = bits.wrapping_mul(0x96de_1b17_3f11_9089);
        bits ^ (bits >> 30) ^ (bits >> 60)
    }

    proptest! {
        #[test]
        fn an_id_has_googles_shape_and_tells_its_place(id in 0..1i64 << 59) {
            let key = PlaceKey::new(Source::OsmWay, id);
            let mut text = Vec::new();
            print_place_id(key, &mut text);
            prop_assert_eq!(text.len(), 27);
            prop_assert!(text.starts_with(b"ChIJ"));
            let sixes = text.iter().map(|c| ALPHABET.iter().position(|a| a == c).unwrap());
            let bits: Vec<usize> = sixes.flat_map(|six| (0..6).rev().map(move |bit| six >> bit & 1)).collect();
            let bytes: Vec<u8> =
                bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit == 1))).collect();
            prop_assert_eq!(&bytes[..3], [0x0a, 0x12, 0x09]);
            prop_assert_eq!(bytes[11], 0x11);
            let mixed = u64::from_le_bytes(bytes[3..11].try_into().unwrap());
            prop_assert_eq!(PlaceKey::from_bits(unmix(mixed)), key);
        }
    }
}
