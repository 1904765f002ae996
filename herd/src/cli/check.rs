//! `herd check`: a configuration as a picture, and what would break the herd that it describes.

use std::{io::Write, path::PathBuf};

use anyhow::anyhow;

use super::{Failure, drawing, output::output};
use crate::{
    config::{Config, NearbyConfig, Preset, Shape},
    digits::counted,
    nearby::{MessagesConfig, NearbyError, PlacesConfig, embedded::Embedded, messages::Messages},
};

/// Reads a configuration and draws the herd.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; without one the preset goloman
    file: Option<PathBuf>,
    /// A herd that ships: goloman, farmar, riley or bailey
    #[arg(long, conflicts_with = "file")]
    preset: Option<Preset>,
    /// The configuration file, as the other commands take it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "preset"])]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = match args.file.as_ref().or(args.config.as_ref()) {
        Some(file) => Config::load(file)?,
        None => args.preset.unwrap_or_default().config()?,
    };
    let shape = Shape::new(config.servers.len(), config.edges());
    output().write_all(describe(&config, &shape).as_bytes())?;
    open_index(&config.nearby).map_err(|error| Failure::Wrong(error.into()))?;
    parts(&config).map_or(Ok(()), |parts| Err(Failure::Wrong(anyhow!(parts))))
}

/// Opens the file that the provider would answer from, if the configuration names one.
fn open_index(nearby: &NearbyConfig) -> Result<(), NearbyError> {
    match nearby {
        NearbyConfig::Places(PlacesConfig { index: Some(index), .. }) => {
            Embedded::open(Some(index))?;
        }
        NearbyConfig::Messages(MessagesConfig { index: Some(index), .. }) => {
            Messages::open(Some(index))?;
        }
        NearbyConfig::Places(_) | NearbyConfig::Messages(_) => {}
    }
    Ok(())
}

/// Which servers never hear of each other, if any.
pub(super) fn parts(config: &Config) -> Option<String> {
    let parts = Shape::new(config.servers.len(), config.edges()).parts;
    let named: Vec<String> = parts.iter().map(|part| list(config, part)).collect();
    (parts.len() > 1).then(|| format!("{} parts never hear each other: {}", parts.len(), named.join(" | ")))
}

fn describe(config: &Config, shape: &Shape) -> String {
    let names: Vec<&str> = config.servers.iter().map(|server| server.name.as_str()).collect();
    let name = |server: usize| names.get(server).copied().unwrap_or_default();
    let mut lines = vec![format!(
        "{}: {}, {}",
        config.name,
        counted(names.len(), "server"),
        counted(config.edges().len(), "link")
    )];
    if let Some(picture) = drawing::draw(&names, config.edges()) {
        lines.push(String::new());
        lines.extend(picture.into_iter().map(|line| format!("  {line}").trim_end().to_owned()));
    }
    lines.push(String::new());
    let widest = names.iter().map(|name| name.len()).max().unwrap_or_default();
    for server in &config.servers {
        let neighbours: Vec<String> =
            config.neighbours(&server.name).iter().map(ToString::to_string).collect();
        let neighbours = if neighbours.is_empty() { "nobody".to_owned() } else { neighbours.join(", ") };
        lines.push(format!("{:widest$}  talks with {neighbours}", server.name.as_str()));
    }
    lines.push(String::new());
    if let Some((from, to, hops)) = shape.diameter.filter(|_| shape.parts.len() == 1) {
        lines.push(format!("diameter: {}, {} to {}", counted(hops, "hop"), name(from), name(to)));
    }
    for &server in &shape.cut_servers {
        lines.push(format!("cut server: {} ({})", name(server), split_without(config, server)));
    }
    for &(a, b) in &shape.bridges {
        lines.push(format!("bridge: {}-{} (no other way between its ends)", name(a), name(b)));
    }
    let one_edge = |server: &&crate::config::Server| config.neighbours(&server.name).len() == 1;
    for server in config.servers.iter().filter(one_edge) {
        lines.push(format!("one link only: {}", server.name));
    }
    if names.len() == 1 {
        lines.push("one server only: nobody else knows what it knows".to_owned());
    } else if shape.parts.len() == 1 && shape.cut_servers.is_empty() && shape.bridges.is_empty() {
        lines.push(
            "no weak point: any one server or link may fail and the rest still hear each other".to_owned(),
        );
    }
    lines.join("\n") + "\n"
}

/// Which groups are left when one server is gone.
fn split_without(config: &Config, server: usize) -> String {
    let rest: Vec<_> = config.edges().iter().copied().filter(|&(a, b)| a != server && b != server).collect();
    let whole = Shape::new(config.servers.len(), config.edges()).parts;
    let around = whole.into_iter().find(|part| part.contains(&server)).unwrap_or_default();
    let parts = Shape::new(config.servers.len(), &rest).parts;
    let left =
        parts.iter().filter(|part| **part != [server] && part.iter().all(|server| around.contains(server)));
    let left: Vec<String> = left.map(|part| list(config, part)).collect();
    format!("without it: {}", left.join(" | "))
}

fn list(config: &Config, servers: &[usize]) -> String {
    let names =
        servers.iter().filter_map(|&server| config.servers.get(server)).map(|server| server.name.as_str());
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_herd_is_described() {
        let config = Preset::Goloman.config().unwrap();
        let text = describe(&config, &Shape::new(5, config.edges()));
        let (picture, words) = text.split_once("\n\nGoloman  talks").unwrap();
        assert!(picture.starts_with("goloman: 5 servers, 6 links\n"));
        assert_eq!(
            words,
            " with Hands, Holiday, Wilkes\n\
             Hands    talks with Goloman, Wilkes\n\
             Holiday  talks with Goloman, Welsh, Wilkes\n\
             Welsh    talks with Holiday\n\
             Wilkes   talks with Goloman, Hands, Holiday\n\
             \n\
             diameter: 3 hops, Hands to Welsh\n\
             cut server: Holiday (without it: Goloman Hands Wilkes | Welsh)\n\
             bridge: Holiday-Welsh (no other way between its ends)\n\
             one link only: Welsh\n"
        );
    }
}
