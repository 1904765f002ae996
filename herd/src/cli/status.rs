//! `herd status`: how a running server stands with its neighbours.

use std::io::Write;

use anyhow::Context;

use super::{
    Failure,
    order::{OrderArgs, order},
    output::output,
};
use crate::{
    digits::counted,
    frontends::admin::status::{LinkStatus, Status},
};

/// The heads of the columns.
const HEADS: [&str; 9] =
    ["link", "state", "synced", "lag", "sent", "received", "redials", "copied", "healed"];

/// Shows how a server stands with its neighbours.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: OrderArgs,
    /// Prints what the server said, one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let said = order(&args.server, "status")?;
    let mut out = output();
    if args.json {
        return Ok(writeln!(out, "{said}")?);
    }
    let status: Status =
        serde_json::from_str(&said).context("the server says what this program cannot read")?;
    Ok(out.write_all(print(&status).as_bytes())?)
}

/// The status for people: a head line, and a line per neighbour with its columns aligned.
fn print(status: &Status) -> String {
    let heads = HEADS.map(str::to_owned);
    let rows: Vec<_> = [heads].into_iter().chain(status.links.iter().map(row)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let widths: Vec<_> = (0..HEADS.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = format!("{}: {}\n", status.server, counted(status.clients, "client"));
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    for link in status.links.iter().filter(|link| link.state == "down") {
        if let Some(why) = &link.ended {
            text += &format!("{}: {why}\n", link.neighbour);
        }
    }
    let names = |reachable: bool| {
        let members = status.members.iter().filter(move |member| member.is_reachable == reachable);
        members.map(|member| member.server.as_str()).collect::<Vec<_>>()
    };
    text += &format!("reachable: {}\n", names(true).join(" "));
    if !names(false).is_empty() {
        text += &format!("out of reach: {}\n", names(false).join(" "));
    }
    if let Some(disk) = &status.disk {
        let said = match (disk.lag_bytes, disk.unsynced_ms) {
            (0, None) => "all written and synced".to_owned(),
            (0, Some(ms)) => format!("all written, not synced for {ms} ms"),
            (lag, None) => format!("{} not written yet, the rest synced", bytes(lag)),
            (lag, Some(ms)) => format!("{} not written yet, not synced for {ms} ms", bytes(lag)),
        };
        text += &format!("disk: {said}\n");
        if let Some(error) = &disk.error {
            text += &format!("disk: {error}\n");
        }
    }
    text
}

fn row(link: &LinkStatus) -> [String; HEADS.len()] {
    let lag = link
        .lag_reports
        .zip(link.lag_ms)
        .map(|(reports, ms)| format!("{}, {ms} ms", counted(reports, "report")));
    [
        link.neighbour.clone(),
        link.state.clone(),
        if link.is_synced { "yes" } else { "no" }.to_owned(),
        lag.unwrap_or_else(|| "-".to_owned()),
        bytes(link.sent_bytes),
        bytes(link.received_bytes),
        link.redials.to_string(),
        link.copied.to_string(),
        link.healed.to_string(),
    ]
}

/// A number of bytes in the largest unit that leaves at least 10 of it.
fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(10 << 30, "GiB"), (10 << 20, "MiB"), (10 << 10, "KiB")];
    let unit = UNITS.iter().find(|(least, _)| number >= *least);
    unit.map_or_else(|| format!("{number} B"), |(least, name)| format!("{} {name}", number / (least / 10)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontends::admin::status::{DiskStatus, MemberStatus};

    #[test]
    fn a_status_is_a_table_with_the_reasons_below() {
        let up = LinkStatus {
            neighbour: "Hands".to_owned(),
            state: "dialled".to_owned(),
            address: Some("127.0.0.1:12301".to_owned()),
            is_synced: true,
            lag_reports: Some(3),
            lag_ms: Some(1),
            sent_bytes: 10 << 20,
            received_bytes: 999,
            links: 2,
            redials: 4,
            copied: 17,
            healed: 0,
            ended: Some("the neighbour closed the connection".to_owned()),
        };
        let down = LinkStatus {
            neighbour: "Holiday".to_owned(),
            state: "down".to_owned(),
            is_synced: false,
            lag_reports: None,
            lag_ms: None,
            ended: Some("connection refused".to_owned()),
            ..up.clone()
        };
        let member = |name: &str, is_reachable| MemberStatus {
            server: name.to_owned(),
            is_reachable,
            incarnation: "0123456789abcdef".to_owned(),
            address: None,
            links: Vec::new(),
        };
        let members = vec![member("Goloman", true), member("Hands", true), member("Holiday", false)];
        let disk =
            Some(DiskStatus { lag_bytes: 52, unsynced_ms: Some(4), error: Some("disk full".to_owned()) });
        let status =
            Status { server: "Goloman".to_owned(), clients: 5, links: vec![up, down], members, disk };
        let expected = "\
Goloman: 5 clients
link     state    synced  lag              sent    received  redials  copied  healed
Hands    dialled  yes     3 reports, 1 ms  10 MiB  999 B     4        17      0
Holiday  down     no      -                10 MiB  999 B     4        17      0
Holiday: connection refused
reachable: Goloman Hands
out of reach: Holiday
disk: 52 B not written yet, not synced for 4 ms
disk: disk full
";
        assert_eq!(print(&status), expected);
    }
}
