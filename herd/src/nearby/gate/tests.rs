//! Claims about the gate. Time is moved, not waited for.

mod fake;

use std::{path::Path, pin::pin};

use herd_core::time::Timestamp;
use tokio::time::advance;

use self::fake::{Deed, Fake, page};
use super::*;
use crate::nearby::contract;

const DEADLINE: Duration = Duration::from_secs(5);
const DAY: u64 = 86_400_000_000_000;

fn home(folder: &Path) -> Home {
    let clock = Clock::standing(Timestamp::from_nanos(20_000 * DAY));
    Home { budget_file: folder.join("Goloman/places-budget"), clock }
}

fn lavish() -> Policy {
    Policy { requests_per_second: 10_000, requests_per_day: 1_000_000, ..Policy::default() }
}

fn gate(fake: &Fake, policy: Policy, folder: &Path) -> Gate {
    Gate::new(Arc::new(fake.clone()), policy, DEADLINE, home(folder))
}

fn at(latitude: f64) -> Position {
    Position::new(latitude, -118.445127).unwrap()
}

async fn ask(gate: &Gate, latitude: f64, bound: u8) -> String {
    let answer = gate.answer(at(latitude), Question { radius_km: 10.0, bound }, false).await;
    String::from_utf8(answer).unwrap()
}

