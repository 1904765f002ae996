//! Five real servers: what one hears all know, whoever dies and comes back.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use crate::{
    flock::{Client, Flock, SERVERS},
    program::PATIENCE,
};

#[test]
fn the_assignments_example_holds_two_hops_away() {
    let flock = Flock::goloman();
    let said = Client::connect(flock.line("Goloman")).iamat(
        "kiwi.cs.ucla.edu",
        "+34.068930-118.445127",
        "1520023934.918963997",
    );
    assert!(said.starts_with("AT Goloman +"), "{said}");
    assert!(said.ends_with(" kiwi.cs.ucla.edu +34.068930-118.445127 1520023934.918963997"), "{said}");
    flock.wait_for("Welsh", "kiwi.cs.ucla.edu", &said);
    let mut client = Client::connect(flock.line("Welsh"));
    client.send(b"WHATSAT kiwi.cs.ucla.edu 10 5\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    let (at_line, body) = answer.split_once('\n').unwrap();
    assert_eq!(at_line, said);
    assert!(body.ends_with("}\n\n") && body.matches("\n\n").count() == 1, "{body}");
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["status"], "OK");
    assert_eq!(json["results"].as_array().unwrap().len(), 5);
}

#[test]
fn every_pair_may_die_under_load_and_come_back_empty() {
    for (i, first) in SERVERS.into_iter().enumerate() {
        for second in SERVERS.into_iter().skip(i + 1) {
            die_and_come_back(first, second);
        }
    }
}

/// Clients report through the other three while the two die: each report is answered, the living agree as far as edges
/// reach, and all five agree soon after the two are back.
fn die_and_come_back(first: &'static str, second: &'static str) {
    let mut flock = Flock::goloman();
    let is_over = AtomicBool::new(false);
    let steady: Vec<_> = SERVERS.into_iter().filter(|name| ![first, second].contains(name)).collect();
    let addresses: Vec<_> = steady.iter().map(|name| flock.line(name)).collect();
    let last = thread::scope(|scope| {
        let clients: Vec<_> = steady
            .iter()
            .zip(addresses)
            .map(|(name, address)| {
                let is_over = &is_over;
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    let mut round = 0;
                    loop {
                        round += 1;
                        let said = client.iamat(&format!("at-{name}"), "+1.5-2.5", &format!("{round}.5"));
                        assert!(said.starts_with(&format!("AT {name} ")), "{said}");
                        if is_over.load(Ordering::SeqCst) {
                            return said;
                        }
                    }
                })
            })
            .collect();
        // Something that the two must learn again, from before they died.
        let early = Client::connect(flock.line(first)).iamat("early", "+3-4", "7");
        for name in SERVERS {
            flock.wait_for(name, "early", &early);
        }
        flock.kill(first);
        flock.kill(second);
        for name in flock.alive() {
            flock.wait_for(name, "early", &early);
        }
        let during = Client::connect(flock.line(steady[0])).iamat("during", "+5-6", "8");
        for name in flock.reachable(steady[0]) {
            flock.wait_for(name, "during", &during);
        }
        [first, second].iter().for_each(|name| flock.forget(name));
        flock.start(first);
        flock.start(second);
        for name in SERVERS {
            flock.wait_for(name, "early", &early);
            flock.wait_for(name, "during", &during);
        }
        is_over.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    for (name, said) in steady.iter().zip(&last) {
        for server in SERVERS {
            flock.wait_for(server, &format!("at-{name}"), said);
        }
    }
}

#[test]
fn a_stopped_neighbour_is_noticed_and_caught_up_with_when_it_goes_on() {
    let flock = Flock::goloman();
    let welsh = flock.id("Welsh").to_string();
    crate::program::signal("STOP", &welsh);
    let began = Instant::now();
    let log = flock.log("Holiday");
    let is_down = |text: String| text.lines().any(|line| line.contains(" - Welsh "));
    while !std::fs::read_to_string(&log).is_ok_and(is_down) {
        assert!(began.elapsed() < PATIENCE);
        thread::yield_now();
    }
    let said = Client::connect(flock.line("Goloman")).iamat("late", "+3-4", "7");
    crate::program::signal("CONT", &welsh);
    flock.wait_for("Welsh", "late", &said);
}
