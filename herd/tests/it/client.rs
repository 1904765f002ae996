//! `herd iamat`, `whatsat` and `send` against a server made of a few lines.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::Stdio,
    thread::{self, JoinHandle},
};

use crate::program::{Running, finish, herd, line_with};

/// A server for one connection that reads all, then answers; what it read.
fn server(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        text
    });
    (address, serving)
}

#[test]
fn commands_are_sent_as_the_protocol_says() {
    let (line, body) = ("AT s +0.1 c\n", "AT s +0.1 c\n{}\n\n");
    for (args, sent, answer) in [
        (["iamat", "", "c", "-33.9+151.2", "--time", "5.5"].as_slice(), "IAMAT c -33.9+151.2 5.5\n", line),
        (["whatsat", "", "c", "10", "5"].as_slice(), "WHATSAT c 10 5\n", body),
        (["send", "", "one", "-two"].as_slice(), "one\n-two\n", body),
    ] {
        let (address, serving) = server(answer);
        let address = address.to_string();
        let args: Vec<&str> = args.iter().map(|arg| if arg.is_empty() { &address } else { *arg }).collect();
        let run = finish(&args);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(0), answer, ""));
        assert_eq!(serving.join().unwrap(), sent);
    }
}

#[test]
fn iamat_takes_this_moment_with_nanoseconds() {
    let (address, serving) = server("AT s +0.1 c\n");
    assert_eq!(finish(&["iamat", &address.to_string(), "c", "+1+1"]).code, Some(0));
    let line = serving.join().unwrap();
    let (seconds, nanos) = line.trim_end().rsplit(' ').next().unwrap().split_once('.').unwrap();
    assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(nanos.len(), 9);
}

#[test]
fn failures_at_work_exit_with_1() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = finish(&["whatsat", &closed.to_string(), "c", "10", "5"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.starts_with(&format!("herd: cannot connect to {closed}: ")), "{}", run.stderr);

    let (address, _serving) = server("");
    let run = finish(&["whatsat", &address.to_string(), "c", "9", "5"]);
    assert_eq!(run.stderr, format!("herd: {address} closed the connection without a reply\n"));
}

/// Broke: all but a refusal counted as an answer.
#[test]
fn what_is_no_answer_is_a_failure() {
    let iamat = ["iamat", "c", "+1+1"].as_slice();
    let whatsat = ["whatsat", "c", "10", "5"].as_slice();
    let elsewhere = "is not where a server takes clients (`listen.line`), it said";
    let cut = "gave a reply that is not one whole answer";
    for (args, answer, printed, complaint) in [
        (
            iamat,
            "error expected status, leave or places\n",
            false,
            format!("{elsewhere} \"error expected status, leave or places\""),
        ),
        (
            whatsat,
            "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
            false,
            format!("{elsewhere} \"HTTP/1.1 400 Bad Request\""),
        ),
        (iamat, "\0\0\0\u{1b}herd", false, format!("{elsewhere} \"\\0\\0\\0\\u{{1b}}herd\"")),
        (iamat, "AT s +0.1 c +1+1 1", true, cut.to_owned()),
        (iamat, "AT s +0.1 c +1+1 1\n{}\n\n", true, cut.to_owned()),
        (whatsat, "AT s +0.1 c +1+1 1\n", true, cut.to_owned()),
        (whatsat, "AT s +0.1 c +1+1 1\n{\n  \"results\": [\n", true, cut.to_owned()),
        (whatsat, "AT s +0.1 c +1+1 1\n{\"results\":[", true, cut.to_owned()),
    ] {
        let (address, _serving) = server(answer);
        let address = address.to_string();
        let (name, rest) = args.split_first().unwrap();
        let run = finish(&[&[*name, &address], rest].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), if printed { answer } else { "" }));
        assert_eq!(run.stderr, format!("herd: {address} {complaint}\n"));
    }
}

#[test]
fn a_refusal_comes_with_its_likely_reason() {
    let unknown = "the server knows no such client, or the radius or bound is out of its range";
    for (command, reason) in [
        ("whatsat c 99 5", unknown),
        ("whatsat c ten 5", "the radius is not a number of kilometres, for example 10 or 2.5: ten"),
        ("whatsat c 10 5.5", "the bound is not a number from 0 to 20 (places) or 100 (messages): 5.5"),
        ("iamat c 34.1,-118", "the location is not ISO 6709, for example +34.068930-118.445127: 34.1,-118"),
        ("iamat c +1+1 --time noon", "the time is not POSIX seconds, for example 1520023934.918963997: noon"),
    ] {
        let (address, _serving) = server("? such a line\n");
        let address = address.to_string();
        let (name, rest) = command.split_once(' ').unwrap();
        let args: Vec<&str> = [name, &address].into_iter().chain(rest.split(' ')).collect();
        let run = finish(&args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), "? such a line\n"));
        assert_eq!(run.stderr, format!("herd: {address} refused the command: {reason}\n"));
    }
}

#[test]
fn send_prints_replies_while_it_still_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut replies = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines() {
            writeln!(replies, "heard {}", line.unwrap()).unwrap();
        }
        replies.write_all(b"the end\n").unwrap();
    });
    let mut command = herd(&["send", &address.to_string()]);
    command.stdin(Stdio::piped());
    let mut send = Running::start(command);
    let mut stdin = send.child.stdin.take().unwrap();
    for word in ["one", "two"] {
        writeln!(stdin, "{word}").unwrap();
        // Comes although standard input is still open.
        assert_eq!(line_with(&send.stdout, |_| true), format!("heard {word}"));
    }
    drop(stdin);
    assert_eq!(line_with(&send.stdout, |_| true), "the end");
    assert_eq!(send.exit_code(), Some(0));
    serving.join().unwrap();
}

#[test]
fn send_notices_a_server_that_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = herd(&["send", &listener.local_addr().unwrap().to_string()]);
    command.stdin(Stdio::piped());
    let mut send = Running::start(command);
    let stdin = send.child.stdin.take();
    drop(listener.accept().unwrap());
    let complaint = line_with(&send.stderr, |_| true);
    assert!(complaint.ends_with("closed the connection before everything was sent"), "{complaint}");
    assert_eq!(send.exit_code(), Some(1));
    drop(stdin);
}
