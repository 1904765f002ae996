//! What an operator sees of the links, with the real program on real links.

use std::time::Instant;

use serde_json::Value;

use crate::{
    flock::{Client, Flock},
    program::{PATIENCE, finish},
};

/// What `name` says of its link with `neighbour`, once `is_wanted` holds of it.
fn link(flock: &Flock, name: &str, neighbour: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let run = finish(&["status", &flock.admin(name).to_string(), "--json"]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
        let status: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(status["server"], name);
        let links = status["links"].as_array().unwrap();
        let link = links.iter().find(|link| link["neighbour"] == neighbour).unwrap();
        if is_wanted(link) {
            return link.clone();
        }
        assert!(began.elapsed() < PATIENCE, "{link}");
    }
}

#[test]
fn a_link_is_shown_up_down_and_up_again() {
    let mut flock = Flock::goloman();
    let said = Client::connect(flock.line("Welsh")).iamat("kiwi", "+34.068930-118.445127", "1520023934");
    flock.wait_for("Holiday", "kiwi", &said);
    let up = link(&flock, "Holiday", "Welsh", |link| link["is_synced"] == true && link["lag_reports"] == 0);
    assert_eq!((&up["healed"], &up["lag_ms"]), (&0.into(), &0.into()));
    assert!(up["received_bytes"].as_u64().unwrap() > 100, "{up}");
    flock.kill("Welsh");
    let down = link(&flock, "Holiday", "Welsh", |link| link["state"] == "down" && !link["ended"].is_null());
    assert_eq!((&down["is_synced"], &down["lag_ms"]), (&false.into(), &Value::Null));
    let shown = finish(&["status", &flock.admin("Holiday").to_string()]).stdout;
    assert!(shown.starts_with("Holiday: 1 client\nlink "), "{shown}");
    assert!(shown.contains("\nWelsh    down "), "{shown}");
    assert!(shown.contains("\nreachable: Goloman Hands Holiday Wilkes\nout of reach: Welsh\n"), "{shown}");
    flock.start("Welsh");
    let again = link(&flock, "Holiday", "Welsh", |link| link["is_synced"] == true);
    assert!(again["links"].as_u64() > up["links"].as_u64(), "{again}");
}
