//! All that stands between a question and a provider behind a network: cache, single flight, breaker, budget, switch.
//!
//! A question is answered from the cache, or joins the flight that is fetching its page, or starts one if switch,
//! breaker and budget allow. A flight is a task of the gate's own: clients come and go without touching it. The one
//! thing to know: whether a flight may start is decided under the lock of `flights`, so two of one cell never do.

mod policy;
mod grid;
mod cache;
mod breaker;
mod ledger;
mod budget;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use herd_core::{command::Question, position::Position};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};

pub use self::policy::Policy;
use self::{
    breaker::{Breaker, Outcome, Permit},
    budget::{Budget, Exhausted, Spending},
    cache::Cache,
    grid::{Cell, Grid},
};
use super::upstream::{Inquiry, Page, Status, Upstream};
use crate::{clock::Clock, gateway::RemoteState, muffler::Muffler};

/// Most questions that wait for one flight, each with some hundred bytes: a quarter of all connections.
const WAITERS_MAX: usize = 4096;

/// Most flights at once, each with a task, a connection and up to a page of bytes in the making: 25 seconds of the
/// default rate, five default deadlines.
const FLIGHTS_MAX: usize = 256;

/// Time between two looks for pages whose time is over: so much longer than allowed one may stay in memory, where
/// nobody is told it any more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What a client is told whose deadline has come.
const LATE: &str = "the provider did not answer in time";

/// What a client is told that came while the operator had the provider paused.
pub(super) const PAUSED: &str = "paused by the operator";

/// What a client is told whose answer was on its way when the server had to stop.
const STOPS: &str = "the server stops";

/// What a gate has of its server.
#[derive(Clone, Debug)]
pub struct Home {
    /// Where the day's requests are counted.
    pub budget_file: PathBuf,
    /// Tells which day it is.
    pub clock: Clock,
}

/// See the module. Dropped, it ends its flights.
#[derive(Debug)]
pub struct Gate {
    inside: Arc<Inside>,
    /// The flights, and who sweeps the cache.
    tasks: Mutex<JoinSet<()>>,
}

struct Inside {
    upstream: Arc<dyn Upstream>,
    policy: Policy,
    deadline: Duration,
    clock: Clock,
    cache: Cache,
    /// What is being fetched. Flights publish their page once, just after they left this map.
    flights: Mutex<HashMap<Cell, watch::Sender<Option<Page>>>>,
    /// Whether none may start any more; changed under the lock of `flights`.
    is_stopped: AtomicBool,
    breaker: Mutex<Breaker>,
    budget: Budget,
    complaints: Muffler,
    counts: Counts,
}

/// Questions since the start.
#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    coalesced: AtomicU64,
    refused: AtomicU64,
}

/// How a question stands.
enum Joined {
    Told(Page),
    Waiting(watch::Receiver<Option<Page>>),
}

impl Gate {
    /// A gate before a provider, behind which a client waits until its deadline at most. An unusable budget is told to the operator, and
    /// nothing is spent until it is right.
    #[must_use]
    pub fn new(upstream: Arc<dyn Upstream>, policy: Policy, deadline: Duration, home: Home) -> Self {
        let ttl = policy.ttl.min(upstream.ttl_max());
        let inside = Arc::new(Inside {
            cache: Cache::new(policy.cache_entries, policy.cache_bytes, ttl),
            flights: Mutex::default(),
            is_stopped: AtomicBool::new(false),
            breaker: Mutex::default(),
            budget: Budget::new(policy.requests_per_second, policy.requests_per_day, home.budget_file),
            complaints: Muffler::default(),
            counts: Counts::default(),
            upstream,
            policy,
            deadline,
            clock: home.clock,
        });
        if let Err(error) = inside.budget.open() {
            tracing::error!(%error, "the provider is not asked");
        }
        Self { inside, tasks: Mutex::default() }
    }

    /// The complete bytes after the AT line, within the deadline. While the operator has the provider paused only the
    /// cache is asked, and flights that are under way. Whoever drops this leaves the flight to the others.
    pub async fn answer(&self, at: Position, question: Question, is_paused: bool) -> Vec<u8> {
        let deadline = Instant::now() + self.inside.deadline;
        let page = match self.join(at, question.radius_km, is_paused) {
            Joined::Told(page) => page,
            Joined::Waiting(mut flight) => {
                let landed = timeout_at(deadline, flight.wait_for(Option::is_some)).await;
                // An error is a flight that was lost, by a defect of ours only.
                landed
                    .ok()
                    .and_then(Result::ok)
                    .and_then(|page| page.clone())
                    .unwrap_or_else(|| self.inside.refuse(Status::UnknownError, LATE))
            }
        };
        page.answer(question.bound)
    }

