//! Each scenario with a few seeds, and what a run owes whoever reads it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking and say what they covered; the lints know only #[test] functions"
)]

use std::{ops::Range, process::Command};

use herd_sim::{Catalogue, Cut, Report, Scenario, run, scenario::FaultKind};

/// Seeds of every scenario. `cargo xtask sim --seeds N` runs more.
const SEEDS: u64 = 3;

/// Runs a scenario with some seeds and prints what was covered.
fn check(name: &str, seeds: Range<u64>) -> Report {
    let catalogue = Catalogue::read().unwrap();
    let mut total = Report::default();
    for seed in seeds.clone() {
        match run(&catalogue.get(name, seed).unwrap(), seed) {
            Ok(report) => total.add(&report),
            Err(violation) => panic!("{violation}"),
        }
    }
    println!("{name}: seeds {seeds:?}: {total}");
    total
}

#[test]
fn two_servers_and_a_quiet_herd_agree_at_little_cost() {
    let _ = check("pair", 0..SEEDS);
    let report = check("quiet", 0..SEEDS);
    assert_eq!((report.silences, report.overtaken), (0, report.started_anew));
}

#[test]
fn each_two_of_five_may_die_and_come_back_empty() {
    // The n-th seed kills the n-th choice of two: these are all there are.
    let report = check("kill-two", 0..10);
    assert_eq!(report.faults.get(&FaultKind::Crash), Some(&20));
    assert!(report.agreed_after_ms <= 2000);
}

#[test]
fn parted_herds_agree_when_they_meet_and_resume_after_short_breaks() {
    let report = check("partition", 0..SEEDS);
    assert!(report.silences > 0 && report.resumed > 0);
}

#[test]
fn links_that_break_all_the_time_lose_nothing() {
    let report = check("flapping", 0..SEEDS);
    assert!(report.resumed > 100 && report.superseded > 0 && report.duplicates > 0 && report.silences > 0);
}

#[test]
fn a_slow_link_falls_off_the_log_and_catches_up_by_copying() {
    let report = check("slow-link", 0..2);
    assert!(report.copied_records > 0);
}

#[test]
fn clocks_that_are_wrong_lose_nothing() {
    let report = check("clocks", 0..SEEDS);
    assert!(report.faults.contains_key(&FaultKind::ClockJump));
}

#[test]
fn clients_of_the_future_are_not_pinned_there() {
    let _ = check("future", 0..SEEDS);
}

#[test]
fn an_empty_newcomer_is_filled_by_its_neighbours() {
    let report = check("newcomer", 0..2);
    assert!(report.copied_records > 1000);
}

#[test]
fn reports_expire_everywhere_and_none_returns() {
    let _ = check("expiry", 0..SEEDS);
}

#[test]
fn a_full_table_forgets_the_longest_silent_everywhere_alike() {
    let report = check("full-table", 0..2);
    assert!(report.evicted > 0);
}

#[test]
fn full_tables_of_servers_whose_clocks_are_apart_end_equal() {
    // A core in which they refuse each other's reports for ever went unnoticed by a thousand runs of all scenarios once the
    // oracle no longer took what a full table takes back for a fault. It shows in one of twenty runs of this one: seed 1.
    let report = check("full-apart", 0..SEEDS);
    assert!(report.evicted > 0);
}

#[test]
fn fifty_servers_agree() {
    let _ = check("large", 0..2);
}

#[test]
fn everything_at_once_loses_nothing() {
    let report = check("chaos", 0..SEEDS);
    let kinds = [FaultKind::Crash, FaultKind::Pause, FaultKind::Cut, FaultKind::HalfOpen];
    assert!(kinds.iter().all(|kind| report.faults.contains_key(kind)));
}

#[test]
fn herds_that_nobody_thought_of_lose_nothing() {
    let report = check("swarm", 0..60);
    assert!(FaultKind::ALL.iter().all(|(kind, _)| report.faults.contains_key(kind)), "{:?}", report.faults);
    assert!(report.resumed > 0 && report.refused > 0 && report.restored > 0);
}

