//! An operator's orders: over the program's own command line, and over a bare socket, where they may be anything.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use herd::gateway::{Control, ProviderState, RemoteState};

use crate::{
    program::{Running, finish, herd, line_with},
    server::{PATIENCE, Server, Setup},
};

/// A provider that is only controlled.
#[derive(Debug, Default)]
struct Lever(AtomicBool);

impl Control for Lever {
    fn pause(&self, is_paused: bool) {
        self.0.store(is_paused, Ordering::SeqCst);
    }

    fn state(&self) -> ProviderState {
        let remote = RemoteState {
            breaker: "probing",
            requests_today: 12,
            requests_per_day: 1000,
            tokens: 9,
            entries: 3,
            bytes: 4096,
            hits: 5,
            misses: 6,
            coalesced: 7,
            refused: 8,
        };
        ProviderState { name: "google", is_paused: self.0.load(Ordering::SeqCst), remote: Some(remote) }
    }
}

fn server() -> (Server, Arc<Lever>) {
    let lever = Arc::new(Lever::default());
    (Server::start(Setup { control: Arc::clone(&lever) as _, ..Setup::default() }), lever)
}

/// All that is replied on a connection of its own that the operator half-closes.
fn exchange(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may have closed already, which shows in what it said.
    let _ = stream.write_all(sent).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut replied = String::new();
    let _ = stream.read_to_string(&mut replied);
    replied
}

#[test]
fn orders_are_obeyed_and_answered_with_one_line_each() {
    let (server, lever) = server();
    let status = |paused: &str| {
        format!(
            "ok provider=google paused={paused} breaker=probing today=12/1000 tokens=9 entries=3 bytes=4096 hits=5 misses=6 coalesced=7 refused=8\n"
        )
    };
    assert_eq!(exchange(server.admin, b"places status\n"), status("no"));
    let replies = exchange(server.admin, b"places pause\r\n  places\tstatus\nplaces status");
    assert_eq!(replies, status("yes").repeat(3));
    assert!(lever.0.load(Ordering::SeqCst));
    assert_eq!(exchange(server.admin, b"places resume\n"), status("no"));
}

#[test]
fn what_is_no_order_ends_the_connection_and_changes_nothing() {
    let (server, lever) = server();
    let error = "error expected status, leave, places pause, places resume or places status\n";
    let long = format!("places pause{}\n", " ".repeat(1 << 20));
    for sent in [
        "POST / HTTP/1.1\r\nContent-Length: 13\r\n\r\nplaces pause\n",
        "\n",
        "places\n",
        "places pause now\nplaces pause\n",
        "PLACES PAUSE\n",
        "IAMAT kiwi +34-118 1520023934\n",
        &long,
    ] {
        let replied = exchange(server.admin, sent.as_bytes());
        // An input that was not read to its end may cost the reply.
        assert!(replied == error || replied.is_empty(), "{sent:?}: {replied}");
    }
    assert!(!lever.0.load(Ordering::SeqCst));
    assert_eq!(exchange(server.admin, b""), "");
}

/// A server of a preset, and its line and administrative addresses.
fn serve(args: &[&str]) -> (Running, [String; 2], tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = herd(&[&["serve"], args, &["--port-base", "0"]].concat());
    command.stdin(Stdio::null()).current_dir(folder.path());
    let running = Running::start(command);
    let address = |what: &str| {
        let prefix = format!("listening {what} ");
        line_with(&running.stdout, |line| line.starts_with(&prefix))[prefix.len()..].to_owned()
    };
    let addresses = [address("line"), address("admin")];
    line_with(&running.stdout, |line| line == "ready");
    (running, addresses, folder)
}

#[test]
fn the_switch_works_on_the_real_program_and_error_bodies_keep_their_format() {
    for (args, body) in [
        (
            ["Welsh"].as_slice(),
            "\n{\n   \"error_message\" : \"paused by the operator\",\n   \"html_attributions\" : [],\n   \"results\" : [],\n   \"status\" : \"UNKNOWN_ERROR\"\n}\n\n",
        ),
        (&["Hill", "--preset", "farmar"], "\n{\"error\":\"paused by the operator\"}\n"),
    ] {
        let (_running, [line, admin], _folder) = serve(args);
        assert_eq!(finish(&["iamat", &line, "kiwi", "+34.068930-118.445127"]).code, Some(0));
        let whatsat = || finish(&["whatsat", &line, "kiwi", "10", "5"]).stdout;
        let order = |order: &str| finish(&["places", order, &admin]);
        let before = whatsat();
        assert!(before.contains("results"));
        for (given, paused) in [("status", "no"), ("pause", "yes"), ("status", "yes")] {
            let run = order(given);
            let expected = format!("provider=embedded paused={paused}\n");
            assert_eq!((run.code, run.stdout, run.stderr), (Some(0), expected, String::new()));
        }
        assert!(whatsat().ends_with(body), "{}", whatsat());
        // Nobody reads what it says, and it does what it is for.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let unread = herd(&["places", "resume", &admin]).stdout(writer).output().unwrap();
        assert_eq!((unread.status.code(), unread.stderr.as_slice()), (Some(0), &b""[..]));
        assert_eq!(order("status").stdout, "provider=embedded paused=no\n");
        assert_eq!(whatsat().lines().count(), before.lines().count());
    }
}

#[test]
fn an_address_that_takes_no_orders_is_named() {
    let (server, _) = server();
    let line = server.address.to_string();
    let run = finish(&["places", "pause", &line]);
    let expected = format!(
        "herd: {line} is not the administrative address of a server (`listen.admin`; for a preset: its line port plus 200)\n"
    );
    assert_eq!((run.code, run.stdout.as_str(), run.stderr), (Some(1), "", expected));
}
