//! What a server spends on a provider that takes money: the real program, killed and started again.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::program::{Running, finish, herd, line_with, signal};

const BODY: &str =
    "{\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"ZERO_RESULTS\"\n}\n";

/// A provider on loopback that counts its requests and always finds nothing.
fn provider() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            answer(stream);
        }
    });
    (address, calls)
}

fn answer(mut stream: TcpStream) {
    let lines = BufReader::new(&stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let length = BODY.len();
    // Who asked may have been killed.
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{BODY}");
}

/// The server of a configuration that asks `provider`, at most three times a day; its addresses.
fn serve(folder: &Path, provider: SocketAddr) -> (Running, String, String) {
    serve_for(folder, provider, 3, "2")
}

/// The same with another budget for the day, and so many threads.
fn serve_for(
    folder: &Path,
    provider: SocketAddr,
    requests_per_day: u32,
    threads: &str,
) -> (Running, String, String) {
    let file = folder.join("herd.toml");
    let text = format!(
        "name = 'h'\n[servers.A.listen]\nline = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n[places]\nprovider = 'google'\napi_key = '${{PLACES_KEY}}'\nbase_url = 'http://{provider}'\nrequests_per_day = {requests_per_day}\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = herd(&["serve", "A", "--config", file.to_str().unwrap(), "--threads", threads]);
    command.env("PLACES_KEY", "not-a-real-key-0123456789");
    let running = Running::start(command);
    let address = |what: &str| {
        let prefix = format!("listening {what} ");
        line_with(&running.stdout, |line| line.starts_with(&prefix))[prefix.len()..].to_owned()
    };
    let (line, admin) = (address("line"), address("admin"));
    line_with(&running.stdout, |line| line == "ready");
    assert_eq!(finish(&["iamat", &line, "kiwi", "+34.068930-118.445127"]).code, Some(0));
    (running, line, admin)
}

fn whatsat(line: &str, radius: &str) -> String {
    finish(&["whatsat", line, "kiwi", radius, "20"]).stdout
}

#[test]
fn a_killed_server_never_spends_more_than_its_day() {
    let folder = tempfile::tempdir().unwrap();
    let (provider, calls) = provider();
    for life in 1..=4 {
        let (running, line, _) = serve(folder.path(), provider);
        // Two new questions each life, the first of them twice.
        let (first, second) = (format!("{life}"), format!("{life}.5"));
        for radius in [&first, &first, &second] {
            let answer = whatsat(&line, radius);
            let is_over = answer.contains("OVER_QUERY_LIMIT") && answer.contains("3 requests a day");
            assert!(is_over || answer.ends_with(&format!("{}\n", BODY)), "{answer}");
        }
        assert_eq!(calls.load(Ordering::SeqCst), 3.min(2 * life));
        // With SIGKILL.
        drop(running);
    }
    let budget = fs::read_to_string(folder.path().join("herd-data/A/places-budget")).unwrap();
    assert!(budget.starts_with("day ") && budget.ends_with(" requests 3\n"), "{budget}");
}

#[test]
fn a_server_that_is_stopped_gives_back_what_it_paid_for_and_did_not_use() {
    // It was written down by whoever dropped the budget last, which the end of the process did not wait for.
    for threads in ["1", "2"] {
        let folder = tempfile::tempdir().unwrap();
        let (provider, _) = provider();
        let (mut running, line, _) = serve_for(folder.path(), provider, 1000, threads);
        for radius in ["1", "2", "3"] {
            assert!(whatsat(&line, radius).ends_with(&format!("{BODY}\n")));
        }
        signal("TERM", &running.id().to_string());
        assert_eq!(running.exit_code(), Some(0));
        let budget = fs::read_to_string(folder.path().join("herd-data/A/places-budget")).unwrap();
        assert!(budget.ends_with(" requests 3\n"), "{budget}");
    }
}

#[test]
fn while_paused_the_cache_answers_and_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (provider, calls) = provider();
    let (_running, line, admin) = serve(folder.path(), provider);
    let order = |order: &str| finish(&["places", order, &admin]).stdout;
    assert!(whatsat(&line, "10").contains("ZERO_RESULTS"));
    assert!(order("pause").starts_with("provider=google paused=yes "));
    assert!(whatsat(&line, "10").contains("ZERO_RESULTS"));
    let refused = whatsat(&line, "11");
    assert!(refused.contains("UNKNOWN_ERROR") && refused.contains("paused by the operator"), "{refused}");
    let status = order("status");
    assert!(
        status.starts_with("provider=google paused=yes breaker=closed today=1/3 tokens=2 entries=1 bytes=")
            && status.ends_with(" hits=1 misses=1 coalesced=0 refused=1\n"),
        "{status}"
    );
    assert!(order("resume").starts_with("provider=google paused=no "));
    assert!(whatsat(&line, "11").contains("ZERO_RESULTS"));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}
