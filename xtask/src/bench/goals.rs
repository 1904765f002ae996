//! What the project promises of its speed, beside what was measured.

use super::{
    contender::Contender::{self, Asyncio, Echo, Herd, HerdLogging, RedisGeoadd, RedisSet},
    curves::{self, Curve},
    five,
    footprint::{Footprint, precise},
    iamat::{Cell, LOADS, Table},
    paced::{self, RATES},
    pauses::Pauses,
    propagation::{Way, Ways},
    questions::Questions,
    sample::Figure,
    whatsat::Whatsat,
};

/// All that was measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) iamat: Option<Table>,
    pub(super) five: Option<[five::Row; 2]>,
    pub(super) ways: Option<Ways>,
    pub(super) paced: Option<Vec<paced::Row>>,
    pub(super) whatsat: Option<Whatsat>,
    pub(super) questions: Option<Questions>,
    pub(super) footprint: Option<Footprint>,
    pub(super) pauses: Option<Pauses>,
    pub(super) curves: Option<Vec<Curve>>,
}

/// One promise: a measured value that is to lie on one side of a bound.
#[derive(Debug)]
struct Goal {
    what: String,
    bound: Bound,
    /// `None` if it was not measured.
    measured: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// The loads of [`LOADS`], by what they are about.
const SINGLE: usize = 0;
const BATCHES: usize = 1;
const FLOOD: usize = 2;

impl Results {
    /// The promises and what came of them, then all the rest, as Markdown.
    pub(super) fn print(&self) -> String {
        let mut text = self.print_goals();
        text.extend(self.iamat.as_ref().map(Table::print));
        text.extend(self.five.as_ref().map(|rows| five::print(rows)));
        text.extend(self.ways.as_ref().map(Ways::print));
        text.extend(self.paced.as_ref().map(|rows| paced::print(rows)));
        text.extend(self.whatsat.as_ref().map(Whatsat::print));
        text.extend(self.questions.as_ref().map(Questions::print));
        text.extend(self.footprint.as_ref().map(Footprint::print));
        text.extend(self.pauses.as_ref().map(Pauses::print));
        text.extend(self.curves.as_ref().map(|curves| curves::print(curves)));
        text
    }

    fn print_goals(&self) -> String {
        let rows = self.goals().into_iter().map(|goal| {
            let bound = match goal.bound {
                Bound::AtMost(bound) => format!("<= {}", Figure(bound)),
                Bound::AtLeast(bound) => format!(">= {}", Figure(bound)),
            };
            let measured =
                goal.measured.map_or_else(|| "not measured".to_owned(), |value| Figure(value).to_string());
            format!("| {} | {bound} | {measured} | {} |\n", goal.what, goal.verdict())
        });
        format!("\n| promised | bound | measured | kept |\n|---|---|---|---|\n{}", rows.collect::<String>())
    }

    fn goals(&self) -> Vec<Goal> {
        let mut goals = self.goals_of_one();
        goals.extend(self.goals_of_many());
        goals.extend(self.goals_of_ways());
        goals.extend(self.goals_of_footprint());
        goals
    }

    fn goals_of_one(&self) -> Vec<Goal> {
        let rate = self.cell(Herd, FLOOD).map(|cell| cell.rate.median());
        vec![
            self.against(HerdLogging, Echo, SINGLE, 1.15),
            self.against(Herd, Echo, BATCHES, 1.5),
            self.against(HerdLogging, Echo, BATCHES, 1.8),
            self.against(Herd, RedisSet, BATCHES, 1.0 / 3.0),
            self.against(Herd, RedisGeoadd, BATCHES, 1.0 / 10.0),
            self.against(Herd, Asyncio, BATCHES, 1.0 / 18.0),
            self.cost(Herd, 0.15),
            self.cost(HerdLogging, 0.25),
            self.against(Herd, RedisSet, FLOOD, 1.0 / 6.5),
            self.against(Herd, RedisGeoadd, FLOOD, 1.0 / 35.0),
            self.against(Herd, Asyncio, FLOOD, 1.0 / 55.0),
            Goal::new("4x1000: requests/s, **herd**, log off", Bound::AtLeast(6_000_000.0), rate),
        ]
    }

    fn goals_of_many(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for (at, pace, bound) in [(0, "1,000 in flight", 0.75), (1, "window 16", 1.2)] {
            let row = self.five.as_ref().and_then(|rows| rows.get(at));
            let what = format!("five servers, {pace}: CPU-s/M of all five");
            goals.push(Goal::new(&what, Bound::AtMost(bound), row.map(|row| row.cost.median())));
            let what = format!("five servers, {pace}: last report everywhere, ms after its reply");
            goals.push(Goal::new(&what, Bound::AtMost(5.0), row.map(|row| row.settled.median())));
        }
        goals
    }

