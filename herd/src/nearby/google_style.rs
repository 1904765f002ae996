//! JSON as Google's place service prints it, to the byte: sorted keys, three spaces, `"key" : value`.
//!
//! Not a general JSON library: it only prints. Whoever cuts an answer that another service printed splices that
//! service's bytes and does not come here.

mod number;

use std::{collections::BTreeMap, io::Write};

pub(crate) use self::number::print as print_number;

/// Columns of a line that an array of plain values may fill.
const ARRAY_LINE: usize = 74;

/// A JSON value to be printed.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number, printed with up to sixteen significant digits.
    Number(f64),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Self>),
    /// An object; its keys are printed in byte order.
    Object(BTreeMap<String, Self>),
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// An object of these members.
    #[must_use]
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Whether it prints without a line break of its own.
    fn is_plain(&self) -> bool {
        match self {
            Self::Array(items) => items.is_empty(),
            Self::Object(members) => members.is_empty(),
            Self::Null | Self::Flag(_) | Self::Whole(_) | Self::Number(_) | Self::Text(_) => true,
        }
    }
}

/// Prints a whole document, with its final newline.
#[must_use]
pub fn print(value: &Value) -> String {
    let mut out = Vec::new();
    print_at(value, 0, &mut out);
    out.push(b'\n');
    // All that is printed are texts, and ASCII around them.
    String::from_utf8(out).unwrap_or_default()
}

/// The answer that says that there is none: `status` is one of Google's, and `message`, if any, its reason.
#[must_use]
pub fn error_body(status: &str, message: Option<&str>) -> String {
    let members = [
        ("html_attributions", Value::Array(Vec::new())),
        ("results", Value::Array(Vec::new())),
        ("status", Value::text(status)),
    ];
    let message = message.map(|message| ("error_message", Value::text(message)));
    print(&Value::object(members.into_iter().chain(message)))
}

/// The bytes that follow an AT line: each run of newlines as one, none at the end, then two. Idempotent.
#[must_use]
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + 2);
    for &byte in body {
        if byte != b'\n' || framed.last() != Some(&b'\n') {
            framed.push(byte);
        }
    }
    // One is left at most.
    if framed.last() == Some(&b'\n') {
        framed.pop();
    }
    framed.extend(b"\n\n");
    framed
}

/// Appends a value that begins on a line of so many steps of indentation.
pub(crate) fn print_at(value: &Value, depth: usize, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Flag(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Whole(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Number(number) => print_number(*number, out),
        Value::Text(text) => print_text(text.as_bytes(), out),
        Value::Array(items) => print_array(items, depth, out),
        Value::Object(members) if members.is_empty() => out.extend_from_slice(b"{}"),
        Value::Object(members) => {
            out.push(b'{');
            for (number, (key, member)) in members.iter().enumerate() {
                start_line(number > 0, depth + 1, out);
                print_text(key.as_bytes(), out);
                out.extend_from_slice(b" : ");
                print_at(member, depth + 1, out);
            }
            start_line(false, depth, out);
            out.push(b'}');
        }
    }
}

/// On one line if there are few plain values and the line is short, else one item a line.
fn print_array(items: &[Value], depth: usize, out: &mut Vec<u8>) {
    if items.is_empty() {
        out.extend_from_slice(b"[]");
        return;
    }
    if items.len() * 3 < ARRAY_LINE && items.iter().all(Value::is_plain) {
        let mut line = b"[ ".to_vec();
        for (number, item) in items.iter().enumerate() {
            line.extend_from_slice(if number > 0 { b", " } else { b"" });
            print_at(item, depth, &mut line);
        }
        line.extend_from_slice(b" ]");
        if line.len() < ARRAY_LINE {
            out.extend_from_slice(&line);
            return;
        }
    }
    out.push(b'[');
    for (number, item) in items.iter().enumerate() {
        start_line(number > 0, depth + 1, out);
        print_at(item, depth + 1, out);
    }
    start_line(false, depth, out);
    out.push(b']');
}

fn start_line(comma: bool, depth: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(if comma { b",\n" } else { b"\n" });
    out.resize(out.len() + 3 * depth, b' ');
}

/// Appends a text in quotes.
pub(crate) fn print_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    print_escaped(text, out);
    out.push(b'"');
}

