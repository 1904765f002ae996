//! What one life of one server knows, and whether what it takes, refuses and answers follows from that.

use std::collections::BTreeMap;

use herd_core::{limits::FUTURE_TOLERANCE, node::Node, server::Name, time::Timestamp, wire::record::Record};

use crate::client::Said;

use super::{Known, POISON, Rules, Told, reports, shown};

/// The reports that one life of one server knows.
#[derive(Debug, Default)]
pub(crate) struct Held(pub(super) BTreeMap<Vec<u8>, Entry>);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) known: Known,
    /// The neighbour it was learned from, and which life of it.
    from: Option<(Name, u64)>,
    /// When it was learned, and what was known before, in nanoseconds since the start.
    past: Vec<(u64, Known)>,
}

impl Held {
    /// Takes in records that the node took for news, from a neighbour if not from clients; says why they cannot be.
    pub(crate) fn learn(
        &mut self,
        node: &Node,
        records: &[u8],
        (clock, now): (Timestamp, u64),
        from: Option<(&Name, u64)>,
        rules: &Rules,
    ) -> Result<(), String> {
        for report in reports(node, records) {
            let (record, known) = report?;
            let name = || shown(record.client());
            if record.client() == POISON {
                return Err("learned from a server that does not belong to the herd".to_owned());
            }
            if rules.is_surely_expired(known.received_at, clock) {
                return Err(format!("an expired report of {} came back", name()));
            }
            if known.order_time > clock.later(FUTURE_TOLERANCE + rules.slack) {
                return Err(format!(
                    "a report of {} counts as of {:?}, at {clock:?}",
                    name(),
                    known.order_time
                ));
            }
            let from = from.map(|(neighbour, life)| (neighbour.clone(), life));
            match self.0.get_mut(record.client()) {
                Some(held) => {
                    let held_known = &held.known;
                    let is_free =
                        rules.clients_max.is_some() || rules.may_be_expired(held_known.received_at, clock);
                    if !is_free && *held_known >= known {
                        return Err(format!(
                            "a report of {} gave way to one that does not win: {held_known:?} {known:?}",
                            name()
                        ));
                    }
                    held.past.push((now, known.clone()));
                    (held.known, held.from) = (known, from);
                }
                None => {
                    let entry = Entry { past: vec![(now, known.clone())], known, from };
                    self.0.insert(record.client().to_vec(), entry);
                }
            }
        }
        Ok(())
    }

    /// Clients that it knows.
    pub(crate) fn clients(&self) -> usize {
        self.0.len()
    }

    /// All that was ever learned of each client, and when.
    pub(crate) fn past(&self) -> impl Iterator<Item = (&[u8], &[(u64, Known)])> {
        self.0.iter().map(|(client, entry)| (client.as_slice(), entry.past.as_slice()))
    }

    /// What this life was told last.
    pub(crate) fn known(&self, client: &[u8]) -> Option<&Known> {
        self.0.get(client).map(|entry| &entry.known)
    }

    /// Whether a life that begins holds what one before promised to have written down; says what is lost.
    pub(crate) fn check_promise(
        &self,
        client: &[u8],
        promised: &Known,
        clock: Timestamp,
        rules: &Rules,
    ) -> Result<(), String> {
        let is_kept = self.known(client).is_some_and(|known| known >= promised);
        if is_kept || rules.clients_max.is_some() || rules.may_be_expired(promised.received_at, clock) {
            return Ok(());
        }
        Err(format!("lost {promised:?} of {}, holds {:?}", shown(client), self.known(client)))
    }

    /// Whether a server that was right in refusing what a client said would have refused it; says why not. `told` is what
    /// the server tells of that client.
    pub(crate) fn check_refusal(
        &self,
        said: &Said,
        new: &Known,
        told: Option<&Known>,
        rules: &Rules,
    ) -> Result<(), String> {
        let name = || shown(&said.client);
        // A full table takes back, from a server that kept it, what had to go: that is no news, so only it knows.
        let held = if rules.clients_max.is_some() { told } else { self.known(&said.client) };
        let Some(held) = held else { return Err(format!("refused the first report of {}", name())) };
        // What its time counts as is known for sure as long as no clock decides it.
        let surely = rules.capped_at_least(new.received_at);
        let is_right = if said.at <= surely { held >= new } else { held.order_time >= surely };
        if is_right { Ok(()) } else { Err(format!("refused news of {}: {new:?}, holds {held:?}", name())) }
    }

