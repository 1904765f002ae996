//! Whether all five servers give the same answer for every client, and one that loses nothing.
//!
//! Time runs from the moment a fault has healed. Clients of the generation that ended then are asked about at all
//! servers at once; those that all agree about are done, the others are asked about again.

use std::{
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use super::{
    client::{Client, Failure},
    herd::name,
    ledger::{Expectation, Rank},
    load::Load,
    network::{SERVERS, Server},
};

/// Longest wait for agreement: far beyond what is promised, so that late is told from never.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// Longest wait for replies that are still on their way.
const REPLIES_MAX: Duration = Duration::from_secs(5);
/// Time between two looks.
const TICK: Duration = Duration::from_millis(5);
/// Most losses kept in words.
const WORDS_MAX: usize = 5;

/// What came of waiting.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Time from healing to agreement; none if there was none.
    pub(super) after: Option<Duration>,
    pub(super) clients: usize,
    /// Clients whose acknowledged report some server does not have in the end.
    pub(super) lost: u64,
    /// The first of them, and of those that servers differ about, in words.
    pub(super) words: Vec<String>,
}

/// Waits until all servers agree about the clients of a generation, or all.
pub(super) fn wait(load: &Load<'_>, generation: Option<usize>, healed_at: Instant) -> Agreement {
    let asked_at = Instant::now();
    while load.ledger.is_waiting(generation) && asked_at.elapsed() < REPLIES_MAX {
        thread::sleep(TICK);
    }
    let mut pending = load.ledger.expectations(generation);
    let clients = pending.len();
    loop {
        let looked_at = Instant::now();
        let answers = ask_all(load, &pending);
        let verdicts: Vec<Verdict> =
            pending.iter().zip(&answers).map(|(expected, answers)| judge(load, expected, answers)).collect();
        if verdicts.iter().all(|verdict| *verdict == Verdict::Agreed) {
            return Agreement { after: Some(healed_at.elapsed()), clients, ..Agreement::default() };
        }
        if healed_at.elapsed() > PATIENCE {
            let open = pending.iter().zip(&answers).zip(&verdicts);
            let words = open.filter(|(_, verdict)| **verdict != Verdict::Agreed);
            let words = words.map(|((expected, answers), _)| format!("{}: {answers:?}", expected.describe()));
            let lost = verdicts.iter().filter(|verdict| **verdict == Verdict::Lost).count() as u64;
            return Agreement { after: None, clients, lost, words: words.take(WORDS_MAX).collect() };
        }
        let mut verdicts = verdicts.into_iter();
        pending.retain(|_| verdicts.next() != Some(Verdict::Agreed));
        thread::sleep(TICK.saturating_sub(looked_at.elapsed()));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All servers answer the same, and nothing is lost by it.
    Agreed,
    /// Some server does not answer, or they differ though each would do.
    Open,
    /// Some server answers with less than was acknowledged.
    Lost,
}

fn judge(load: &Load<'_>, expected: &Expectation, answers: &[Option<String>]) -> Verdict {
    let rank = |answer: &String| -> Option<Rank> {
        match load.ledger.rank(&expected.client, answer) {
            Ok(rank) => Some(rank),
            Err(_) if answer.starts_with("? ") => None,
            Err(wrong) => {
                load.wrong(wrong);
                None
            }
        }
    };
    let known: Vec<Option<Rank>> = answers.iter().flatten().map(rank).collect();
    if known.len() < answers.len() {
        Verdict::Open
    } else if !known.iter().all(|rank| expected.is_met_by(rank.as_ref())) {
        Verdict::Lost
    } else if answers.windows(2).all(|pair| matches!(pair, [a, b] if a == b)) {
        Verdict::Agreed
    } else {
        Verdict::Open
    }
}

/// What each server answers about each client, client by client; none where it does not answer.
fn ask_all(load: &Load<'_>, expectations: &[Expectation]) -> Vec<Vec<Option<String>>> {
    let clients: Vec<&str> = expectations.iter().map(|expected| expected.client.as_str()).collect();
    let mut of_servers: Vec<_> = thread::scope(|scope| {
        let ask = |server| {
            let clients = &clients;
            scope.spawn(move || ask(load, server, clients).unwrap_or_default().into_iter())
        };
        let asking: Vec<_> = (0..SERVERS.len()).map(ask).collect();
        asking.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
    });
    clients.iter().map(|_| of_servers.iter_mut().map(Iterator::next).collect()).collect()
}

fn ask(load: &Load<'_>, server: Server, clients: &[&str]) -> Result<Vec<String>, Failure> {
    let never = AtomicBool::new(false);
    if let Err(error) = load.herd.network.place(server).enter() {
        load.wrong(format!("{} cannot be reached: {error:#}", name(server)));
        return Err(Failure::Excused);
    }
    Client::connect(load.herd, server, &never)?.ask(clients)
}
