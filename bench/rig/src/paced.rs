//! Reports that are due at their time, whatever the servers do, and how late each is in the hands of a neighbour.
//!
//! The one thing to know: a report's own time is when it was due, so what arrives at the neighbour tells how late it is,
//! however long it waited before it was sent. Two threads: one sends and takes replies in, one is the neighbour.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use herd_core::{link::LinkEvent, wire::record::Record};

use crate::{
    percentile_us,
    requests::{Crowd, Language, Requests},
    tap::Tap,
};

/// What is sent before anything counts: a link that is just open, caches that are cold.
const WARM_UP: Duration = Duration::from_millis(300);
/// After the last report is due: longest that any of them may be on its way. It is how late one that is lost counts.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Most reports of one write.
const BATCH_MAX: u64 = 4096;
/// Between two looks at a socket that takes no more.
const PATIENCE: Duration = Duration::from_micros(50);

/// Times reports that are due at their time.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where reports go in
    into: SocketAddr,
    /// The name of the server where they come out
    neighbour: String,
    /// Where its neighbours connect
    from: SocketAddr,
    /// Reports a second
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Clients that report, at random
    #[arg(long, default_value_t = 1_000_000)]
    clients: u64,
}

/// When reports are due; all in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// When the first is, on both clocks.
    start: Instant,
    start_clock: u64,
    /// From one to the next.
    step: u64,
    /// How many.
    count: u64,
    /// Those of them that do not count.
    uncounted: u64,
}

/// Times, and prints what was found.
///
/// # Errors
/// A server is gone or refuses a report.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    // Threads that are made from here on wake when they want to, not up to 50 us later. A system that does not let us
    // shows in how late we send.
    drop(fs::write("/proc/self/timerslack_ns", "1"));
    let stream = TcpStream::connect(args.into).with_context(|| format!("no server at {}", args.into))?;
    stream.set_nodelay(true)?;
    let mut tap = Tap::dial(&args.neighbour, args.from)?;
    tap.sync()?;
    let mut requests = Requests::new(Language::Iamat, Crowd::anywhere(args.clients), false, 0);
    let schedule = Schedule::new(args)?;
    requests.pace(schedule.start_clock, schedule.step);
    let sending = thread::spawn(move || Sender::new(stream, requests, schedule)?.send_all());
    let mut late = schedule.arrivals(&mut tap)?;
    let sent_late = sending.join().ok().context("the thread that sends ended in a panic")??;
    let missing = usize::try_from(schedule.count - schedule.uncounted)?.saturating_sub(late.len());
    late.resize(late.len() + missing, u64::try_from(WAIT_MAX.as_nanos())?);
    late.sort_unstable();
    println!("reports {}", late.len());
    println!("missing {missing}");
    println!("p50_us {:.1}", percentile_us(&late, 50));
    println!("p99_us {:.1}", percentile_us(&late, 99));
    println!("sent_late_p99_us {:.1}", percentile_us(&sent_late, 99));
    Ok(())
}

