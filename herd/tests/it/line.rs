//! The line protocol over real sockets: the transcripts, and what a transcript cannot say.

use std::{
    io::{Read, Write},
    net::{Shutdown, UdpSocket},
    sync::Arc,
    thread,
};

use herd::gateway::Ask;

use crate::{
    server::{BODY, PATIENCE, Server, Setup, SlowProvider, expect, expect_end},
    transcript::{self, Transport},
};

const AT_KIWI: &[u8] = b"AT Goloman -1.000000000 kiwi +34-118 1\n";

fn with_kiwi(setup: Setup) -> Server {
    let server = Server::start(setup);
    assert_eq!(server.exchange(b"IAMAT kiwi +34-118 1\n"), AT_KIWI);
    server
}

fn udp(server: &Server) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server.address).unwrap();
    socket
}

fn datagram(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let bytes = socket.recv(&mut buffer).unwrap();
    buffer.truncate(bytes);
    buffer
}

#[test]
fn every_transcript_is_spoken_over_real_sockets() {
    for transcript in transcript::all() {
        let mut setup = Setup { questions: transcript.settings.limits(), ..Setup::default() };
        setup.limits.line_bytes_max = transcript.settings.line_bytes_max;
        let server = Server::start(setup);
        let socket = udp(&server);
        transcript.run(|clock, sent| {
            server.clock.set(clock);
            match transcript.settings.transport {
                Transport::Tcp => server.exchange(sent),
                Transport::Udp => {
                    socket.send(sent).unwrap();
                    datagram(&socket)
                }
            }
        });
    }
}

#[test]
fn clients_may_speak_as_they_like() {
    let server = Server::start(Setup::default());
    let check = |packets: &[&[u8]], expected: &[u8]| {
        let mut stream = server.connect();
        for packet in packets {
            stream.write_all(packet).unwrap();
        }
        expect(&mut stream, expected);
        stream.shutdown(Shutdown::Write).unwrap();
        expect_end(&mut stream);
    };
    check(&[b"IAMAT kiwi +34-118 1\r\n"], AT_KIWI);
    check(&[b"IAMAT kiwi +34-118 1\nhello\n"], &[AT_KIWI, b"? hello\n"].concat());
    let pieces: Vec<_> = b"IAMAT kiwi +34-118 1\n".chunks(2).collect();
    check(&pieces, AT_KIWI);
    check(&[b"IAMAT kiwi +34-118 1\nIAM", b"AT kiwi +34-118 1\n"], &[AT_KIWI, AT_KIWI].concat());
    check(&[b"WHATSAT kiwi 10 5\n"], &[AT_KIWI, BODY].concat());
}

#[test]
fn a_half_closed_client_gets_every_reply_and_then_the_end() {
    let server = with_kiwi(Setup::default());
    assert_eq!(server.exchange(b"IAMAT kiwi +34-118 1"), AT_KIWI);
    let replies = [AT_KIWI, BODY, b"? x\n", AT_KIWI, BODY].concat();
    assert_eq!(server.exchange(b"WHATSAT kiwi 10 5\nx\nWHATSAT kiwi 1 1"), replies);
    assert_eq!(server.exchange(b""), b"");
}

#[test]
fn an_endless_line_is_answered_with_its_beginning_and_the_connection_goes_on() {
    let server = Server::start(Setup::default());
    let mut stream = server.connect();
    for _ in 0..64 {
        stream.write_all(&[b'x'; 64 * 1024]).unwrap();
    }
    let refusal = [b"? ".as_slice(), &[b'x'; 64 * 1024], b"\n"].concat();
    expect(&mut stream, &refusal);
    stream.write_all(b"\nIAMAT kiwi +34-118 1\n").unwrap();
    expect(&mut stream, AT_KIWI);
}

#[test]
fn a_hundred_thousand_empty_lines_are_answered() {
    let server = Server::start(Setup::default());
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || writer.write_all(&[b'\n'; 100_000]).unwrap());
    expect(&mut stream, &b"? \n".repeat(100_000));
    writing.join().unwrap();
}

