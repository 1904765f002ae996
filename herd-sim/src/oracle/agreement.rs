//! What servers that are all connected must agree on: the same, and the best of what any of them knew.

use std::collections::BTreeMap;

use herd_core::{node::Node, server::Name, time::Timestamp};

use super::{Held, Known, Rules, SLACK_MIN, Told, at_line, held::Entry, shown};

/// Whether servers that are all connected hold the same, and the best of what any of them knew; says what is amiss.
pub(crate) fn agreement(
    servers: &[(&Name, &Node, &Held, Timestamp)],
    told: &Told,
    rules: &Rules,
) -> Result<(), String> {
    let digests: Vec<_> =
        servers.iter().map(|(name, node, ..)| (name, node.digest(), node.clients())).collect();
    if digests.windows(2).any(|pair| matches!(pair, [(_, a, _), (_, b, _)] if a != b)) {
        return Err(format!("servers differ: {digests:?}"));
    }
    let mut best: BTreeMap<&[u8], &Known> = BTreeMap::new();
    for (_, _, held, _) in servers {
        for (client, Entry { known, .. }) in &held.0 {
            let winner = best.entry(client).or_insert(known);
            *winner = (*winner).max(known);
        }
    }
    if let Some(max) = rules.clients_max {
        // Clocks that are apart do not agree on who has been silent for longest.
        if rules.slack > SLACK_MIN {
            best.clear();
        }
        // Not when the report that wins was taken: one that counts as of a minute ahead wins against later ones, which
        // kept its client's place while others had to go.
        let mut heard: Vec<_> = best.keys().map(|client| told.heard_at(client)).collect();
        heard.sort_unstable();
        return servers.iter().try_for_each(|&(server, node, _, clock)| {
            let is_right = |client: &[u8], known: &Known| {
                // One that had to go, and wins against what came since, may be back from a server that kept it.
                at_line(node, client, clock)
                    .is_some_and(|answer| told.find(client, &answer).is_some_and(|told| told >= known))
            };
            bounded(server, node, &best, (max, &heard), is_right)
        });
    }
    for &(server, node, _, clock) in servers {
        for (client, known) in &best {
            let answer = at_line(node, client, clock);
            let expected = known.print(client);
            let is_right = match &answer {
                Some(line) => *line == expected && !rules.is_surely_expired(known.received_at, clock),
                None => rules.may_be_expired(known.received_at, clock),
            };
            if !is_right {
                let answer = answer.unwrap_or_default();
                return Err(format!("{server} answers '{}', not '{}'", shown(&answer), shown(&expected)));
            }
        }
    }
    Ok(())
}

/// A full table holds no more than it may, and nearly all of those heard of last; `heard` says when all were, in order.
fn bounded(
    server: &Name,
    node: &Node,
    best: &BTreeMap<&[u8], &Known>,
    (max, heard): (usize, &[Timestamp]),
    is_right: impl Fn(&[u8], &Known) -> bool,
) -> Result<(), String> {
    if node.clients() > max {
        return Err(format!("{server} holds {} clients of at most {max}", node.clients()));
    }
    // Making room drops 1/256 more than needed, and each of two neighbours may have done so.
    let kept = max.saturating_sub(max / 128 + 2);
    for (client, known) in best {
        let as_late = heard.len() - heard.partition_point(|at| *at < known.received_at);
        if as_late <= kept && !is_right(client, known) {
            return Err(format!("{server} forgot a client that was not silent: {}", shown(client)));
        }
    }
    Ok(())
}