    fn goals_of_ways(&self) -> Vec<Goal> {
        let others = [
            (Way::Relay, "raw relay", 1.25),
            (Way::Redis, "Redis with a replica", 1.0),
            (Way::Nats, "NATS over two servers", 0.8),
        ];
        let mut goals = Vec::new();
        for (other, title, bound) in others {
            let ratio = self.ways.as_ref().and_then(|ways| ways.ratio(other));
            goals.push(Goal::new(&format!("propagation, p50: herd / {title}"), Bound::AtMost(bound), ratio));
        }
        for rate in RATES {
            let rows = self.paced.iter().flatten();
            let row = rows.into_iter().find(|row| (row.hops, row.rate) == (2, rate));
            let what = format!("five servers, two hops, {}/s at even times", Figure(rate.into()));
            let (p50, p99) = (row.map(|row| row.p50.median()), row.map(|row| row.p99.median()));
            goals.push(Goal::new(&format!("{what}: p50, us"), Bound::AtMost(200.0), p50));
            goals.push(Goal::new(&format!("{what}: p99, us"), Bound::AtMost(1000.0), p99));
        }
        goals
    }

    fn goals_of_footprint(&self) -> Vec<Goal> {
        let footprint = self.footprint.as_ref();
        let mut goals = Vec::new();
        for (at, usual) in [(0, 1_000_000), (1, 10_000_000)] {
            let found = footprint.and_then(|found| found.clients.get(at).copied());
            let (count, bytes) = found.map_or((usual, None), |(count, bytes)| (count, Some(bytes)));
            let what = format!("memory per client at {}, bytes", Figure(precise(count)));
            goals.push(Goal::new(&what, Bound::AtMost(90.0), bytes));
        }
        let count = footprint.map_or(1_000_000, |found| found.table.0);
        let what = format!("a table of {} to an empty neighbour, ms", Figure(precise(count)));
        let table = footprint.map(|found| found.table.1.median());
        goals.push(Goal::new(&what, Bound::AtMost(150.0), table));
        let record = footprint.map(|found| found.record.median());
        let idle = footprint.map(|found| found.idle);
        let rates = self.whatsat.as_ref().map(Whatsat::rates_on_two_cores);
        let p99 = self.questions.as_ref().map(|found| found.p99.median());
        let pauses = self.pauses.as_ref();
        let grown = Figure(precise(pauses.map_or(10_000_000, |pauses| pauses.clients)));
        let pause = format!("longest pause while growing to {grown}, ms");
        let longest = pauses.map(|pauses| pauses.longest.median());
        let questions = "WHATSAT out of 1,000,000 places, a second on 2 cores";
        goals.extend([
            Goal::new("the same, bytes a record", Bound::AtMost(60.0), record),
            Goal::new(&pause, Bound::AtMost(2.0), longest),
            Goal::new(questions, Bound::AtLeast(100_000.0), rates.map(|[from_index, _]| from_index)),
            Goal::new(
                "the same from the cache",
                Bound::AtLeast(100_000.0),
                rates.map(|[_, from_cache]| from_cache),
            ),
            Goal::new("WHATSAT out of 1,000,000 places at 50,000 a second: p99, ms", Bound::AtMost(2.0), p99),
            Goal::new("memory per idle connection, bytes", Bound::AtMost(8192.0), idle),
        ]);
        goals
    }

    fn cell(&self, contender: Contender, load: usize) -> Option<&Cell> {
        self.iamat.as_ref()?.cell(contender, load)
    }

    fn against(&self, contender: Contender, other: Contender, load: usize, bound: f64) -> Goal {
        let what = format!("{}: CPU of {} / {}", title(load), contender.title(), other.title());
        let ratio = self.iamat.as_ref().and_then(|table| table.ratio(contender, other, load));
        Goal::new(&what, Bound::AtMost(bound), ratio)
    }

    fn cost(&self, contender: Contender, bound: f64) -> Goal {
        let what = format!("{}: CPU-s/M, {}", title(FLOOD), contender.title());
        Goal::new(&what, Bound::AtMost(bound), self.cell(contender, FLOOD).map(|cell| cell.cost.median()))
    }
}

impl Goal {
    fn new(what: &str, bound: Bound, measured: Option<f64>) -> Self {
        Self { what: what.to_owned(), bound, measured }
    }

    fn verdict(&self) -> String {
        let Some(measured) = self.measured else { return "-".to_owned() };
        let excess = match self.bound {
            Bound::AtMost(bound) => measured / bound,
            Bound::AtLeast(bound) => bound / measured,
        };
        if excess <= 1.0 { "yes".to_owned() } else { format!("**no**, by {}x", Figure(excess)) }
    }
}

fn title(load: usize) -> String {
    LOADS.get(load).map(|load| format!("{}x{}", load.connections, load.window)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_kept_on_its_side_of_the_bound() {
        let verdict = |bound, measured| Goal::new("", bound, measured).verdict();
        assert_eq!(verdict(Bound::AtMost(1.5), Some(1.5)), "yes");
        assert_eq!(verdict(Bound::AtMost(1.5), Some(3.0)), "**no**, by 2.00x");
        assert_eq!(verdict(Bound::AtLeast(6e6), Some(3e6)), "**no**, by 2.00x");
        assert_eq!(verdict(Bound::AtLeast(6e6), Some(7e6)), "yes");
        assert_eq!(verdict(Bound::AtLeast(6e6), None), "-");
    }
}