    /// Tells all who wait that the server stops, and starts no more flights: what is in the cache is told as ever.
    pub fn stop(&self) {
        let mut flights = self.inside.flights.lock();
        self.inside.is_stopped.store(true, Relaxed);
        for flight in flights.drain().map(|(_, flight)| flight) {
            flight.send_replace(Some(self.inside.refuse(Status::UnknownError, STOPS)));
        }
    }

    /// Gives back what is left of the requests that were paid for; no more are made. Blocks on the disk.
    pub fn settle(&self) {
        if let Err(error) = self.inside.budget.close() {
            tracing::warn!(%error, "requests that were paid for are lost");
        }
    }

    /// The provider's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inside.upstream.name()
    }

    /// How things stand.
    #[must_use]
    pub fn state(&self) -> RemoteState {
        let Inside { clock, cache, breaker, budget, policy, counts, .. } = &*self.inside;
        let now = Instant::now();
        let balance = budget.balance(now, clock.read());
        RemoteState {
            breaker: breaker.lock().condition(now).as_str(),
            requests_today: balance.today,
            requests_per_day: policy.requests_per_day.into(),
            tokens: balance.tokens,
            entries: cache.entries(),
            bytes: cache.bytes(),
            hits: counts.hits.load(Relaxed),
            misses: counts.misses.load(Relaxed),
            coalesced: counts.coalesced.load(Relaxed),
            refused: counts.refused.load(Relaxed),
        }
    }

    /// Finds the page, or a flight that will bring it.
    fn join(&self, at: Position, radius_km: f64, is_paused: bool) -> Joined {
        let inside = &self.inside;
        let cell = Grid::new(radius_km, inside.policy.similarity).cell(at);
        let now = Instant::now();
        if let Some(page) = inside.cached(&cell, now) {
            return Joined::Told(page);
        }
        let mut flights = inside.flights.lock();
        if let Some(flight) = flights.get(&cell) {
            if flight.receiver_count() >= WAITERS_MAX {
                let message = "too many clients wait for the same answer";
                return Joined::Told(inside.refuse(Status::OverQueryLimit, message));
            }
            inside.counts.coalesced.fetch_add(1, Relaxed);
            return Joined::Waiting(flight.subscribe());
        }
        // It may have landed between the two looks.
        if let Some(page) = inside.cached(&cell, now) {
            return Joined::Told(page);
        }
        let is_stopped = inside.is_stopped.load(Relaxed);
        if is_paused || is_stopped {
            let why = if is_stopped { STOPS } else { PAUSED };
            return Joined::Told(inside.refuse(Status::UnknownError, why));
        }
        match inside.clear_to_start(flights.len(), now) {
            Ok((permit, spending)) => {
                let (sender, flight) = watch::channel(None);
                flights.insert(cell, sender);
                drop(flights);
                inside.counts.misses.fetch_add(1, Relaxed);
                let inquiry = Inquiry { at, radius_km };
                let mut tasks = self.tasks.lock();
                // The first flight brings the sweeper, which stays.
                if tasks.is_empty() {
                    tasks.spawn(Arc::clone(inside).sweep());
                }
                // Flights that landed are let go here: there are never more than flew at once, and one.
                while tasks.try_join_next().is_some() {}
                tasks.spawn(fly(
                    Departure { inside: Arc::clone(inside), cell, permit: Some(permit) },
                    spending,
                    inquiry,
                ));
                Joined::Waiting(flight)
            }
            Err(page) => Joined::Told(page),
        }
    }
}

impl Inside {
    fn cached(&self, cell: &Cell, now: Instant) -> Option<Page> {
        let page = self.cache.get(cell, now)?;
        self.counts.hits.fetch_add(1, Relaxed);
        Some(page)
    }

    /// The right to ask the provider, or the page that says why not.
    fn clear_to_start(&self, flights: usize, now: Instant) -> Result<(Permit, Spending), Page> {
        if flights >= FLIGHTS_MAX {
            return Err(
                self.refuse(Status::OverQueryLimit, "too many questions are on their way to the provider")
            );
        }
        let mut breaker = self.breaker.lock();
        let Some(permit) = breaker.admit(now) else {
            let message = "the provider fails and is left alone for a while";
            return Err(self.refuse(Status::UnknownError, message));
        };
        match self.budget.spend(now, self.clock.read()) {
            Ok(spending) => Ok((permit, spending)),
            Err(exhausted) => {
                breaker.settle(permit, Outcome::Untried, now);
                Err(self.over(exhausted))
            }
        }
    }