#[test]
fn a_command_behind_a_waiting_question_takes_effect_at_once() {
    let provider = SlowProvider::new();
    let server = with_kiwi(Setup { ask: provider.ask(), ..Setup::default() });
    let mut waiting = server.connect();
    waiting.write_all(b"WHATSAT kiwi 10 5\nIAMAT kiwi +35-119 2\nhello\n").unwrap();
    expect(&mut waiting, AT_KIWI);
    waiting.write_all(b"IAMAT plum +35-119 2\nWHATSAT plum 1 1\n").unwrap();

    let mut other = server.connect();
    other.write_all(b"WHATSAT kiwi 10 5\n").unwrap();
    expect(&mut other, b"AT Goloman -2.000000000 kiwi +35-119 2\n");
    assert_eq!(server.exchange(b"hello\n"), b"? hello\n", "nobody else waits");

    provider.answer(3);
    let replies: [&[u8]; 6] = [
        BODY,
        b"AT Goloman -2.000000000 kiwi +35-119 2\n",
        b"? hello\n",
        b"AT Goloman -2.000000000 plum +35-119 2\n",
        b"AT Goloman -2.000000000 plum +35-119 2\n",
        BODY,
    ];
    expect(&mut waiting, &replies.concat());
    expect(&mut other, BODY);
}

#[test]
fn more_questions_than_may_wait_are_asked_later_and_none_is_lost() {
    let provider = SlowProvider::new();
    let server = with_kiwi(Setup { ask: provider.ask(), ..Setup::default() });
    let mut stream = server.connect();
    stream.write_all(&b"WHATSAT kiwi 10 5\n".repeat(1000)).unwrap();
    expect(&mut stream, AT_KIWI);
    // Another connection's turn comes only after the first has taken in what it may.
    assert_eq!(server.exchange(b"hello\n"), b"? hello\n");
    assert!(provider.asked() < 80, "{} questions wait", provider.asked());
    provider.answer(1000);
    let answer = [AT_KIWI, BODY].concat();
    expect(&mut stream, &[BODY, &answer.repeat(999)].concat());
    assert_eq!(provider.asked(), 1000);
}

#[test]
fn a_refusal_of_a_refusal_in_a_datagram_is_not_answered() {
    let server = Server::start(Setup::default());
    let socket = udp(&server);
    socket.send(b"? ? AT Goloman +0.000000000 x +34-118 1\n").unwrap();
    socket.send(b"? ? x\nIAMAT kiwi +34-118 1\n").unwrap();
    assert_eq!(datagram(&socket), AT_KIWI);
    socket.send(b"? x").unwrap();
    assert_eq!(datagram(&socket), b"? ? x\n");
}

#[test]
fn replies_that_fit_into_no_datagram_are_dropped_and_the_next_is_served() {
    let server = Server::start(Setup::default());
    let socket = udp(&server);
    socket.send(&[b'\n'; 60_000]).unwrap();
    for _ in 0..200 {
        socket.send(b"IAMAT kiwi +34-118 1").unwrap();
        assert_eq!(datagram(&socket), AT_KIWI);
    }
    assert_eq!(server.exchange(b"WHATSAT kiwi 1 1"), [AT_KIWI, BODY].concat(), "both hold the same table");
}

#[test]
fn many_datagrams_at_once_are_answered_one_by_one() {
    let server = Server::start(Setup::default());
    let socket = udp(&server);
    for i in 0..100 {
        socket.send(format!("hello {i}").as_bytes()).unwrap();
    }
    for i in 0..100 {
        assert_eq!(datagram(&socket), format!("? hello {i}\n").as_bytes());
    }
}

#[test]
fn a_fast_pipeliner_gets_all_answers_however_small_the_bound() {
    let body = vec![b'x'; 10_000];
    let said = body.clone();
    let ask: Ask = Arc::new(move |_, _| {
        let said = said.clone();
        Box::pin(async move { said })
    });
    let mut setup = Setup { ask, ..Setup::default() };
    setup.limits.reply_bytes_max = 128 * 1024;
    let server = with_kiwi(setup);
    let mut stream = server.connect();
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        writer.write_all(&b"WHATSAT kiwi 10 5\n".repeat(5000)).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut replied = Vec::new();
    stream.read_to_end(&mut replied).unwrap();
    writing.join().unwrap();
    assert!(replied == [AT_KIWI, &body].concat().repeat(5000), "{} bytes", replied.len());
}
