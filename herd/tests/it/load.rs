//! `herd load` against a real server, and against servers made of a few lines that do wrong.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::mpsc::channel,
    thread,
};

use herd_core::time::Timestamp;
use serde_json::Value;

use crate::{
    flock::Flock,
    program::{Finished, Running, finish, herd, line_with, signal},
    server::{Server, Setup},
};

/// A run and its JSON.
fn load(address: SocketAddr, args: &str) -> (Finished, Value) {
    let address = address.to_string();
    let args = ["load", &address, "--json"].into_iter().chain(args.split(' '));
    let run = finish(&args.collect::<Vec<_>>());
    let json = serde_json::from_str(&run.stdout).unwrap_or(Value::Null);
    (run, json)
}

/// A server that answers each line with what `answer` makes of it and of its number, on every connection.
fn server(answer: impl Fn(usize, &str) -> String + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut replies = stream.try_clone().unwrap();
                for (nth, line) in BufReader::new(stream).lines().map_while(Result::ok).enumerate() {
                    if replies.write_all(answer(nth, &line).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// The right reply.
fn right(line: &str) -> String {
    line.replacen("IAMAT ", "AT S +0.000000001 ", 1) + "\n"
}

#[test]
fn every_request_is_answered_and_compared() {
    let server = Server::start(Setup::default());
    for args in [
        "-n 5000 -c 7 -w 16 --clients 100 --verify",
        "-n 5000 -c 3 -w 1000 --clients 100 --verify --threads 2",
        "-n 300 -c 3 --clients 100 --id-bytes 3 --verify",
        "-n 500 -c 3 --rate 5000 --clients 100 --verify --fill --threads 2",
    ] {
        let (run, json) = load(server.address, args);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{args}");
        let count: u64 = args.split(' ').nth(1).unwrap().parse().unwrap();
        for (key, expected) in [("replies", count), ("compared", count), ("wrong", 0), ("missing", 0)] {
            assert_eq!(json[key], expected, "{key} of {args}: {json}");
        }
        assert!(json["latency_us"]["p50"].as_f64() > Some(0.0), "{json}");
        assert!(json["cpu_s_per_million"].as_f64() > Some(0.0), "{json}");
        assert_eq!(json["lateness_us"].is_object(), args.contains("--rate"), "{json}");
    }
}

#[test]
fn a_run_ends_after_its_time() {
    let server = Server::start(Setup::default());
    let (run, json) = load(server.address, "--duration 50ms -c 2");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(json["replies"].as_u64() > Some(0), "{json}");
}

#[test]
fn what_is_due_and_cannot_be_sent_is_told() {
    let quick = Server::start(Setup::default());
    let (run, json) = load(quick.address, "--duration 300ms -c 2 --rate 50");
    assert_eq!((run.code, &json["replies"], &json["unsent"]), (Some(0), &Value::from(15), &Value::from(0)));
    assert_eq!(json["seconds"], 0.3, "{json}");
    // No more than 65,536 wait on a connection that nothing comes from.
    let address = server(|_, _| String::new());
    let (run, json) = load(address, "--duration 100ms -c 1 --rate 1e6 --patience 100ms");
    let count = |key: &str| json[key].as_u64().unwrap();
    assert_eq!((run.code, count("missing") + count("unsent")), (Some(1), 100_000), "{json}");
    assert!(count("unsent") > 0, "{json}");
}

#[test]
fn a_run_that_is_interrupted_tells_what_was_measured() {
    let (answered, is_under_way) = channel();
    let address = server(move |nth, line| {
        if nth == 20 {
            answered.send(()).unwrap();
        }
        right(line)
    });
    let mut run = Running::start(herd(&["load", &address.to_string(), "-c", "1", "-d", "10m"]));
    is_under_way.recv().unwrap();
    signal("INT", &run.id().to_string());
    let replies = line_with(&run.stdout, |line| line.starts_with("replies "));
    let count: u64 = replies.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(count > 20, "{replies}");
    assert_eq!(run.exit_code(), Some(0));
}

#[test]
fn a_lost_reply_is_noticed() {
    let address = server(|nth, line| if nth == 40 { String::new() } else { right(line) });
    let (run, json) = load(address, "-n 100 -c 1 -w 10 --patience 200ms");
    assert_eq!(run.code, Some(1));
    // The window that it was in never ends.
    let complaint = format!("herd: 1 missing reply; the first missing from {address}: none came for 0.2 s\n");
    assert_eq!(run.stderr, complaint);
    assert_eq!((&json["replies"], &json["missing"]), (&Value::from(49), &Value::from(1)));
}

#[test]
fn a_wrong_reply_is_shown() {
    for (reply, args) in [("? what", "-n 100 -c 1"), ("AT S +0.000000001 c +1+1 5", "-n 100 -c 1 --verify")] {
        let address = server(move |nth, line| if nth == 40 { format!("{reply}\n") } else { right(line) });
        let (run, json) = load(address, args);
        assert_eq!((run.code, &json["wrong"]), (Some(1), &Value::from(1)));
        let complaint = format!("herd: 1 wrong reply; the first wrong from {address}: {reply:?}\n");
        assert_eq!(run.stderr, complaint);
    }
}

#[test]
fn a_server_that_hangs_up_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || drop(listener.accept()));
    let (run, _) = load(address, "-n 1 -c 1");
    assert_eq!(run.code, Some(1));
    let complaint =
        format!("herd: 1 missing reply, 1 connection that ended early; the first missing from {address}: ");
    assert!(run.stderr.starts_with(&complaint), "{}", run.stderr);
}

#[test]
fn a_server_that_ends_between_two_requests_ends_the_run_as_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut replies = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines().map_while(Result::ok).take(3) {
            replies.write_all(right(&line).as_bytes()).unwrap();
        }
    });
    let (run, json) = load(address, "--duration 60s -c 1");
    assert_eq!((run.code, &json["hung_up"]), (Some(1), &Value::from(1)), "{}", run.stderr);
}