#[test]
fn a_clock_that_is_set_right_takes_others_for_wrong_until_their_next_heartbeats() {
    // Seed 509136 of the swarm was called a violation: a clock that had been 14 s behind, with a neighbour two minutes ahead,
    // jumped to where it belonged, and for a moment what its server took counted as of 134 s ahead.
    let _ = check("swarm", 509_136..509_137);
}

#[test]
fn what_a_full_herd_holds_late_goes_on_by_comparing() {
    // Seed 602108 of the swarm was called a violation, for want of time: in a ring of twelve full tables a server came back
    // from its disk with a report of a client whose clock had been ahead, which wins against the client's later one.
    let _ = check("swarm", 602_108..602_109);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let catalogue = Catalogue::read().unwrap();
    for name in ["chaos", "swarm"] {
        let again = || run(&catalogue.get(name, 5).unwrap(), 5);
        assert_eq!(again(), again());
    }
    assert_eq!(catalogue.draw(77).name, catalogue.draw(77).name);
}

#[test]
fn what_is_left_out_of_a_scenario_does_not_happen() {
    let catalogue = Catalogue::read().unwrap();
    let cut = Cut { without: vec![FaultKind::Cut], servers: Some(4), clients: Some(9), until_ms: Some(9000) };
    let chaos = catalogue.get("chaos", 3).unwrap().into_owned().reduced(cut.clone());
    assert_eq!((chaos.clients.count, chaos.duration_ms), (9, 9000));
    let report = run(&chaos, 3).unwrap();
    assert!(!report.faults.contains_key(&FaultKind::Cut) && report.faults.contains_key(&FaultKind::Crash));
    assert_eq!(cut.to_string(), " --without cut --servers 4 --clients 9 --until 9000");
    assert!(cut.smaller(&chaos, 4).iter().all(|smaller| *smaller != cut && smaller.servers <= cut.servers));
}

#[test]
fn a_violation_names_the_command_that_shows_it_again() {
    let text = "about = 'x'\nduration_ms = 1000\n[clients]\ncount = 5\nreports_per_second = 20\n\
                [bounds]\nbytes_per_report = 1";
    let violation = run(&Scenario::parse("dear", text).unwrap(), 7).unwrap_err();
    assert!(
        violation.to_string().ends_with("replay: cargo xtask sim --scenario dear --seed 7"),
        "{violation}"
    );
    assert!(Scenario::parse("typo", &text.replace("count", "cuont")).is_err());
}

#[test]
fn a_run_that_panics_is_a_violation_with_the_command_that_shows_it_again() {
    // No random number is up to this latency.
    let text = format!(
        "about = 'x'\nduration_ms = 1000\n[clients]\ncount = 5\nreports_per_second = 20\n\
         [network]\nlatency_ms = [0, {}]",
        i64::MAX
    );
    let told = run(&Scenario::parse("endless", &text).unwrap(), 7).unwrap_err().to_string();
    assert!(told.starts_with("a panic (") && told.lines().count() == 2, "{told}");
    assert!(told.ends_with("replay: cargo xtask sim --scenario endless --seed 7"), "{told}");
}

#[test]
fn a_violation_does_not_end_the_other_runs() {
    // Too short for a link to fall off the log, which this scenario is there for.
    let arguments = "--scenario slow-link --servers 2 --clients 1 --until 100 --seeds 5 --jobs 1 --no-shrink";
    let mut command = Command::new(env!("CARGO_BIN_EXE_herd-sim"));
    let output = command.args(arguments.split(' ')).args(["--violations", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    let replayed: Vec<_> = told.lines().filter(|line| line.starts_with("replay: ")).collect();
    let replay = |seed: u64| {
        format!(
            "replay: cargo xtask sim --scenario slow-link --seed {seed} --servers 2 --clients 1 --until 100"
        )
    };
    assert_eq!(replayed, [replay(0), replay(1)]);
    assert!(told.ends_with("2 of 2 runs failed, 5 were asked for\n"), "{told}");
}
