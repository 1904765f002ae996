//! GeoNames: one place a line in 19 columns between tabs.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use super::{
    Gathered, ImportError, Location, Progress,
    osm::{narrow, town_score},
};
use crate::nearby::embedded::{
    build::{Record, TextRef},
    kinds::Kind,
    place::{Coordinates, PlaceKey, Source},
    tags::kind_of_feature,
};

/// Columns of a line.
pub(super) const COLUMNS: usize = 19;

/// Longest line in bytes; GeoNames' longest are about 10,000, most of it alternate names.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Reads a file.
pub(super) fn read(
    path: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let failed = |error| ImportError::Read { path: path.into(), error };
    let file = File::open(path).map_err(failed)?;
    let of = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let (mut line, mut done) = (Vec::new(), 0);
    for number in 1.. {
        let wrong = |reason: &str| ImportError::Malformed {
            path: path.into(),
            at: Location::Line(number),
            reason: reason.to_owned(),
        };
        line.clear();
        let mut limited = std::io::Read::take(&mut file, LINE_BYTES_MAX);
        let length = limited.read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            break;
        }
        if length as u64 == LINE_BYTES_MAX {
            return Err(wrong("the line is longer than 1 MiB"));
        }
        done += length as u64;
        if number % 4096 == 0 {
            progress(Progress { path, pass: "rows", done, of });
        }
        let text = std::str::from_utf8(&line).map_err(|_| wrong("the line is not UTF-8"))?;
        let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            add(text, gathered).map_err(wrong)?;
        }
    }
    Ok(())
}

fn add(line: &str, gathered: &mut Gathered) -> Result<(), &'static str> {
    let columns: Vec<&str> = line.split('\t').collect();
    let Ok(columns) = <[&str; COLUMNS]>::try_from(columns) else {
        return Err("expected 19 columns between tabs");
    };
    let [id, name, _, others, lat, lng, class, code, country, _, admin1, ..] = columns;
    let id = id.parse().map_err(|_| "the first column should be a number")?;
    let degrees = |text: &str| text.parse::<f64>().map_err(|_| "columns 5 and 6 should be degrees");
    let at =
        Coordinates::from_degrees(degrees(lat)?, degrees(lng)?).ok_or("columns 5 and 6 lie off the globe")?;
    let population: f64 = match columns[14] {
        "" => 0.0,
        number => number.parse().map_err(|_| "column 15 should be a population")?,
    };
    let Some(kind) = kind_of_feature(class, code).filter(|_| !name.is_empty()) else { return Ok(()) };

    // States of the USA and the like have letters, elsewhere regions are mere numbers.
    let region =
        (!admin1.is_empty() && admin1.bytes().all(|byte| byte.is_ascii_alphabetic())).then_some(admin1);
    let parts = [Some(name), region, Some(country).filter(|country| !country.is_empty())];
    let label = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let key = PlaceKey::new(Source::GeoNames, id);
    let texts = &mut gathered.builder.texts;
    let label = if kind.name == "locality" { texts.add(&label) } else { TextRef::default() };
    // Most localities are hamlets that nobody counted: nothing belongs to them.
    if kind.name == "locality" && population > 0.0 {
        gathered.towns.add(key, at, population, false, label);
    }
    let record = Record {
        key,
        score: score(kind, population, others),
        at,
        name: texts.add(name),
        types: texts.add(&kind.types()),
        vicinity: TextRef::default(),
        locality: label,
        half: [0; 2],
    };
    gathered.builder.records.push(record);
    Ok(())
}

/// People make a town prominent, names in other languages anything else.
fn score(kind: &Kind, population: f64, other_names: &str) -> f32 {
    match kind.name {
        "locality" => town_score(population.max(100.0)),
        "neighborhood" => town_score((population / 10.0).max(60.0)),
        // Countries and regions are points in answers only where nothing else is.
        _ if kind.is_political() => 30.0,
        _ => {
            let names = other_names.split(',').filter(|name| !name.is_empty()).count();
            narrow(f64::from(kind.weight)) + 2.0 * f32::from(u8::try_from(names).unwrap_or(u8::MAX)).min(10.0)
        }
    }
}
