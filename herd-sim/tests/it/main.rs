//! Each scenario with a few seeds, and what a run owes whoever reads it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking and say what they covered; the lints know only #[test] functions"
)]

use herd_sim::{Report, Scenario, run, scenario::FaultKind};

/// Seeds of every scenario. `cargo xtask sim --seeds N` runs more.
const SEEDS: u64 = 3;

/// Runs a scenario with the first so many seeds and prints what was covered.
fn check(name: &str, seeds: u64) -> Report {
    let all = Scenario::all().unwrap();
    let scenario = all.iter().find(|scenario| scenario.name == name).unwrap();
    let mut total = Report::default();
    for seed in 0..seeds {
        match run(scenario, seed) {
            Ok(report) => total.add(&report),
            Err(violation) => panic!("{violation}"),
        }
    }
    println!("{name}: {seeds} seeds: {total}");
    total
}

#[test]
fn two_servers_and_a_quiet_herd_agree_at_little_cost() {
    let _ = check("pair", SEEDS);
    let report = check("quiet", SEEDS);
    assert_eq!((report.silences, report.overtaken), (0, report.started_anew));
}

#[test]
fn each_two_of_five_may_die_and_come_back_empty() {
    // The n-th seed kills the n-th choice of two: these are all there are.
    let report = check("kill-two", 10);
    assert_eq!(report.faults.get(&FaultKind::Crash), Some(&20));
    assert!(report.agreed_after_ms <= 2000);
}

#[test]
fn parted_herds_agree_when_they_meet_and_resume_after_short_breaks() {
    let report = check("partition", SEEDS);
    assert!(report.silences > 0 && report.resumed > 0);
}

#[test]
fn links_that_break_all_the_time_lose_nothing() {
    let report = check("flapping", SEEDS);
    assert!(report.resumed > 100 && report.superseded > 0 && report.duplicates > 0 && report.silences > 0);
}

#[test]
fn a_slow_link_falls_off_the_log_and_catches_up_by_copying() {
    let report = check("slow-link", 2);
    assert!(report.copied_records > 0);
}

#[test]
fn clocks_that_are_wrong_lose_nothing() {
    let report = check("clocks", SEEDS);
    assert!(report.faults.contains_key(&FaultKind::ClockJump));
}

#[test]
fn clients_of_the_future_are_not_pinned_there() {
    let _ = check("future", SEEDS);
}

#[test]
fn an_empty_newcomer_is_filled_by_its_neighbours() {
    let report = check("newcomer", 2);
    assert!(report.copied_records > 1000);
}

#[test]
fn reports_expire_everywhere_and_none_returns() {
    let _ = check("expiry", SEEDS);
}

#[test]
fn a_full_table_forgets_the_longest_silent_everywhere_alike() {
    let report = check("full-table", 2);
    assert!(report.evicted > 0);
}

#[test]
fn fifty_servers_agree() {
    let _ = check("large", 2);
}

#[test]
fn everything_at_once_loses_nothing() {
    let report = check("chaos", SEEDS);
    let kinds = [FaultKind::Crash, FaultKind::Pause, FaultKind::Cut, FaultKind::HalfOpen];
    assert!(kinds.iter().all(|kind| report.faults.contains_key(kind)));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let all = Scenario::all().unwrap();
    let chaos = all.iter().find(|scenario| scenario.name == "chaos").unwrap();
    assert_eq!(run(chaos, 5), run(chaos, 5));
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
