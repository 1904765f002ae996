//! How long one report takes at most while the table grows from nothing: the node alone, by its thread's CPU clock.

use super::{
    Options,
    contender::rig,
    footprint::precise,
    process::{number, output},
    sample::{Figure, Sample},
};

/// What was found; milliseconds.
#[derive(Debug)]
pub(super) struct Pauses {
    pub(super) clients: u64,
    pub(super) longest: Sample,
    /// By the wall clock, with all that the machine did meanwhile.
    longest_by_wall: Sample,
}

/// # Errors
/// The node does not grow.
pub(super) fn measure(options: &Options) -> anyhow::Result<Pauses> {
    let clients = 10 * options.clients;
    let mut pauses = Pauses { clients, longest: Sample::default(), longest_by_wall: Sample::default() };
    for round in 1..=options.rounds {
        println!("   round {round} of {}", options.rounds);
        let found = output(&rig(&["grow", "--clients", &clients.to_string()]))?;
        pauses.longest.add(number(&found, "longest_ms")?);
        pauses.longest_by_wall.add(number(&found, "longest_by_wall_ms")?);
    }
    Ok(pauses)
}

impl Pauses {
    /// As Markdown.
    pub(super) fn print(&self) -> String {
        format!(
            "\nA table that grows from nothing to {} clients, one report after the other, in one thread without a server \
             around it: the longest report took {} ms of its thread's CPU time (spread {:.0} %), and {} ms by the wall clock, \
             in which others had the core, too.\n",
            Figure(precise(self.clients)),
            Figure(self.longest.median()),
            self.longest.spread() * 100.0,
            Figure(self.longest_by_wall.median()),
        )
    }
}
