//! Every report that was sent, and what became of it: the checker's knowledge.
//!
//! It shares no code with the servers. Which report wins is written down here a second time: all times sent lie within
//! the tolerance for clocks that are ahead, so a report counts as of its client's time.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::at_line::AtLine;

/// How far a server's receive time may lie outside the time between sending and hearing: clocks of one machine are one.
const CLOCK_SLACK: Duration = Duration::from_millis(50);

/// What decides which of two reports wins: order time and receive time in nanoseconds, the taker's name.
pub(super) type Rank = (u64, u64, String);

/// One report of one client.
#[derive(Clone, Debug)]
struct Sent {
    /// Location and time as sent: no two reports share them.
    text: String,
    /// The client's time in nanoseconds.
    time: u64,
    /// The server it was told to.
    server: &'static str,
    sent_at: u64,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No reply so far.
    Waiting,
    /// The server may or may not have taken it: no reply came.
    Unknown,
    /// Acknowledged; received at so many nanoseconds.
    Acknowledged { received_at: u64, heard_at: Instant },
    /// Acknowledged too shortly before its server was killed to be promised.
    Young { received_at: u64 },
}

impl Fate {
    fn received_at(self) -> Option<u64> {
        match self {
            Self::Waiting | Self::Unknown => None,
            Self::Acknowledged { received_at, .. } | Self::Young { received_at } => Some(received_at),
        }
    }
}

/// A report about to be sent.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) client: String,
    /// Location and time.
    pub(super) text: String,
    /// The client's time in nanoseconds.
    pub(super) time: u64,
}

/// A report that was noted, for its fate.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) report: Report,
    number: usize,
}

/// What a client's last report has to be.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    pub(super) client: String,
    /// The best of those surely taken; none if no report of this client was.
    best: Option<Rank>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Book>);

/// What was sent of each client.
type Generation = HashMap<String, Vec<Sent>>;

#[derive(Debug, Default)]
struct Book {
    /// Those before the last; clients are named after theirs. A new one begins when a fault has healed.
    past: Vec<Generation>,
    last: Generation,
    acknowledged: u64,
}

impl Ledger {
    /// Notes what `make` wants to tell `server`, made for the current generation.
    pub(super) fn note(&self, server: &'static str, make: impl FnOnce(usize) -> Vec<Report>) -> Vec<Noted> {
        let mut book = self.book();
        let reports = make(book.past.len());
        let sent_at = now();
        let note = |report: Report| {
            let (text, time) = (report.text.clone(), report.time);
            let of_client = book.last.entry(report.client.clone()).or_default();
            of_client.push(Sent { text, time, server, sent_at, fate: Fate::Waiting });
            Noted { number: of_client.len() - 1, report }
        };
        reports.into_iter().map(note).collect()
    }