impl Schedule {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let step = 1_000_000_000 / args.rate;
        let reports = |duration: Duration| u64::try_from(duration.as_nanos()).map(|nanos| nanos / step);
        let counted = reports(Duration::try_from_secs_f64(args.seconds).context("--seconds")?)?;
        let uncounted = reports(WARM_UP)?;
        let (start, clock) = (Instant::now(), SystemTime::now());
        let start_clock = u64::try_from(clock.duration_since(UNIX_EPOCH)?.as_nanos())?;
        Ok(Self { start, start_clock, step, count: counted + uncounted, uncounted })
    }

    /// Reports that are due by now.
    fn due(&self) -> u64 {
        let elapsed = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        (elapsed / self.step + 1).min(self.count)
    }

    fn due_at(&self, report: u64) -> Instant {
        self.start + Duration::from_nanos(report * self.step)
    }

    /// How late a report with this time is, if it is one of ours that counts.
    fn lateness(&self, time: u64, arrived_at: Instant) -> Option<u64> {
        let due = time.checked_sub(self.start_clock)?;
        let counts = (self.uncounted..self.count).contains(&(due / self.step));
        let arrived = u64::try_from((arrived_at - self.start).as_nanos()).ok()?;
        counts.then(|| arrived.saturating_sub(due))
    }

    /// How late reports arrive at `tap`, in nanoseconds and in the order of arrival: all, or those that come in time.
    fn arrivals(&self, tap: &mut Tap) -> anyhow::Result<Vec<u64>> {
        let wanted = usize::try_from(self.count - self.uncounted)?;
        let deadline = self.due_at(self.count) + WAIT_MAX;
        let mut late = Vec::with_capacity(wanted);
        while late.len() < wanted && Instant::now() < deadline {
            // Heartbeats end the wait for a report that never comes.
            for event in tap.turn()? {
                let LinkEvent::Fresh { records, .. } = event else { continue };
                let mut rest = records.as_slice();
                while !rest.is_empty() {
                    let record = Record::decode(rest)?;
                    rest = rest.get(record.bytes().len()..).unwrap_or_default();
                    late.extend(self.lateness(record.client_time().as_nanos(), tap.received_at));
                }
            }
        }
        Ok(late)
    }
}

/// The thread that sends.
struct Sender {
    stream: TcpStream,
    requests: Requests,
    schedule: Schedule,
    /// Reports that are on their way into the socket, or were.
    sent: u64,
    /// What of the last ones is still to be written.
    unsent: Range<usize>,
    replies: u64,
    buffer: Vec<u8>,
}

impl Sender {
    fn new(stream: TcpStream, requests: Requests, schedule: Schedule) -> anyhow::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            requests,
            schedule,
            sent: 0,
            unsent: 0..0,
            replies: 0,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Sends all reports and waits for their replies: how late each was written, in nanoseconds, sorted.
    fn send_all(mut self) -> anyhow::Result<Vec<u64>> {
        let mut late = Vec::new();
        let deadline = self.schedule.due_at(self.schedule.count) + WAIT_MAX;
        while self.replies < self.schedule.count {
            if Instant::now() > deadline {
                bail!("{} of {} replies after {WAIT_MAX:?}", self.replies, self.schedule.count);
            }
            if self.unsent.is_empty() {
                let count = (self.schedule.due() - self.sent).min(BATCH_MAX);
                self.unsent = self.requests.take(usize::try_from(count)?);
                for report in self.sent..self.sent + count {
                    late.push(u64::try_from(self.schedule.due_at(report).elapsed().as_nanos())?);
                }
                self.sent += count;
            }
            self.write()?;
            self.read()?;
            if !self.unsent.is_empty() || self.sent == self.schedule.count {
                thread::sleep(PATIENCE);
            } else {
                thread::sleep(self.schedule.due_at(self.sent).saturating_duration_since(Instant::now()));
            }
        }
        late.sort_unstable();
        Ok(late)
    }

    fn write(&mut self) -> anyhow::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(self.requests.bytes().get(self.unsent.clone()).unwrap_or_default()) {
                Ok(count) => self.unsent.start += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("the server takes no more"),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<()> {
        loop {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => {
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    if memchr::memchr(Language::Iamat.refusal(), bytes).is_some() {
                        bail!("a report was refused");
                    }
                    self.replies += u64::try_from(memchr::memchr_iter(b'\n', bytes).count())?;
                    if count < self.buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the server is gone"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_as_late_as_its_time_says_and_the_first_do_not_count() {
        let start = Instant::now();
        let schedule = Schedule { start, start_clock: 5_000, step: 100, count: 10, uncounted: 2 };
        let at = |nanos| start + Duration::from_nanos(nanos);
        assert_eq!(schedule.lateness(5_200, at(250)), Some(50));
        assert_eq!(schedule.lateness(5_900, at(1_900)), Some(1_000));
        for other in [4_900, 5_000, 5_100, 6_000] {
            assert_eq!(schedule.lateness(other, at(2_000)), None, "{other}");
        }
        assert_eq!(schedule.due_at(3), at(300));
    }
}
