//! `herd load` against a real server, and against servers made of a few lines that do wrong.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

use serde_json::Value;

use crate::{
    program::{Finished, finish},
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
fn a_lost_reply_is_noticed() {
    let address = server(|nth, line| if nth == 40 { String::new() } else { right(line) });
    let (run, json) = load(address, "-n 100 -c 1 -w 10 --patience 200ms");
    assert_eq!(run.code, Some(1));
    // The window that it was in never ends.
    let complaint =
        format!("herd: 1 replies missing, 0 wrong: 1 replies missing from {address}: none came for 0.2 s\n");
    assert_eq!(run.stderr, complaint);
    assert_eq!((&json["replies"], &json["missing"]), (&Value::from(49), &Value::from(1)));
}

#[test]
fn a_wrong_reply_is_shown() {
    for (reply, args) in [("? what", "-n 100 -c 1"), ("AT S +0.000000001 c +1+1 5", "-n 100 -c 1 --verify")] {
        let address = server(move |nth, line| if nth == 40 { format!("{reply}\n") } else { right(line) });
        let (run, json) = load(address, args);
        assert_eq!((run.code, &json["wrong"]), (Some(1), &Value::from(1)));
        let complaint =
            format!("herd: 0 replies missing, 1 wrong: a wrong reply from {address}: {reply:?}\n");
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
    assert!(
        run.stderr.starts_with("herd: 1 replies missing, 0 wrong: 1 replies missing from "),
        "{}",
        run.stderr
    );
}

#[test]
fn arguments_that_cannot_work_are_refused() {
    let run = finish(&["load", "127.0.0.1:1", "--clients", "1000", "--id-bytes", "2"]);
    assert_eq!(run.stderr, "herd: 1000 clients need IDs of 3 bytes, not 2\n");
    assert_eq!(run.code, Some(2));
}
