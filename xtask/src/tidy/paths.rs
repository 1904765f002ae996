//! The paths that a source names: `use` trees taken apart, and those in the middle of code.
//!
//! Knows neither scopes nor macros. The one thing to know: `super` and `self` are resolved against the file's module, not
//! against an inner one.

/// A path with the line where it begins, as in `crate::links::Link`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
}

/// The paths of two or more parts in `code`, and the bare names in `use`; those of the own crate start with `crate`.
pub(super) fn paths(code: &str, module: &[&str]) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        if matches!(token.kind, Kind::Word(_)) {
            rest = tree(rest, &[], &mut found);
        } else {
            rest = after;
        }
    }
    for named in &mut found {
        resolve(&mut named.path, module);
    }
    found
}

#[derive(Debug, PartialEq, Eq)]
struct Token<'a> {
    line: usize,
    kind: Kind<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    Word(&'a str),
    /// `::`
    Colons,
    Other(char),
}

/// Reads one path, or one tree of them, behind `prefix`; gives what follows.
fn tree<'t, 'a>(mut rest: &'t [Token<'a>], prefix: &[&'a str], found: &mut Vec<Named>) -> &'t [Token<'a>] {
    let mut path = prefix.to_vec();
    let line = rest.first().map_or(0, |token| token.line);
    loop {
        match rest {
            [Token { kind: Kind::Word(word), .. }, after @ ..] => {
                path.push(word);
                rest = after;
            }
            [Token { kind: Kind::Other('{'), .. }, after @ ..] => return branches(after, &path, found),
            _ => {}
        }
        match rest {
            [Token { kind: Kind::Colons, .. }, after @ ..] if starts_part(after) => rest = after,
            _ => break,
        }
    }
    if path.len() > 1 {
        found.push(Named { line, path: path.iter().map(ToString::to_string).collect() });
    }
    rest
}

fn starts_part(rest: &[Token<'_>]) -> bool {
    matches!(rest.first().map(|token| &token.kind), Some(Kind::Word(_) | Kind::Other('{')))
}

/// Reads the trees up to the closing brace.
fn branches<'t, 'a>(
    mut rest: &'t [Token<'a>],
    prefix: &[&'a str],
    found: &mut Vec<Named>,
) -> &'t [Token<'a>] {
    while let Some((token, after)) = rest.split_first() {
        match token.kind {
            Kind::Other('}') => return after,
            // The new name of what was named before.
            Kind::Word("as") => rest = after.get(1..).unwrap_or_default(),
            Kind::Word(_) => rest = tree(rest, prefix, found),
            Kind::Colons | Kind::Other(_) => rest = after,
        }
    }
    rest
}

/// Makes a path that starts at the file's own module start at `crate`.
fn resolve(path: &mut Vec<String>, module: &[&str]) {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let is_own = supers > 0 || path.first().is_some_and(|part| part == "self");
    if !is_own {
        return;
    }
    let own = module.get(..module.len().saturating_sub(supers)).unwrap_or_default();
    let start = std::iter::once("crate").chain(own.iter().copied()).map(ToOwned::to_owned);
    path.splice(..supers.max(1), start);
}

/// Words and signs, without comments, strings, characters and lifetimes.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let (kind, bytes) = token(rest, first);
        if let Some(kind) = kind {
            tokens.push(Token { line, kind });
        }
        let (read, after) = rest.split_at_checked(bytes).unwrap_or((rest, ""));
        line += read.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The token at the start of `rest`, if it counts, and its length.
fn token(rest: &str, first: char) -> (Option<Kind<'_>>, usize) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word_end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    if rest.starts_with("//") {
        (None, rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("::") {
        (Some(Kind::Colons), 2)
    } else if let Some(bytes) = raw_string(rest) {
        (None, bytes)
    } else if first == '"' {
        (None, quoted(rest, '"').unwrap_or(rest.len()))
    } else if first == '\'' {
        (None, character(rest).unwrap_or(1))
    } else if is_word(first) {
        (rest.get(..word_end).map(Kind::Word), word_end)
    } else if first.is_whitespace() {
        (None, first.len_utf8())
    } else {
        (Some(Kind::Other(first)), first.len_utf8())
    }
}

/// The length of the raw string at the start of `rest`, if there is one.
fn raw_string(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let body = inner.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest.len() - body.len() + body.find(&end).map_or(body.len(), |at| at + end.len()))
}

/// The length of a character at the start of `rest`; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let is_one = inner.starts_with('\\') || inner.chars().nth(1) == Some('\'');
    if is_one { quoted(rest, '\'') } else { None }
}

/// The length of what stands between two `quote`s, with both.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    let end = rest.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    end.map(|(at, _)| at + quote.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, expected: &[&str]) {
        let found = paths(code, &["frontends", "line"]);
        let found: Vec<String> = found.iter().map(|named| named.path.join("::")).collect();
        assert_eq!(found, expected, "{code}");
    }

    #[test]
    fn a_use_tree_is_all_its_paths() {
        check(
            "use crate::{gateway::Gateway, links::{self, Link as L}, traffic};\n",
            &["crate::gateway::Gateway", "crate::links::self", "crate::links::Link", "crate::traffic"],
        );
    }

    #[test]
    fn own_paths_start_at_the_crate() {
        check("use super::http::Server;", &["crate::frontends::http::Server"]);
        check("use self::tcp::serve;", &["crate::frontends::line::tcp::serve"]);
        check("super::super::links::Link::new(1)", &["crate::links::Link::new"]);
    }

    #[test]
    fn paths_in_code_count_and_those_in_comments_and_texts_do_not() {
        check("let x = Vec::<u8>::new(); // a::b\n/// c::d\nlet y = \"e::f\";", &[]);
        check(
            "let x: Result<(), io::Error> = f::<'a>('\"', r#\"g::h \"# , tokio::spawn(i));",
            &["io::Error", "tokio::spawn"],
        );
    }

    #[test]
    fn a_path_has_the_line_where_it_begins() {
        let found = paths("use a::{\n    b,\n    c::d,\n};\n", &[]);
        assert_eq!(found.iter().map(|named| named.line).collect::<Vec<_>>(), [2, 3]);
    }
}
