//! A key blotted out of what a provider sent, however it wrote it: plain, JSON-escaped or percent-encoded.
//!
//! The one thing to know: this happens before anybody else sees the bytes, so that nothing behind has to care.

/// What stands in a key's place.
const BLOT: &[u8] = b"***";

/// How a text may be written.
#[derive(Clone, Copy)]
enum Writing {
    /// Plain, or within a JSON string.
    Json,
    /// Within a URL, which may itself be within a JSON string.
    Url,
}

/// The same text without the key, which is not empty.
pub(super) fn redacted(text: Vec<u8>, key: &[u8]) -> Vec<u8> {
    let Some(&first) = key.first() else { return text };
    let length_at = |at: usize| {
        let rest = text.get(at..)?;
        let may_begin = rest.first().is_some_and(|&byte| byte == first || byte == b'\\' || byte == b'%');
        let writings = [Writing::Json, Writing::Url];
        writings.into_iter().filter(|_| may_begin).find_map(|writing| key_length(rest, key, writing))
    };
    let mut clean = Vec::new();
    let (mut at, mut copied) = (0, 0);
    while at < text.len() {
        match length_at(at) {
            Some(length) => {
                clean.extend_from_slice(text.get(copied..at).unwrap_or_default());
                clean.extend_from_slice(BLOT);
                at += length;
                copied = at;
            }
            None => at += 1,
        }
    }
    if copied == 0 {
        return text;
    }
    clean.extend_from_slice(text.get(copied..).unwrap_or_default());
    clean
}

/// How many bytes the key takes at the start of `text`, if it stands there.
fn key_length(text: &[u8], key: &[u8], writing: Writing) -> Option<usize> {
    key.iter().try_fold(0, |at, &expected| {
        let (byte, length) = character(text.get(at..)?, writing)?;
        (byte == expected).then_some(at + length)
    })
}

/// The ASCII character at the start of `text`, and the bytes that it takes.
fn character(text: &[u8], writing: Writing) -> Option<(u8, usize)> {
    let (first, length) = json_character(text)?;
    if first != b'%' || matches!(writing, Writing::Json) {
        return Some((first, length));
    }
    // The digits may be escaped too.
    let (high, high_length) = json_character(text.get(length..)?)?;
    let (low, low_length) = json_character(text.get(length + high_length..)?)?;
    Some((hexadecimal(&[high, low])?, length + high_length + low_length))
}

fn json_character(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', b'u', digits @ ..] => Some((hexadecimal(digits.get(..4)?)?, 6)),
        [b'\\', escaped @ (b'/' | b'"' | b'\\'), ..] => Some((*escaped, 2)),
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

/// `None` for what is no number, or beyond a byte.
fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let value =
        digits.iter().try_fold(0u32, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, key: &str, expected: &str) {
        let clean = redacted(text.as_bytes().to_vec(), key.as_bytes());
        assert_eq!(String::from_utf8(clean).unwrap(), expected);
    }

    #[test]
    fn a_key_is_blotted_out_however_it_is_written() {
        let key = "AIza-b/c%2Fd=";
        check("key AIza-b/c%2Fd=, again AIza-b/c%2Fd=", key, "key ***, again ***");
        check(r#"{"m":"AIza-b\/c%2Fd\u003d"}"#, key, r#"{"m":"***"}"#);
        check(r#"{"m":"\u0041Iza\u002Db\u002fc%2Fd="}"#, key, r#"{"m":"***"}"#);
        check("?key=AIza-b%2Fc%252Fd%3d&x", key, "?key=***&x");
        check(r"?key=AIza-b\u00252Fc%25\u0032Fd%\u0033D&x", key, "?key=***&x");
        check(r"?key=AIza\u002db%2fc%252Fd%3D&x", key, "?key=***&x");
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for text in
            ["", "AIza", "AIza-b/c%2Fd", "AIza-b/c%2Fd\\", "%", "%4", "\\u00", "\\", "AIAIza%2", "é%zz"]
        {
            check(text, "AIza-b/c%2Fd=", text);
        }
        check("AAAB", "AAB", "A***");
    }
}
