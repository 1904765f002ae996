//! `herd places`: making place indexes, and an operator's orders about the provider of a running server.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    time::Instant,
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Failure,
    order::{OrderArgs, order},
    output::output,
};
use crate::nearby::embedded::import::{self, ImportSummary, Progress};

/// Arguments of `herd places`.
#[derive(Debug, clap::Args)]
pub(super) struct PlacesArgs {
    #[command(subcommand)]
    command: PlacesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PlacesCommand {
    /// Makes one place index of OpenStreetMap PBF and XML and GeoNames TSV files
    Import(ImportArgs),
    /// Stops asking the provider of a running server, be it of places or of messages; what is cached is still told
    Pause(OrderArgs),
    /// Asks the provider again
    Resume(OrderArgs),
    /// Says how things stand with the provider
    Status(OrderArgs),
}

/// Arguments of `herd places import`.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// Files to read: .osm.pbf, .osm, GeoNames .txt; of a place that is in several the first counts
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Index to write; name it in the configuration as `[places] index = "..."`
    #[arg(short, long, value_name = "INDEX")]
    output: PathBuf,
}

/// Runs `herd places`.
///
/// # Errors
/// The import failed, the server cannot be reached or did not obey.
pub(super) fn run(args: &PlacesArgs) -> Result<(), Failure> {
    match &args.command {
        PlacesCommand::Import(args) => report(args).map_err(Failure::AtWork),
        PlacesCommand::Pause(args) => say(args, "places pause"),
        PlacesCommand::Resume(args) => say(args, "places resume"),
        PlacesCommand::Status(args) => say(args, "places status"),
    }
}

/// Gives an order and prints the reply.
fn say(args: &OrderArgs, words: &str) -> Result<(), Failure> {
    let said = order(args, words)?;
    Ok(writeln!(output(), "{said}")?)
}

/// Imports and says what came of it.
///
/// # Errors
/// The import failed.
fn report(args: &ImportArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let summary = import(args)?;
    let each = summary.bytes / u64::try_from(summary.places.max(1)).unwrap_or(1);
    let mut out = output();
    writeln!(
        out,
        "{}: {} places, {} bytes ({each} a place), {:.1} s",
        args.output.display(),
        summary.places,
        summary.bytes,
        began.elapsed().as_secs_f64()
    )?;
    if summary.unlocated > 0 {
        writeln!(out, "{} places left out: what they are made of is not in the file", summary.unlocated)?;
    }
    Ok(())
}

/// Imports, with a progress bar if a person looks at standard error.
///
/// # Errors
/// An input cannot be read or is malformed, or the output cannot be written.
fn import(args: &ImportArgs) -> anyhow::Result<ImportSummary> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{msg} {wide_bar} {percent}%").context("progress bar")?);
    let summary = import::import(&args.inputs, &args.output, &mut |progress: Progress<'_>| {
        let name = progress.path.file_name().unwrap_or_default().to_string_lossy();
        bar.set_message(format!("{name}: {}", progress.pass));
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    Ok(summary?)
}