/// Lets spawned tasks go on until nothing changes any more but by time.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    contract::check(&Fake::new(|_| Deed::Answer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_askers_around_one_point_with_mixed_bounds_make_one_call() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|_| Deed::Wait);
    let gate = Arc::new(gate(&fake, Policy::default(), folder.path()));
    let mut askers = JoinSet::new();
    for asker in 0..1000_u32 {
        let gate = Arc::clone(&gate);
        let bound = u8::try_from(asker % 21).unwrap();
        // Up to 10 m apart, where a cell is 200 m.
        let latitude = 34.0685 + f64::from(asker % 10) * 1e-5;
        askers.spawn(async move { (bound, ask(&gate, latitude, bound).await) });
    }
    let asked = |state: RemoteState| state.misses + state.coalesced + state.hits + state.refused;
    while asked(gate.state()) < 1000 {
        tokio::task::yield_now().await;
    }
    fake.leave.add_permits(1);
    while let Some(asked) = askers.join_next().await {
        let (bound, answer) = asked.unwrap();
        assert_eq!(answer.into_bytes(), page().answer(bound));
    }
    assert_eq!(fake.calls(), 1);
    let state = gate.state();
    assert_eq!((state.misses, state.coalesced, state.hits, state.refused), (1, 999, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_page_is_told_again_until_its_time_is_over_and_then_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    for (ttl, ttl_max) in [(60, 300), (600, 60)] {
        let mut fake = Fake::new(|_| Deed::Answer);
        fake.ttl_max = Duration::from_secs(ttl_max);
        let policy = Policy { ttl: Duration::from_secs(ttl), ..Policy::default() };
        let gate = gate(&fake, policy, folder.path());
        for (wait, calls) in [(0, 1), (0, 1), (59, 1), (2, 2), (0, 2)] {
            advance(Duration::from_secs(wait)).await;
            assert_eq!(ask(&gate, 34.0, 20).await.into_bytes(), page().answer(20));
            assert_eq!(fake.calls(), calls, "{wait}");
        }
        assert_eq!(gate.state().entries, 1);
        tokio::time::sleep(Duration::from_secs(60) + SWEEP_EVERY).await;
        assert_eq!((gate.state().entries, gate.state().bytes), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_three_never_sees_a_fourth_request_whatever_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|_| Deed::Answer);
    let policy = Policy { requests_per_day: 3, ..Policy::default() };
    for life in 0..3_u8 {
        let gate = gate(&fake, policy, folder.path());
        for question in 0..10 {
            advance(Duration::from_secs(1)).await;
            let latitude = f64::from(life) * 10.0 + f64::from(question);
            let answer = ask(&gate, latitude, 5).await;
            let is_over = answer.contains("OVER_QUERY_LIMIT") && answer.contains("3 requests a day");
            assert_eq!(is_over, fake.calls() == 3 && (life > 0 || question > 2), "{answer}");
            assert!(fake.calls() <= 3);
        }
        // What is cached costs nothing.
        if life == 0 {
            assert!(ask(&gate, 0.0, 5).await.contains("\"OK\""));
        }
    }
    assert_eq!(fake.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_second_sees_more_requests_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|_| Deed::Answer);
    let gate = gate(&fake, Policy { requests_per_second: 4, ..Policy::default() }, folder.path());
    for second in 1..=3_u32 {
        for question in 0..10 {
            let answer = ask(&gate, f64::from(second * 10 + question), 0).await;
            assert_eq!(answer.contains("4 requests a second"), question > 3, "{answer}");
        }
        assert_eq!(fake.calls(), 4 * usize::try_from(second).unwrap());
        assert_eq!(gate.state().tokens, 0);
        advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unusable_budget_refuses_at_once_and_asks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = home(folder.path()).budget_file;
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "rubbish").unwrap();
    let fake = Fake::new(|_| Deed::Answer);
    let gate = gate(&fake, Policy::default(), folder.path());
    for _ in 0..10 {
        assert!(ask(&gate, 34.0, 5).await.contains("the budget cannot be accounted for"));
    }
    assert_eq!((fake.calls(), gate.state().breaker), (0, "closed"));
    std::fs::remove_file(&file).unwrap();
    assert!(ask(&gate, 34.0, 5).await.contains("\"OK\""));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_deadline_for_a_provider_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|call| if call == 1 { Deed::AnswerAfter(DEADLINE * 3 / 2) } else { Deed::Hang });
    let gate = Arc::new(gate(&fake, Policy::default(), folder.path()));
    let mut askers = JoinSet::new();
    for _ in 0..100 {
        let gate = Arc::clone(&gate);
        askers.spawn(async move {
            let began = Instant::now();
            let answer = ask(&gate, 34.0, 5).await;
            assert!(answer.contains("UNKNOWN_ERROR") && answer.contains(LATE), "{answer}");
            began.elapsed()
        });
    }
    while let Some(waited) = askers.join_next().await {
        assert!(waited.unwrap() <= DEADLINE + Duration::from_millis(2));
    }
    // The answer that was too late for them is there for others.
    tokio::time::sleep(DEADLINE).await;
    assert!(ask(&gate, 34.0, 5).await.contains("\"OK\""));
    assert_eq!(fake.calls(), 1);
    // One that never comes does not hold its place for ever.
    assert!(ask(&gate, 35.0, 5).await.contains(LATE));
    tokio::time::sleep(2 * DEADLINE).await;
    assert!(gate.inside.flights.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_cancels_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|_| Deed::AnswerAfter(Duration::from_secs(1)));
    let gate = gate(&fake, Policy::default(), folder.path());
    {
        let mut asking = pin!(ask(&gate, 34.0, 5));
        assert!(timeout(Duration::from_millis(100), &mut asking).await.is_err());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(ask(&gate, 34.0, 5).await.contains("\"OK\""));
    assert_eq!((fake.calls(), gate.state().hits), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dead_provider_is_left_alone_probed_by_one_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    // Dead for seven calls, that is five and two probes.
    let fake = Fake::new(|call| {
        if call <= 7 {
            Deed::FailAfter(Duration::from_secs(1))
        } else {
            Deed::AnswerAfter(Duration::from_secs(1))
        }
    });
    let gate = Arc::new(gate(&fake, lavish(), folder.path()));
    for question in 0..5_u8 {
        assert_eq!(gate.state().breaker, "closed");
        assert!(ask(&gate, question.into(), 5).await.contains("broken"));
    }
    assert_eq!((fake.calls(), gate.state().breaker), (5, "open"));
    // Each probe: a crowd asks about as many places; one request is made, all are answered in time.
    for (hold, calls, after) in [(10, 6, "open"), (20, 7, "open"), (40, 8, "closed")] {
        let answer = ask(&gate, 50.0, 5).await;
        assert!(answer.contains("UNKNOWN_ERROR") && answer.contains("left alone"), "{answer}");
        tokio::time::sleep(Duration::from_secs(hold) * 5 / 4).await;
        assert_eq!((fake.calls(), gate.state().breaker), (calls - 1, "probing"));
        fake.under_way_max.store(0, Relaxed);
        let began = Instant::now();
        let mut askers = JoinSet::new();
        for asker in 0..50_u8 {
            let gate = Arc::clone(&gate);
            askers.spawn(async move { ask(&gate, f64::from(asker) + 0.5, 5).await });
        }
        askers.join_all().await;
        assert!(began.elapsed() < DEADLINE);
        assert_eq!((fake.calls(), gate.state().breaker), (calls, after));
        assert_eq!(fake.under_way_max.load(Relaxed), 1);
    }
    assert!(ask(&gate, 60.0, 5).await.contains("\"OK\""));
}

#[tokio::test(start_paused = true)]
async fn only_answers_are_kept_and_nonsense_that_clients_ask_is_no_breakdown() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|call| if call % 2 == 0 { Deed::Reject } else { Deed::Deny });
    let gate = gate(&fake, lavish(), folder.path());
    for call in 1..=20 {
        let answer = ask(&gate, 34.0, 5).await;
        assert!(answer.contains(if call % 2 == 0 { "nonsense" } else { "no such key" }), "{answer}");
        assert_eq!((fake.calls(), gate.state().entries), (call, 0));
    }
    assert_eq!(gate.state().breaker, "closed");
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_is_lost_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|call| if call == 1 { Deed::Panic } else { Deed::Answer });
    let gate = gate(&fake, Policy::default(), folder.path());
    let began = Instant::now();
    assert!(ask(&gate, 34.0, 5).await.contains("UNKNOWN_ERROR"));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(ask(&gate, 34.0, 5).await.contains("\"OK\""));
}

