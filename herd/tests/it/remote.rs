//! A server that asks a provider behind a network, and what such a provider may say: pages, refusals, failures.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use herd::{
    clock::Clock,
    config::{Config, NearbyConfig},
    nearby::{Nearby, gate::Home},
};

use crate::{
    server::{Server, Setup},
    upstream::{Fault, Framing, Say, Upstream},
};

/// Has characters that JSON or a URL may write otherwise.
pub(crate) const KEY: &str = "AIza-test/key%2Fof=nobody";

/// The AT line of kiwi.
pub(crate) const AT: &str = "AT Goloman -1.000000000 kiwi +34.068930-118.445127 1\n";

/// The configuration of a provider: its section, and what stands in it.
pub(crate) fn config(section: &str, keys: &str) -> Config {
    let text = format!("name = 'h'\n[servers.A]\n[{section}]\n{keys}");
    let environment = |name: &str| (name == "KEY").then(|| KEY.to_owned());
    Config::parse(&text, "test", Path::new(""), &environment).unwrap()
}

pub(crate) fn nearby(config: &Config) -> Nearby {
    static BUDGETS: AtomicUsize = AtomicUsize::new(0);
    let budget = format!("budget-{}", BUDGETS.fetch_add(1, Ordering::Relaxed));
    let budget_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(budget);
    // One of an earlier run.
    let _ = fs::remove_file(&budget_file);
    let (here, home) = (Path::new(""), Home { budget_file, clock: Clock::system() });
    match &config.nearby {
        NearbyConfig::Places(places) => Nearby::places(places, here, home).unwrap(),
        NearbyConfig::Messages(messages) => Nearby::messages(messages, here, home).unwrap(),
    }
}

/// A server with this provider that knows where kiwi is.
pub(crate) fn server(config: &Config) -> Server {
    let nearby = Arc::new(nearby(config));
    let (questions, control) = (nearby.limits(), Arc::clone(&nearby));
    let server = Server::start(Setup {
        questions,
        control,
        ask: Arc::new(move |position, question| {
            let nearby = Arc::clone(&nearby);
            Box::pin(async move { nearby.answer(position, question).await })
        }),
        ..Setup::default()
    });
    assert_eq!(server.exchange(b"IAMAT kiwi +34.068930-118.445127 1\n"), AT.as_bytes());
    server
}

/// A server that asks `upstream`, with time enough unless the upstream stalls.
pub(crate) fn asking(provider: &str, upstream: &Upstream, deadline: &str) -> Server {
    let (section, key) = match provider {
        "x" => ("messages", "bearer_token = '${KEY}'\n"),
        "twitter" => ("messages", ""),
        _ => ("places", "api_key = '${KEY}'\n"),
    };
    let base_url = upstream.url();
    server(&config(
        section,
        &format!("provider = '{provider}'\nbase_url = '{base_url}'\ndeadline = '{deadline}'\n{key}"),
    ))
}

/// What follows the AT line.
pub(crate) fn whatsat(server: &Server, radius_km: f64, bound: usize) -> String {
    let replied = server.exchange(format!("WHATSAT kiwi {radius_km} {bound}\n").as_bytes());
    let replied = String::from_utf8(replied).unwrap();
    replied.strip_prefix(AT).unwrap_or_else(|| panic!("{replied}")).to_owned()
}

