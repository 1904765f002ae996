//! What the project promises of its speed, beside what was measured.

use super::{
    contender::Contender::{self, Asyncio, Echo, Herd, HerdLogging, RedisGeoadd, RedisSet},
    iamat::{LOADS, Table},
    sample::Figure,
};

/// What the goals are about.
#[derive(Debug)]
pub(super) struct Goals<'a> {
    pub(super) iamat: &'a Table,
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

impl Goals<'_> {
    /// All of them, as a Markdown table.
    pub(super) fn print(&self) -> String {
        let rows = self.all().into_iter().map(|goal| {
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

    fn all(&self) -> Vec<Goal> {
        let mut goals = vec![
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
        ];
        goals.push(Goal {
            what: format!("{}: requests/s, {}", title(FLOOD), Herd.title()),
            bound: Bound::AtLeast(6_000_000.0),
            measured: self.iamat.cell(Herd, FLOOD).map(|cell| cell.rate.median()),
        });
        goals
    }

    fn against(&self, contender: Contender, other: Contender, load: usize, bound: f64) -> Goal {
        Goal {
            what: format!("{}: CPU of {} / {}", title(load), contender.title(), other.title()),
            bound: Bound::AtMost(bound),
            measured: self.iamat.ratio(contender, other, load),
        }
    }

    fn cost(&self, contender: Contender, bound: f64) -> Goal {
        Goal {
            what: format!("{}: CPU-s/M, {}", title(FLOOD), contender.title()),
            bound: Bound::AtMost(bound),
            measured: self.iamat.cell(contender, FLOOD).map(|cell| cell.cost.median()),
        }
    }
}

impl Goal {
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
        let verdict = |bound, measured| Goal { what: String::new(), bound, measured }.verdict();
        assert_eq!(verdict(Bound::AtMost(1.5), Some(1.5)), "yes");
        assert_eq!(verdict(Bound::AtMost(1.5), Some(3.0)), "**no**, by 2.00x");
        assert_eq!(verdict(Bound::AtLeast(6e6), Some(3e6)), "**no**, by 2.00x");
        assert_eq!(verdict(Bound::AtLeast(6e6), Some(7e6)), "yes");
        assert_eq!(verdict(Bound::AtLeast(6e6), None), "-");
    }
}