    /// Whether a server may answer so about a client; says why not.
    pub(crate) fn check_answer(
        &self,
        client: &[u8],
        answer: Option<&[u8]>,
        told: &Told,
        (clock, rules): (Timestamp, &Rules),
    ) -> Result<(), String> {
        let known = self.known(client);
        let is_right = match (answer, known) {
            // A full table forgets, and takes back what had to go without saying so.
            (None, _) if rules.clients_max.is_some() => true,
            (Some(answer), _) if rules.clients_max.is_some() => told.find(client, answer).is_some(),
            (None, None) => true,
            (Some(_), None) => false,
            (None, Some(known)) => rules.may_be_expired(known.received_at, clock),
            (Some(answer), Some(known)) => {
                known.print(client) == answer && !rules.is_surely_expired(known.received_at, clock)
            }
        };
        if is_right {
            return Ok(());
        }
        Err(format!(
            "answers '{}' about {}, of whom it knows {known:?}",
            shown(answer.unwrap_or_default()),
            shown(client)
        ))
    }

    /// Whether a record that is about to be sent to a neighbour was learned from that same life of it.
    pub(crate) fn is_echo(&self, record: &Record<'_>, neighbour: &Name, life: u64) -> bool {
        self.0.get(record.client()).is_some_and(|entry| {
            entry.from.as_ref().is_some_and(|(name, from)| name == neighbour && *from == life)
                && entry.known.received_at == record.received_at()
                && entry.known.order_time == record.order_time()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use herd_core::{
        command::QuestionLimits,
        log::Source,
        node::NodeSettings,
        secret::{HerdKey, Secret},
        wire::line,
    };

    use crate::oracle::{SLACK_MIN, at_line};

    use super::*;

    #[test]
    fn a_full_table_that_took_a_report_back_may_refuse_what_loses_against_it() {
        // Seed 85644 of the swarm was called a violation. A full table had let a report go that counts as of a minute ahead,
        // had taken a later one that loses against it, and had got the first back from a server that had kept it: by the
        // rule, and no news, so the oracle did not know. It asks the server what it holds, and believes it if a client said so.
        let name = Name::new("A").unwrap();
        let key = HerdKey::derive(&name, Some(&Secret::new("secret")));
        let mut settings = NodeSettings::new(name.clone(), 1, 2, key);
        settings.clients_max = 2;
        let node = Node::new(settings);
        let (mut held, mut told) = (Held::default(), Told::default());
        let mut rules = Rules {
            ttl: Duration::from_secs(3600),
            slack: SLACK_MIN,
            clients_max: Some(2),
            is_durable: false,
            has_small_logs: false,
            has_impostors: false,
        };
        let at = |second: u64| Timestamp::from_nanos(second * 1_000_000_000);
        let mut take = |client: &str, time: u64, second: u64| {
            let text = format!("IAMAT {client} +1+1 {time}");
            let limits = QuestionLimits { radius_km_max: None, bound_max: 0 };
            let fresh =
                node.apply(&[line::parse(text.as_bytes(), &limits)], at(second), &mut Vec::new()).fresh;
            told.take(&node, &fresh).unwrap();
            held.learn(&node, &fresh, (at(second), second), None, &rules).unwrap();
            fresh
        };
        let ahead = take("c", 1000, 101);
        for (client, second) in [("d", 102), ("e", 103), ("c", 104)] {
            assert!(!take(client, second, second).is_empty());
        }
        assert!(node.merge(Source::CLIENTS, &ahead, at(105)).unwrap().fresh.is_empty());
        assert!(take("c", 106, 106).is_empty());

        let said =
            Said { client: b"c".to_vec(), location: b"+1+1".to_vec(), time: b"106".to_vec(), at: at(106) };
        let new = Known::taken(&said, &name, at(106));
        let line = at_line(&node, b"c", at(106)).unwrap();
        let back = told.find(b"c", &line);
        assert!(back.is_some());
        assert_eq!(held.check_refusal(&said, &new, back, &rules), Ok(()));
        assert!(held.check_refusal(&said, &new, None, &rules).is_err());
        rules.clients_max = None;
        assert!(held.check_refusal(&said, &new, back, &rules).is_err());
    }
}
