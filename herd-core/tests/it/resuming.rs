//! A link that comes back: it goes on where it was, and what it ships is what was missed.

use herd_core::link::{Link, Progress};

use crate::{
    nodes::apply,
    pair::{End, at, identity, linked, talk},
};

/// Reports of so many clients to a node.
fn tell(end: &End, clients: u32, second: u64) {
    let line = |i| format!("IAMAT client-{i:013} +34.{:06}-118.{i:06} {}.5", i % 7, 1_000_000 + second);
    let lines: Vec<_> = (0..clients).map(line).collect();
    let _ = apply(&end.node, &lines, at(second).clock);
}

/// A new connection between the same two nodes, each with how far it had come.
fn reconnect(a: &mut End, b: &mut End, second: u64) -> (u64, u64) {
    let progress: Vec<Option<Progress>> = [&*a, &*b].map(|end| end.link.progress()).into();
    let fresh_a = End::dialler(identity("A", "B"), "B", 3).link;
    let fresh_b = End::acceptor(identity("B", "A"), 4).link;
    let close = |end: &mut End, link: Link| std::mem::replace(&mut end.link, link).close(&end.node);
    close(a, fresh_a);
    close(b, fresh_b);
    let (mut sent, now) = ((0, 0), at(second));
    for _ in 0..10_000 {
        for end in [&mut *a, &mut *b] {
            if end.link.next_time() <= now.moment {
                end.link.handle_time(&end.node, now).unwrap();
            }
        }
        let (from_a, from_b) = (a.say(now), b.say(now));
        if from_a.is_empty() && from_b.is_empty() {
            break;
        }
        sent = (sent.0 + from_a.len() as u64, sent.1 + from_b.len() as u64);
        b.hear(&from_a, progress[1], now).unwrap();
        a.hear(&from_b, progress[0], now).unwrap();
    }
    sent
}

#[test]
fn a_link_that_was_down_ships_little_more_than_what_was_missed() {
    let (mut a, mut b) = linked();
    tell(&a, 1_000, 1);
    talk(&mut a, &mut b, at(1)).unwrap();
    let before = a.node.log_end().as_bytes();
    tell(&a, 100_000, 2);
    let missed = a.node.log_end().as_bytes() - before;
    let (shipped, back) = reconnect(&mut a, &mut b, 1);
    assert_eq!(a.node.digest(), b.node.digest());
    assert!(shipped <= missed + missed / 50, "{shipped} bytes for {missed} missed");
    assert!(back < 1_000, "{back} bytes the other way");
}

#[test]
fn what_came_from_the_peer_is_neither_lag_nor_missing_when_the_link_is_back() {
    let (mut a, mut b) = linked();
    for second in 2..6 {
        tell(&a, 1_000, second);
        talk(&mut a, &mut b, at(second)).unwrap();
    }
    talk(&mut a, &mut b, at(6)).unwrap();
    let standing = b.link.standing().unwrap();
    assert_eq!((standing.lag_bytes, standing.lag.as_nanos()), (0, 0));
    assert_eq!(a.link.progress().map(|progress| progress.position), Some(b.node.log_end()));
}
