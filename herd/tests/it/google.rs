//! Google behind WHATSAT: what is asked, and what the client gets for all that may be answered.

use std::{fs, io::Write};

use crate::{
    remote::{AT, KEY, asking, config, cut, failures, json, refusal, server, synthetic, test_data, whatsat},
    server::{expect, expect_end},
    upstream::{Fault, Framing, Say, Upstream},
};

#[test]
fn googles_bytes_arrive_cut_but_never_printed_anew() {
    let mut bodies =
        vec![synthetic(false), synthetic(true), synthetic(true).replace(",\n", ",\n\n\n") + "\n\n"];
    for entry in test_data("google").into_iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        bodies.push(fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for body in bodies {
        for (framing, is_packed) in [
            (Framing::Length, false),
            (Framing::Length, true),
            (Framing::Chunked, false),
            (Framing::Chunked, true),
            (Framing::Close, false),
        ] {
            let upstream = Upstream::saying(Say { framing, is_packed, ..Say::ok(body.clone()) });
            let server = asking("google", &upstream, "15s");
            let questions: String = (0..=20).map(|bound| format!("WHATSAT kiwi 10 {bound}\n")).collect();
            let replied = String::from_utf8(server.exchange(questions.as_bytes())).unwrap();
            // Runs of newlines are one wherever they stand.
            let plain = body.replace("\n\n\n", "\n");
            let expected: String =
                (0..=20).map(|bound| format!("{AT}{}", cut(plain.trim_end(), bound))).collect();
            assert_eq!(replied, expected, "{framing:?} {is_packed}");
        }
    }
}

#[test]
fn google_is_asked_as_its_documents_say_over_one_connection() {
    let upstream = Upstream::saying(Say::ok(synthetic(false)));
    let server = asking("google", &upstream, "15s");
    for radius in [0.07, 0.0, 50.0] {
        whatsat(&server, radius, 20);
    }
    assert_eq!(upstream.calls(), 3);
    let heard = upstream.heard();
    let path = |radius| {
        format!(
            "GET /maps/api/place/nearbysearch/json?location=34.06893%2C-118.445127&radius={radius}&key=AIza-test%2Fkey%252Fof%3Dnobody HTTP/1.1\r\n"
        )
    };
    let lines: Vec<&str> = heard.iter().map(|heard| heard.line.as_str()).collect();
    assert_eq!(lines, [path("70"), path("1"), path("50000")]);
    let agent = format!("user-agent: herd/{}\n", env!("CARGO_PKG_VERSION"));
    assert!(heard[0].headers.contains(&agent) && heard[0].headers.contains("accept-encoding: gzip\n"));
    assert!(!heard[0].headers.contains("cookie"));
}

#[test]
fn every_failure_ends_in_a_body_of_the_right_status() {
    for (say, status, words) in failures() {
        let upstream = Upstream::saying(say.clone());
        let body = whatsat(&asking("google", &upstream, "15s"), 10.0, 20);
        let message = json(&body)["error_message"].as_str().unwrap().to_owned();
        let expected = refusal(status, &message) + "\n";
        assert!(body == expected && message.contains(words), "{body} for {} {:?}", say.code, say.fault);
    }
    for fault in [Fault::Silence, Fault::Stall] {
        let upstream = Upstream::saying(Say::with(fault, synthetic(false)));
        let body = whatsat(&asking("google", &upstream, "200ms"), 10.0, 20);
        assert_eq!(body, refusal("UNKNOWN_ERROR", "the provider did not answer in time") + "\n");
    }
}

#[test]
fn a_server_that_stops_tells_who_waits_for_a_provider_that_it_failed() {
    // Such a client was cut off: no body, and no reply to what it had asked behind. Now it has all of them.
    for (provider, expected) in [
        ("google", refusal("UNKNOWN_ERROR", "the server stops") + "\n"),
        ("twitter", "{\"error\":\"the server stops\"}\n".to_owned()),
    ] {
        let upstream = Upstream::saying(Say::with(Fault::Silence, ""));
        let mut server = asking(provider, &upstream, "60s");
        let mut stream = server.connect();
        // More than may wait at once.
        let questions = 100;
        stream.write_all(&b"WHATSAT kiwi 10 20\nhello\n".repeat(questions)).unwrap();
        expect(&mut stream, AT.as_bytes());
        server.begin_to_stop();
        expect(&mut stream, format!("{expected}? hello\n").as_bytes());
        expect(&mut stream, format!("{AT}{expected}? hello\n").repeat(questions - 1).as_bytes());
        expect_end(&mut stream);
        drop(stream);
        server.stop();
        assert_eq!(upstream.calls(), 1, "all wait for the same answer");
    }
}

#[test]
fn nobody_listening_and_nobody_trusted_are_told_apart() {
    let ask = |url: &str| {
        let keys = format!("provider = 'google'\napi_key = '${{KEY}}'\nbase_url = '{url}'");
        whatsat(&server(&config("places", &keys)), 10.0, 20)
    };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let body = ask(&format!("http://{closed}"));
    assert_eq!(body, refusal("UNKNOWN_ERROR", "the provider cannot be reached") + "\n");

    let (certified, stranger) = Upstream::of_a_stranger();
    let body = ask(&format!("https://{}", certified));
    assert_eq!(body, refusal("UNKNOWN_ERROR", "the provider cannot be trusted: TLS failed") + "\n");
    // The key was never sent.
    assert_eq!(stranger.join().unwrap(), "");
    // Plain HTTP where TLS is expected.
    let plain = Upstream::saying(Say::ok(synthetic(false)));
    let body = ask(&plain.url().replace("http:", "https:"));
    assert!(body.contains("UNKNOWN_ERROR") && body.contains("the provider c"), "{body}");
}

#[test]
fn googles_own_refusals_are_passed_on_whatever_http_says() {
    for (code, status) in
        [(200, "OVER_QUERY_LIMIT"), (403, "REQUEST_DENIED"), (400, "INVALID_REQUEST"), (500, "UNKNOWN_ERROR")]
    {
        let body = refusal(status, "You’re over it.");
        let upstream = Upstream::saying(Say::code(code, body.clone()));
        assert_eq!(whatsat(&asking("google", &upstream, "15s"), 10.0, 20), body + "\n");
    }
    for (theirs, ours) in [("OVER_DAILY_LIMIT", "OVER_QUERY_LIMIT"), ("NEVER_HEARD_OF", "UNKNOWN_ERROR")] {
        let upstream = Upstream::saying(Say::ok(refusal(theirs, "m")));
        assert_eq!(whatsat(&asking("google", &upstream, "15s"), 10.0, 20), refusal(ours, "m") + "\n");
    }
}

const NEW_RESPONSE: &str = include_str!("bodies/new_response.json");

#[test]
fn the_new_api_is_asked_as_its_documents_say_and_told_as_the_legacy_one() {
    let upstream = Upstream::saying(Say::ok(NEW_RESPONSE));
    let server = asking("google-new", &upstream, "15s");
    let body = whatsat(&server, 0.0, 20);
    assert_eq!(body, cut(include_str!("bodies/new_translated.json"), 20));
    assert_eq!(whatsat(&server, 10.0, 1), cut(include_str!("bodies/new_translated.json"), 1));

    let heard = upstream.heard();
    assert_eq!(heard[0].line, "POST /v1/places:searchNearby HTTP/1.1\r\n");
    assert!(heard[0].headers.contains(&format!("x-goog-api-key: {KEY}\n")));
    assert!(heard[0].headers.contains("x-goog-fieldmask: places.id,places.displayName,"));
    let question = json(&heard[1].body);
    assert_eq!(question["rankPreference"], "POPULARITY");
    assert_eq!(question["maxResultCount"], 20);
    let circle = &question["locationRestriction"]["circle"];
    assert_eq!(circle["radius"], 10_000.0);
    assert_eq!(circle["center"], json("{\"latitude\":34.06893,\"longitude\":-118.445127}"));
    assert_eq!(json(&heard[0].body)["locationRestriction"]["circle"]["radius"], 1.0);
}

#[test]
fn the_new_apis_errors_are_told_in_the_legacy_words() {
    let fault = |code: u16, reason: &str| {
        format!(
            "{{\"error\":{{\"code\":{code},\"message\":\"so\",\"status\":\"S\",\"details\":[{{\"@type\":\"t\",\"reason\":\"{reason}\"}}]}}}}"
        )
    };
    for (code, reason, status) in [
        (429, "RATE_LIMIT_EXCEEDED", "OVER_QUERY_LIMIT"),
        (403, "SERVICE_DISABLED", "REQUEST_DENIED"),
        (401, "", "REQUEST_DENIED"),
        (400, "", "INVALID_REQUEST"),
        (400, "API_KEY_INVALID", "REQUEST_DENIED"),
        (500, "", "UNKNOWN_ERROR"),
        (503, "", "UNKNOWN_ERROR"),
    ] {
        let upstream = Upstream::saying(Say::code(code, fault(code, reason)));
        let body = whatsat(&asking("google-new", &upstream, "15s"), 10.0, 20);
        assert_eq!(body, refusal(status, "so") + "\n");
    }
    let upstream = Upstream::saying(Say::ok("{}\n"));
    let body = whatsat(&asking("google-new", &upstream, "15s"), 10.0, 20);
    assert_eq!(body.len(), 82, "{body}");
    assert!(body.contains("ZERO_RESULTS"));
    let upstream = Upstream::saying(Say::code(500, "{}"));
    let body = whatsat(&asking("google-new", &upstream, "15s"), 10.0, 20);
    assert!(body.contains("UNKNOWN_ERROR"), "{body}");
}

#[test]
fn auto_turns_to_the_new_api_once_the_legacy_one_is_switched_off() {
    const OFF: &str = "You’re calling a legacy API, which is not enabled for your project. To get newer features and more functionality, switch to the Places API (New) or Routes API. Learn more: https://developers.google.com/maps/legacy#LegacyApiNotActivatedMapError";
    let upstream = Upstream::start(|heard| {
        if heard.line.starts_with("GET") {
            Say::ok(refusal("REQUEST_DENIED", OFF))
        } else {
            Say::ok(NEW_RESPONSE)
        }
    });
    let server = asking("auto", &upstream, "15s");
    // Three questions, for one would be answered from the cache.
    for radius_km in [10.0, 11.0, 12.0] {
        assert_eq!(whatsat(&server, radius_km, 20), cut(include_str!("bodies/new_translated.json"), 20));
    }
    let methods: Vec<String> = upstream.heard().iter().map(|heard| heard.line[..4].to_owned()).collect();
    assert_eq!(methods, ["GET ", "POST", "POST", "POST"]);

    // Any other refusal is no reason to turn away.
    let denied = refusal("REQUEST_DENIED", "The provided API key is invalid.");
    let upstream = Upstream::saying(Say::ok(denied.clone()));
    let server = asking("auto", &upstream, "15s");
    for _ in 0..2 {
        assert_eq!(whatsat(&server, 10.0, 20), denied.clone() + "\n");
    }
    assert!(upstream.heard().iter().all(|heard| heard.line.starts_with("GET ")));
}