/// Appends what stands between the quotes of a text.
pub(crate) fn print_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    // What is escaped is ASCII, so it is found byte by byte.
    while let Some(at) = rest.iter().position(|byte| matches!(byte, ..b' ' | b'"' | b'\\' | b'<' | b'>')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((special, after)) = special.split_first() else { return };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\x08' => out.extend_from_slice(b"\\b"),
            b'\x0c' => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                // Writing to memory cannot fail.
                let _ = write!(out, "\\u{other:04x}");
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A parsed document as a value to be printed again.
    pub(crate) fn parse(document: &str) -> Value {
        fn convert(json: serde_json::Value) -> Value {
            use serde_json::Value as Json;
            match json {
                Json::Null => Value::Null,
                Json::Bool(flag) => Value::Flag(flag),
                Json::Number(number) => {
                    number.as_i64().map_or_else(|| Value::Number(number.as_f64().unwrap()), Value::Whole)
                }
                Json::String(text) => Value::Text(text),
                Json::Array(items) => Value::Array(items.into_iter().map(convert).collect()),
                Json::Object(members) => {
                    Value::Object(members.into_iter().map(|(key, value)| (key, convert(value))).collect())
                }
            }
        }
        convert(serde_json::from_str(document).unwrap())
    }

    #[test]
    fn an_answer_without_places_has_81_bytes() {
        let body = error_body("ZERO_RESULTS", None);
        assert_eq!(body.len(), 81);
        assert_eq!(
            body,
            "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"ZERO_RESULTS\"\n}\n"
        );
        assert!(
            error_body("UNKNOWN_ERROR", Some("late")).starts_with("{\n   \"error_message\" : \"late\",\n")
        );
    }

    #[test]
    fn characters_are_escaped_as_google_escapes_them() {
        let text = Value::text("<a href=\"x\">&'/=\u{1}\u{7f}é\t\u{8}\u{c}\r\n\\</a>");
        let expected =
            "\"\\u003ca href=\\\"x\\\"\\u003e&'/=\\u0001\u{7f}é\\t\\b\\f\\r\\n\\\\\\u003c/a\\u003e\"\n";
        assert_eq!(print(&text), expected);
    }

    #[test]
    fn an_array_of_short_values_stays_on_one_line() {
        let array =
            |count: usize, length: usize| print(&Value::Array(vec![Value::text(&"x".repeat(length)); count]));
        // 4 + (2 - 1) * 2 + 2 * (2 + length) must stay below 74.
        assert_eq!(array(2, 31).lines().count(), 1);
        assert_eq!(array(2, 32).lines().count(), 4);
        let ones = |count| print(&Value::Array(vec![Value::Whole(1); count]));
        assert_eq!(ones(23).lines().count(), 1);
        assert_eq!(ones(24).lines().count(), 26);
    }

    #[test]
    fn recorded_answers_are_printed_again_byte_for_byte() {
        let Some(folder) = crate::nearby::test_data("google") else { return };
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let document = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert_eq!(print(&parse(&document)), document);
            seen += 1;
        }
        assert!(seen >= 4);
    }

    proptest! {
        #[test]
        fn framing_is_idempotent_and_ends_with_the_only_two_newlines(body in "[a\n{} ]{0,40}") {
            let framed = frame(body.as_bytes());
            prop_assert_eq!(frame(&framed), framed.clone());
            let text = String::from_utf8(framed).unwrap();
            prop_assert!(text.ends_with("\n\n"));
            prop_assert_eq!(text.find("\n\n"), Some(text.len() - 2));
            prop_assert_eq!(text.replace('\n', ""), body.replace('\n', ""));
        }
    }
}