    /// Pays for more requests, then spends one.
    async fn pay(self: &Arc<Self>) -> Result<(), Page> {
        loop {
            let inside = Arc::clone(self);
            let reserved =
                spawn_blocking(move || inside.budget.reserve(Instant::now(), inside.clock.read())).await;
            match reserved {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    if let Some(refused) = self.complaints.count(1) {
                        tracing::error!(%error, refused, "the provider is not asked");
                    }
                    return Err(self.refuse(Status::OverQueryLimit, "the budget cannot be accounted for"));
                }
                // The runtime ends.
                Err(_) => return Err(self.refuse(Status::UnknownError, STOPS)),
            }
            // Others may have used up what was paid for; then pay again.
            match self.budget.spend(Instant::now(), self.clock.read()) {
                Ok(Spending::Done) => return Ok(()),
                Ok(Spending::Short) => {}
                Err(exhausted) => return Err(self.over(exhausted)),
            }
        }
    }

    /// One request, if it is paid for.
    async fn ask(&self, paid: Result<(), Page>, inquiry: Inquiry) -> (Outcome, Page) {
        if let Err(page) = paid {
            return (Outcome::Untried, page);
        }
        // Providers keep the deadline themselves; one that does not must not hold its place for ever.
        match timeout(2 * self.deadline, self.upstream.fetch(inquiry)).await {
            Ok(Ok(page)) => (Outcome::Answered, page),
            // Who asks nonsense must not close the gate for all others.
            Ok(Err(page)) if page.failure() == Some(Status::InvalidRequest) => (Outcome::Answered, page),
            Ok(Err(page)) => (Outcome::Failed, page),
            Err(_) => (Outcome::Failed, self.refuse(Status::UnknownError, LATE)),
        }
    }

    fn over(&self, exhausted: Exhausted) -> Page {
        self.refuse(Status::OverQueryLimit, &exhausted.to_string())
    }

    /// An error page of our own, counted.
    fn refuse(&self, status: Status, message: &str) -> Page {
        self.counts.refused.fetch_add(1, Relaxed);
        self.upstream.refusal(status, message)
    }

    fn settle(&self, permit: Permit, outcome: Outcome) {
        let now = Instant::now();
        let mut breaker = self.breaker.lock();
        if breaker.settle(permit, outcome, now) {
            tracing::warn!(provider = self.upstream.name(), breaker = breaker.condition(now).as_str());
        }
    }

    async fn sweep(self: Arc<Self>) {
        let mut every = interval(SWEEP_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            self.cache.sweep(Instant::now());
        }
    }
}

/// Fetches the page of a cell, keeps it if it may be kept, and tells it to all who wait.
async fn fly(mut departure: Departure, spending: Spending, inquiry: Inquiry) {
    let inside = Arc::clone(&departure.inside);
    let paid = if spending == Spending::Short { inside.pay().await } else { Ok(()) };
    let generation = inside.upstream.generation();
    let (mut outcome, mut page) = inside.ask(paid, inquiry).await;
    if outcome == Outcome::Failed && inside.upstream.generation() != generation {
        (outcome, page) = inside.ask(inside.pay().await, inquiry).await;
    }
    departure.land(outcome, Some(page));
}

/// A flight's place in the gate, given up when it lands or is lost.
struct Departure {
    inside: Arc<Inside>,
    cell: Cell,
    /// There until it has landed.
    permit: Option<Permit>,
}

impl Departure {
    fn land(&mut self, outcome: Outcome, page: Option<Page>) {
        let Some(permit) = self.permit.take() else { return };
        let Inside { cache, flights, .. } = &*self.inside;
        self.inside.settle(permit, outcome);
        if let Some(page) = page.as_ref().filter(|page| page.is_cacheable()) {
            cache.put(self.cell, page.clone(), Instant::now());
        }
        // After the cache has it: who finds no flight finds the page.
        if let Some(flight) = flights.lock().remove(&self.cell) {
            // Without a page the end of the flight tells that it was lost.
            let _ = page.map(|page| flight.send_replace(Some(page)));
        }
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.land(Outcome::Failed, None);
    }
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inside")
            .field("upstream", &self.upstream)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
