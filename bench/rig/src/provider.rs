//! A service of places that costs next to nothing: it answers every question with the same full page, in the words of
//! Google's Nearby Search.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use anyhow::Context;

/// Places on a page.
const PLACES: usize = 20;

/// Serves until it is ended.
///
/// # Errors
/// No socket to be had.
pub(crate) fn run() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen")?;
    println!("provider {}", listener.local_addr()?);
    let page = page();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    );
    thread::scope(|scope| {
        for stream in listener.incoming().filter_map(Result::ok) {
            // Whoever hangs up has heard enough.
            scope.spawn(|| drop(converse(stream, answer.as_bytes())));
        }
    });
    Ok(())
}

/// Answers one request after the other; none of them has a body.
fn converse(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next().transpose()? {
        if line.is_empty() {
            stream.write_all(answer)?;
        }
    }
    Ok(())
}

/// Twenty places of 1.2 KB each, as those of the embedded index have.
fn page() -> String {
    let mut page = String::from("{\n   \"html_attributions\" : [],\n   \"results\" : [");
    for number in 0..PLACES {
        let printed = write!(
            page,
            "{}\n      {{\n         \"business_status\" : \"OPERATIONAL\",\n         \"name\" : \"Hotel {number}\",\n         \
             \"vicinity\" : \"{:->1100}\"\n      }}",
            if number > 0 { "," } else { "" },
            number
        );
        debug_assert!(printed.is_ok(), "memory takes everything");
    }
    page.push_str("\n   ],\n   \"status\" : \"OK\"\n}\n");
    page
}