#[test]
fn arguments_that_cannot_work_are_refused() {
    let run = finish(&["load", "127.0.0.1:1", "--clients", "1000", "--id-bytes", "2"]);
    assert_eq!(run.stderr, "herd: 1000 clients need IDs of 3 bytes, not 2\n");
    assert_eq!(run.code, Some(2));
}

/// A server as `--whatsat` meets it: the AT line, then JSON in one of the two formats.
fn answering(body: &'static str) -> SocketAddr {
    server(move |_, line| match line.split(' ').collect::<Vec<_>>()[..] {
        ["WHATSAT", client, "10", "5"] => format!("AT S -0.000000001 {client} +1+1 5\n{body}"),
        _ => right(line),
    })
}

#[test]
fn answers_of_both_formats_are_read_to_their_end() {
    for body in ["{\n   \"results\" : [],\n   \"status\" : \"OK\"\n}\n\n", "{\"results\":[]}\n", "{}\n\n"] {
        let (run, json) =
            load(answering(body), "-n 400 -c 2 -w 7 --whatsat 40 --clients 50 --verify --threads 2");
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{body}");
        assert_eq!((&json["replies"], &json["compared"]), (&Value::from(400), &Value::from(400)));
    }
    let server = Server::start(Setup::default());
    let args = "-n 200 -c 2 --rate 2000 --whatsat 100 --clients 50 --verify --around +34.068930-118.445127";
    let (run, json) = load(server.address, args);
    assert_eq!((run.code, run.stderr.as_str(), &json["compared"]), (Some(0), "", &Value::from(200)));
}

#[test]
fn an_answer_that_never_ends_is_missing() {
    let args = "-n 1 -c 1 --whatsat 100 --clients 1 --patience 200ms";
    let (run, json) = load(answering("{\n   \"results\" : [\n"), args);
    assert_eq!((run.code, &json["missing"]), (Some(1), &Value::from(1)));
}

#[test]
fn a_track_is_sent_in_its_own_words_and_at_its_own_pace() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("morning walk.gpx");
    let point = |second: u32| {
        format!("<trkpt lat='1.{second}5' lon='-2.5'><time>2020-01-01T00:00:{second:02}Z</time></trkpt>")
    };
    let points: String = (0..40).map(point).collect();
    std::fs::write(&file, format!("<gpx><trk><trkseg>{points}</trkseg></trk></gpx>")).unwrap();
    let server = Server::start(Setup::default());
    server.clock.set(Timestamp::from_nanos(1_600_000_000_000_000_000));
    for args in ["-w 7", "--speed 100", "-n 40 --threads 3"] {
        let address = server.address.to_string();
        let file = file.to_str().unwrap();
        let all =
            ["load", &address, "--json", "--verify", "--replay", file].into_iter().chain(args.split(' '));
        let run = finish(&all.collect::<Vec<_>>());
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{args}");
        assert_eq!((&json["compared"], &json["clients"]), (&Value::from(40), &Value::from(1)), "{args}");
        let is_paced = args.starts_with("--speed");
        // 39 seconds, a hundred times as fast.
        assert_eq!(json["seconds"].as_f64() > Some(0.389), is_paced, "{json}");
    }
    let said = finish(&["whatsat", &server.address.to_string(), "morning-walk", "0", "0"]).stdout;
    assert!(said.contains(" morning-walk +1.395-2.5 1577836839\n"), "{said}");
}

#[test]
fn reports_are_seen_at_the_other_servers() {
    let flock = Flock::goloman();
    let [origin, one, two] = ["Goloman", "Holiday", "Welsh"].map(|name| flock.line(name).to_string());
    let others = format!("{one},{two}");
    let args = ["load", &origin, "--across", &others, "--every", "1ms", "--duration", "200ms", "--json"];
    for rate in [["--preset", "goloman"].as_slice(), &["--rate", "500", "--preset", "goloman"]] {
        let run = finish(&[&args, rate].concat());
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        let across = &json["across"];
        assert_eq!(across["origin"], "Goloman");
        for (nth, (name, hops)) in [("Holiday", 1), ("Welsh", 2)].into_iter().enumerate() {
            let server = &across["servers"][nth];
            assert_eq!((&server["name"], &server["hops"]), (&Value::from(name), &Value::from(hops)));
            assert_eq!(across["hops"][nth]["seen"], server["seen"]);
            assert!(server["from_send_us"]["p50"].as_f64() > Some(0.0), "{json}");
        }
        assert_eq!(json["replies"].is_u64(), rate.len() > 2, "{json}");
    }
}

#[test]
fn a_report_that_does_not_arrive_is_noticed() {
    let servers = [(); 2].map(|()| Server::start(Setup::default()));
    let [origin, stranger] = servers.each_ref().map(|server| server.address.to_string());
    let args = ["--across", &stranger, "--duration", "100ms", "--patience", "50ms"];
    let run = finish(&[&["load", origin.as_str()], args.as_slice()].concat());
    assert_eq!(run.code, Some(1));
    let complaint = format!("reports not seen in time, for example at Goloman ({stranger})\n");
    assert!(run.stderr.ends_with(&complaint), "{}", run.stderr);
}
