//! Where a provider's key must not show: logs, replies, errors, `Debug`.

use std::{
    io::{self, Write},
    path::Path,
    sync::Mutex,
};

use herd::config::Config;

use crate::{
    remote::{KEY, asking, config, failures, nearby, refusal, server, whatsat},
    upstream::{Heard, Say, Upstream},
};

/// Everything that is logged in this process, at every level.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Logger;

impl Write for Logger {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_key_shows_nowhere() {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Logger);
    tracing::subscriber::set_global_default(log.finish()).unwrap();

    let echo = |heard: &Heard| {
        let line = heard.line.trim_end();
        let echo = format!(
            "{KEY} {} {} {line} {}",
            KEY.replace('/', "\\/").replace('=', "\\u003d"),
            KEY.replace('-', "\\u002D"),
            line.replace('%', "\\u0025"),
        );
        match heard.line.split(' ').next() {
            Some("POST") => Say::code(400, format!("{{\"error\":{{\"code\":400,\"message\":\"{echo}\"}}}}")),
            _ if heard.line.contains("/maps/") => Say::ok(refusal("REQUEST_DENIED", &echo)),
            _ => Say::code(403, format!("{{\"error\":\"{echo}\",\"detail\":\"{echo}\"}}")),
        }
    };
    let upstream = Upstream::start(echo);
    let mut shown = Vec::new();
    let url = upstream.url();
    for provider in ["google", "google-new", "auto", "twitter", "x"] {
        let (section, key) = if ["twitter", "x"].contains(&provider) {
            ("messages", "bearer_token")
        } else {
            ("places", "api_key")
        };
        let config =
            config(section, &format!("provider = '{provider}'\nbase_url = '{url}'\n{key} = '${{KEY}}'"));
        shown.push(format!("{config:?} {config:#?} {config} {:?} {:#?}", nearby(&config), nearby(&config)));
        assert!(shown.last().unwrap().contains("***"));
        let body = whatsat(&server(&config), 10.0, 20);
        assert!(body.contains("***"), "{body}");
        shown.push(body);
    }
    for (say, _, _) in failures() {
        shown.push(whatsat(&asking("google", &Upstream::saying(say), "15s"), 10.0, 20));
    }
    let text =
        format!("name = 'h'\n[servers.A]\n[places]\nprovider = 'google'\napi_key = '{KEY}'\nindex = 'i'");
    shown.push(Config::parse(&text, "test", Path::new(""), &|_| None).unwrap_err().to_string());

    // It was used, and it is found where it is: the test sees what it looks for.
    let heard = upstream.heard();
    let traces = |text: &str| {
        let encoded = KEY.replace('%', "%25").replace('/', "%2F").replace('=', "%3D");
        [KEY, &encoded, "nobody", "AIza"].iter().any(|trace| text.contains(*trace))
    };
    assert!(heard.iter().all(|heard| traces(&format!("{heard:?}"))));
    shown.push(String::from_utf8_lossy(&LOGGED.lock().unwrap()).into_owned());
    assert!(shown.last().unwrap().contains("a provider's call failed"));
    for shown in shown {
        assert!(!traces(&shown), "{shown}");
    }
}