#[tokio::test(start_paused = true)]
async fn waiters_and_flights_are_bounded_and_who_is_too_many_hears_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|_| Deed::Wait);
    let gate = Arc::new(gate(&fake, lavish(), folder.path()));
    let mut waiting = JoinSet::new();
    let mut wait = |latitude: f64| {
        let gate = Arc::clone(&gate);
        waiting.spawn(async move { ask(&gate, latitude, 0).await });
    };
    (0..WAITERS_MAX).for_each(|_| wait(34.0));
    settle().await;
    let began = Instant::now();
    assert!(ask(&gate, 34.0, 0).await.contains("too many clients wait"));
    for flight in 1..FLIGHTS_MAX {
        wait(f64::from(u32::try_from(flight).unwrap()) / 10.0 + 35.0);
    }
    settle().await;
    let answer = ask(&gate, -10.0, 0).await;
    assert!(answer.contains("OVER_QUERY_LIMIT") && answer.contains("on their way"), "{answer}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    while fake.calls() < FLIGHTS_MAX {
        settle().await;
    }
    fake.leave.add_permits(FLIGHTS_MAX);
    for answer in waiting.join_all().await {
        assert!(answer.contains("\"OK\""), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_paused_only_the_cache_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|_| Deed::Answer);
    let gate = gate(&fake, Policy::default(), folder.path());
    let question = Question { radius_km: 10.0, bound: 20 };
    ask(&gate, 34.0, 5).await;
    assert_eq!(gate.answer(at(34.0), question, true).await, page().answer(20));
    let refusal = gate.answer(at(35.0), question, true).await;
    assert_eq!(refusal, Page::no_places(Status::UnknownError, PAUSED).answer(0));
    assert_eq!((fake.calls(), gate.state().refused), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn once_stopped_only_the_cache_is_asked_and_who_waits_hears_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(|call| if call == 1 { Deed::Answer } else { Deed::Hang });
    let gate = Arc::new(gate(&fake, Policy::default(), folder.path()));
    ask(&gate, 34.0, 20).await;
    let waiting = Arc::clone(&gate);
    let waiting = tokio::spawn(async move { ask(&waiting, 35.0, 5).await });
    while fake.calls() < 2 {
        settle().await;
    }
    let began = Instant::now();
    gate.stop();
    assert!(waiting.await.unwrap().contains("the server stops"));
    assert!(ask(&gate, 35.0, 5).await.contains("the server stops"));
    assert_eq!(ask(&gate, 34.0, 20).await.into_bytes(), page().answer(20));
    assert_eq!((began.elapsed(), fake.calls()), (Duration::ZERO, 2));
}

#[tokio::test(start_paused = true)]
async fn entries_and_bytes_are_bounded() {
    let (now, page) = (Instant::now(), page());
    let one = u64::try_from(page.weight()).unwrap();
    let grid = Grid::new(1.0, 0.02);
    for (entries, bytes) in [(10, 1 << 20), (1000, 1 << 20), (100_000, 64 << 20)] {
        let cache = Cache::new(entries, bytes, DEADLINE);
        for number in 0..20_000_u32 {
            let cell = grid.cell(at(f64::from(number) / 1000.0));
            cache.put(cell, page.clone(), now);
            assert!(cache.bytes() <= bytes && cache.entries() <= usize::try_from(entries).unwrap());
        }
        // The bound is used, not only kept.
        let fit = u64::from(entries).min(bytes / (one + 256)).min(20_000);
        assert!(cache.entries() as u64 >= fit * 9 / 10, "{} of {fit}", cache.entries());
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_time_is_over_is_not_told_even_before_it_is_swept() {
    let cache = Cache::new(10, 1 << 20, DEADLINE);
    let (cell, now) = (Grid::new(1.0, 0.02).cell(at(1.0)), Instant::now());
    cache.put(cell, page(), now);
    assert!(cache.get(&cell, now + DEADLINE - Duration::from_nanos(1)).is_some());
    assert!(cache.get(&cell, now + DEADLINE).is_none());
    assert_eq!(cache.entries(), 1);
    cache.sweep(now + DEADLINE);
    assert_eq!(cache.entries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_larger_than_the_cache_is_told_and_not_kept() {
    let cache = Cache::new(10, 1 << 20, DEADLINE);
    let huge = format!("{{\"results\" : [ \"{}\" ]}}", "x".repeat(2 << 20));
    let cell = Grid::new(1.0, 0.02).cell(at(1.0));
    cache.put(cell, Page::places(huge.as_bytes(), None).unwrap(), Instant::now());
    assert_eq!((cache.entries(), cache.bytes()), (0, 0));
}