    /// Takes in the reply to a report.
    ///
    /// # Errors
    /// What is wrong with the reply.
    pub(super) fn acknowledge(&self, noted: &Noted, reply: &str) -> Result<(), String> {
        let heard_at = now();
        let mut book = self.book();
        let Some(sent) = book.sent(noted) else { return Err("a report that nobody noted".to_owned()) };
        let is_copy = |line: &AtLine<'_>| {
            (line.server, line.client, line.text)
                == (sent.server, noted.report.client.as_str(), sent.text.as_str())
        };
        let Some(line) = AtLine::parse(reply).filter(is_copy) else {
            return Err(format!(
                "{} replied {reply:?} to {} {}",
                sent.server, noted.report.client, sent.text
            ));
        };
        let slack = u64::try_from(CLOCK_SLACK.as_nanos()).unwrap_or(u64::MAX);
        let received_at = sent.time.checked_add_signed(line.skew).unwrap_or_default();
        if received_at + slack < sent.sent_at || received_at > heard_at + slack {
            return Err(format!("{reply:?} tells another time than it is"));
        }
        sent.fate = Fate::Acknowledged { received_at, heard_at: Instant::now() };
        book.acknowledged += 1;
        Ok(())
    }

    /// No reply will come any more.
    pub(super) fn give_up(&self, noted: &Noted) {
        if let Some(sent) = self.book().sent(noted) {
            sent.fate = Fate::Unknown;
        }
    }

    /// What `server` acknowledged after `since` may be lost: it was killed before anything was promised.
    pub(super) fn excuse(&self, server: &str, since: Instant) {
        let mut book = self.book();
        for sent in book.all_mut().filter(|sent| sent.server == server) {
            if let Fate::Acknowledged { received_at, heard_at } = sent.fate
                && heard_at >= since
            {
                sent.fate = Fate::Young { received_at };
            }
        }
    }

    /// Begins a new generation; the one that ends.
    pub(super) fn turn(&self) -> usize {
        let mut book = self.book();
        let ended = std::mem::take(&mut book.last);
        book.past.push(ended);
        book.past.len() - 1
    }

    /// Acknowledged reports so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.book().acknowledged
    }

    /// The current generation's number.
    pub(super) fn generation(&self) -> usize {
        self.book().past.len()
    }

    /// Whether replies to reports of a generation, or any, are still to come.
    pub(super) fn is_waiting(&self, generation: Option<usize>) -> bool {
        let book = self.book();
        book.of(generation).any(|(_, sent)| sent.iter().any(|sent| sent.fate == Fate::Waiting))
    }

    /// What servers have to answer for the clients of a generation, or of all.
    pub(super) fn expectations(&self, generation: Option<usize>) -> Vec<Expectation> {
        let expectation = |(client, sent): (&String, &Vec<Sent>)| {
            let sure = sent.iter().filter(|sent| matches!(sent.fate, Fate::Acknowledged { .. }));
            Expectation { client: client.clone(), best: sure.filter_map(Sent::rank).max() }
        };
        self.book().of(generation).map(expectation).collect()
    }

    /// The rank of an AT line that a server answered about a client.
    ///
    /// # Errors
    /// Nobody sent that.
    pub(super) fn rank(&self, client: &str, answer: &str) -> Result<Rank, String> {
        let wrong = || format!("{answer:?} about {client:?}, which nobody sent");
        let line = AtLine::parse(answer).filter(|line| line.client == client).ok_or_else(wrong)?;
        let book = self.book();
        let sent = book.client(client).ok_or_else(wrong)?;
        let sent = sent.iter().find(|sent| sent.text == line.text && sent.server == line.server);
        let sent = sent.ok_or_else(wrong)?;
        let received_at = sent.time.checked_add_signed(line.skew).ok_or_else(wrong)?;
        match sent.fate.received_at() {
            Some(known) if known != received_at => {
                Err(format!("{answer:?} with another skew than acknowledged"))
            }
            _ => Ok((sent.time, received_at, sent.server.to_owned())),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn sent(&mut self, noted: &Noted) -> Option<&mut Sent> {
        let client = &noted.report.client;
        let generation = generation_of(client)?;
        let clients =
            if generation == self.past.len() { &mut self.last } else { self.past.get_mut(generation)? };
        clients.get_mut(client)?.get_mut(noted.number)
    }

    fn client(&self, client: &str) -> Option<&Vec<Sent>> {
        let generation = generation_of(client)?;
        if generation == self.past.len() { &self.last } else { self.past.get(generation)? }.get(client)
    }

    fn of(&self, generation: Option<usize>) -> impl Iterator<Item = (&String, &Vec<Sent>)> {
        let all = self.past.iter().chain([&self.last]).enumerate();
        let wanted = all.filter(move |(number, _)| generation.is_none_or(|wanted| wanted == *number));
        wanted.flat_map(|(_, clients)| clients)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Sent> {
        self.past.iter_mut().chain([&mut self.last]).flat_map(HashMap::values_mut).flatten()
    }
}

impl Sent {
    fn rank(&self) -> Option<Rank> {
        Some((self.time, self.fate.received_at()?, self.server.to_owned()))
    }
}

impl Expectation {
    /// Whether an answer of this rank, or a refusal, loses nothing.
    pub(super) fn is_met_by(&self, rank: Option<&Rank>) -> bool {
        rank >= self.best.as_ref()
    }

    /// What is missing, in words.
    pub(super) fn describe(&self) -> String {
        format!("{} expected {:?}", self.client, self.best)
    }
}

/// The generation of a client that [`client_name`] named.
fn generation_of(client: &str) -> Option<usize> {
    client.strip_prefix('g')?.split_once('-')?.0.parse().ok()
}

/// The name of a generation's client.
pub(super) fn client_name(generation: usize, rest: &str) -> String {
    format!("g{generation}-{rest}")
}

/// The wall clock in nanoseconds.
pub(super) fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tells `Hands` a report made at `time` and has it acknowledged with no skew.
    fn told(ledger: &Ledger, client: &str, location: &str, time: u64) -> (Noted, String) {
        let text = format!("{location} {}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
        let report = Report { client: client.to_owned(), text: text.clone(), time };
        let noted = ledger.note("Hands", |_| vec![report]).remove(0);
        let line = format!("AT Hands +0.000000000 {client} {text}");
        ledger.acknowledge(&noted, &line).unwrap();
        (noted, line)
    }

    #[test]
    fn an_older_report_or_none_is_a_loss() {
        let (ledger, now) = (Ledger::default(), now());
        let (_, old) = told(&ledger, "g0-a", "+1+1", now - 1000);
        let (_, new) = told(&ledger, "g0-a", "+2+2", now);
        let expectation = ledger.expectations(Some(0)).remove(0);
        assert!(expectation.is_met_by(Some(&ledger.rank("g0-a", &new).unwrap())));
        assert!(!expectation.is_met_by(Some(&ledger.rank("g0-a", &old).unwrap())));
        assert!(!expectation.is_met_by(None));
    }

    #[test]
    fn what_was_acknowledged_right_before_a_kill_may_be_lost_and_nothing_else() {
        let (ledger, now) = (Ledger::default(), now());
        let (_, old) = told(&ledger, "g0-a", "+1+1", now - 1000);
        let killed_at = Instant::now();
        let (_, new) = told(&ledger, "g0-a", "+2+2", now);
        ledger.excuse("Holiday", killed_at);
        assert!(!ledger.expectations(None)[0].is_met_by(Some(&ledger.rank("g0-a", &old).unwrap())));
        ledger.excuse("Hands", killed_at);
        let expectation = ledger.expectations(None).remove(0);
        for line in [old, new] {
            assert!(expectation.is_met_by(Some(&ledger.rank("g0-a", &line).unwrap())));
        }
        assert!(!expectation.is_met_by(None));
    }

    #[test]
    fn what_nobody_sent_has_no_rank() {
        let ledger = Ledger::default();
        let (_, line) = told(&ledger, "g0-a", "+1+1", now());
        for wrong in [
            line.replace("+1+1", "+1+2"),
            line.replace("Hands", "Welsh"),
            line.replace("+0.0", "+1.0"),
            line.replace("AT ", "? "),
        ] {
            assert!(ledger.rank("g0-a", &wrong).is_err(), "{wrong}");
        }
        assert!(ledger.rank("g0-b", &line).is_err());
    }

    #[test]
    fn a_reply_has_to_be_a_copy_with_the_right_skew() {
        let (ledger, now) = (Ledger::default(), now());
        let (noted, line) = told(&ledger, "g0-a", "+1+1", now);
        assert!(ledger.acknowledge(&noted, &line.replace("+1+1", "+1+1.0")).is_err());
        assert!(ledger.acknowledge(&noted, &line.replace("+0.0", "-9.0")).is_err());
        assert!(ledger.acknowledge(&noted, "? IAMAT").is_err());
    }

    #[test]
    fn a_generation_waits_for_its_own_replies() {
        let ledger = Ledger::default();
        let report = Report { client: "g0-a".to_owned(), text: "+1+1 1".to_owned(), time: 1_000_000_000 };
        let noted = ledger.note("Hands", |_| vec![report]).remove(0);
        assert_eq!(ledger.turn(), 0);
        assert!(ledger.is_waiting(Some(0)) && ledger.is_waiting(None) && !ledger.is_waiting(Some(1)));
        ledger.give_up(&noted);
        assert!(!ledger.is_waiting(None));
        assert!(ledger.expectations(None)[0].is_met_by(None));
    }
}