pub(crate) fn json(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// A page of 20 in Google's layout A or B, with all that might mislead whoever cuts it.
pub(crate) fn synthetic(is_b: bool) -> String {
    let open = |indent: &str| if is_b { format!("\n{indent}") } else { String::new() };
    let mut body = format!(
        "{{\n   \"html_attributions\" : [],\n   \"next_page_token\" : \"CpQC\\\"results\\\" : []\",\n   \"results\" : {}[\n",
        open("   ")
    );
    for number in 0..20 {
        body += &format!(
            "      {{\n         \"geometry\" : {}{{\n            \"location\" : {}{{\n               \"lat\" : 34.05352670000001\n            }}\n         }},\n",
            open("         "),
            open("            ")
        );
        body += &format!(
            "         \"name\" : \"{number} ]}},\\n      }},\\n   ], \\u003cé\u{1f600}\",\n         \"results\" : [],\n         \"types\" : [ \"food\", \"bar\" ]\n      }}{}\n",
            if number < 19 { "," } else { "" }
        );
    }
    body + "   ],\n   \"status\" : \"OK\"\n}\n"
}

/// The cut as the reference describes it, line by line, and the newline rule.
pub(crate) fn cut(body: &str, bound: usize) -> String {
    let lines: Vec<&str> = body.lines().collect();
    let first = lines.iter().position(|line| line.starts_with("   \"results\" : ")).unwrap();
    let close = (first..lines.len()).find(|&line| lines[line] == "   ],").unwrap_or(first);
    let ends: Vec<usize> =
        (first..close).filter(|&line| matches!(lines[line], "      }" | "      },")).collect();
    let cut = if bound >= ends.len() {
        lines.join("\n")
    } else if bound == 0 {
        [&lines[..first], &["   \"results\" : [],"], &lines[close + 1..]].concat().join("\n")
    } else {
        [&lines[..ends[bound - 1]], &["      }"], &lines[close..]].concat().join("\n")
    };
    cut + "\n\n"
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn test_data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HERD_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(folder);
    let found = path.is_dir().then_some(path);
    if found.is_none() {
        println!("skipped: no test data in {}", root.join(folder).display());
    }
    found
}

/// What Google's own error answer looks like.
pub(crate) fn refusal(status: &str, message: &str) -> String {
    format!(
        "{{\n   \"error_message\" : \"{message}\",\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"{status}\"\n}}\n"
    )
}

/// All that may come instead of an answer, and the status and words that the client gets.
pub(crate) fn failures() -> Vec<(Say, &'static str, &'static str)> {
    let page = || synthetic(false);
    let moved = Say { headers: "Location: http://127.0.0.1:1/\r\n".into(), ..Say::code(302, "") };
    let bomb = Say { is_packed: true, ..Say::ok(vec![b' '; 64 << 20]) };
    let brotli = Say { headers: "Content-Encoding: br\r\n".into(), ..Say::ok("x") };
    let torn = Say { headers: "Content-Encoding: gzip\r\n".into(), ..Say::ok("\u{1f}no gzip") };
    let endless = Say { framing: Framing::Chunked, ..Say::with(Fault::Longer(64 << 20), page()) };
    let cut_off = Say { framing: Framing::Chunked, ..Say::with(Fault::Truncated, page()) };
    let half = Say { framing: Framing::Close, ..Say::with(Fault::Truncated, page()) };
    vec![
        (Say::with(Fault::HangUp, ""), "UNKNOWN_ERROR", "the provider broke off its answer"),
        (Say::with(Fault::Truncated, page()), "UNKNOWN_ERROR", "the provider broke off its answer"),
        (cut_off, "UNKNOWN_ERROR", "the provider broke off its answer"),
        (half, "UNKNOWN_ERROR", "not what its documents say: HTTP 200"),
        (Say::with(Fault::Longer(64 << 20), page()), "UNKNOWN_ERROR", "the provider's answer is too long"),
        (endless, "UNKNOWN_ERROR", "the provider's answer is too long"),
        (bomb, "UNKNOWN_ERROR", "the provider's answer is too long"),
        (brotli, "UNKNOWN_ERROR", "packed in an unknown way"),
        (torn, "UNKNOWN_ERROR", "the provider broke off its answer"),
        (moved, "UNKNOWN_ERROR", "redirects, which is not followed: HTTP 302"),
        (Say::ok(""), "UNKNOWN_ERROR", "not what its documents say: HTTP 200"),
        (Say::ok("[]"), "UNKNOWN_ERROR", "not what its documents say: HTTP 200"),
        (Say::ok("{\"status\":\"OK\"}"), "UNKNOWN_ERROR", "not what its documents say: HTTP 200"),
        (Say::ok(b"{\"status\":\"OK\",\"results\":[\"\xff\"]}".as_slice()), "UNKNOWN_ERROR", "HTTP 200"),
        (Say::ok("[".repeat(1 << 20)), "UNKNOWN_ERROR", "not what its documents say: HTTP 200"),
        (Say::code(502, "<html>Bad gateway</html>"), "UNKNOWN_ERROR", "HTTP 502"),
        (Say::code(404, "<html>"), "UNKNOWN_ERROR", "HTTP 404"),
        (Say::code(429, "<html>"), "OVER_QUERY_LIMIT", "HTTP 429"),
        (Say::code(403, "<html>"), "REQUEST_DENIED", "HTTP 403"),
        (Say::code(400, "<html>"), "INVALID_REQUEST", "HTTP 400"),
    ]
}
