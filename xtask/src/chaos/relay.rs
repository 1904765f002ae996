//! A wire made of threads, between who dials and who is dialled: cut, slow or late in either direction.
//!
//! It knows no frames. Bytes that meet a cut wait, as they would for TCP to send them again. The one thing to know:
//! threads end when their sockets do, or within [`TICK`] of the relay being dropped.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

use super::place::Place;

/// Time between two looks at whether things changed.
const TICK: Duration = Duration::from_millis(5);
/// Longest wait for the other end to be reached.
const DIAL_MAX: Duration = Duration::from_secs(1);
/// Bytes on their way in each direction.
const PIECE_BYTES: usize = 16 << 10;

/// One direction of a wire: what may be done to it while it carries bytes.
#[derive(Debug, Default)]
pub(super) struct Way {
    is_cut: AtomicBool,
    /// Bytes a second; 0 for all there are.
    rate: AtomicU64,
    /// Milliseconds; each piece takes between half and all of it.
    delay_ms: AtomicU64,
}

impl Way {
    pub(super) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    pub(super) fn slow(&self, rate: u64) {
        self.rate.store(rate, Ordering::SeqCst);
    }

    pub(super) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Relay {
    /// Where to dial.
    pub(super) address: SocketAddr,
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    /// Where bytes go to; none while nobody listens there.
    target: Mutex<Option<SocketAddr>>,
    there: Arc<Way>,
    back: Arc<Way>,
    is_over: AtomicBool,
}

impl Relay {
    /// Listens at `address` in `place`; `there` is the direction from who dials.
    pub(super) fn start(
        place: &Place,
        address: SocketAddr,
        there: Arc<Way>,
        back: Arc<Way>,
    ) -> anyhow::Result<Self> {
        let listener = place.within(|| TcpListener::bind(address).context("cannot listen for a relay"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let wire = Arc::new(Wire { target: Mutex::default(), there, back, is_over: AtomicBool::new(false) });
        let (place, accepting) = (place.clone(), Arc::clone(&wire));
        thread::spawn(move || {
            // Whoever is not relayed is redialled.
            drop(place.enter().map(|()| accept(&listener, &accepting)));
        });
        Ok(Self { address, wire })
    }

    /// Where it leads from now on.
    pub(super) fn lead_to(&self, target: SocketAddr) {
        *self.wire.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.wire.is_over.store(true, Ordering::SeqCst);
    }
}

impl Wire {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

fn accept(listener: &TcpListener, wire: &Arc<Wire>) {
    while !wire.is_over() {
        let Ok((near, _)) = listener.accept() else {
            thread::sleep(TICK);
            continue;
        };
        let target = *wire.target.lock().unwrap_or_else(PoisonError::into_inner);
        let far = target.and_then(|target| TcpStream::connect_timeout(&target, DIAL_MAX).ok());
        // Dropped, `near` tells its end that nobody is there.
        let Some(far) = far else { continue };
        for (from, to, is_there) in [(&near, &far, true), (&far, &near, false)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
            let wire = Arc::clone(wire);
            thread::spawn(move || {
                let way = if is_there { &wire.there } else { &wire.back };
                carry(&from, &to, way, &wire);
                // The end of one direction is the end of both: links close at once.
                drop(from.shutdown(Shutdown::Both));
                drop(to.shutdown(Shutdown::Both));
            });
        }
    }
}

/// Carries bytes until either end is closed.
fn carry(mut from: &TcpStream, mut to: &TcpStream, way: &Way, wire: &Wire) {
    let mut piece = vec![0; PIECE_BYTES];
    let is_set = from.set_nonblocking(false).and_then(|()| from.set_read_timeout(Some(TICK)));
    if is_set.and_then(|()| to.set_nodelay(true)).is_err() {
        return;
    }
    while !wire.is_over() {
        let bytes = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        };
        let delay_ms = way.delay_ms.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(fastrand::u64(delay_ms / 2..=delay_ms)));
        while way.is_cut.load(Ordering::SeqCst) && !wire.is_over() {
            thread::sleep(TICK);
        }
        if to.write_all(piece.get(..bytes).unwrap_or_default()).is_err() {
            return;
        }
        let sent_at = Instant::now();
        let due = |rate: u64| Duration::from_secs_f64(bytes as f64 / rate as f64);
        // Looked at again and again: the rate may be lifted.
        while let rate @ 1.. = way.rate.load(Ordering::SeqCst)
            && sent_at.elapsed() < due(rate)
            && !wire.is_over()
        {
            thread::sleep(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_wait_at_a_cut_and_arrive_when_it_heals() {
        let far = TcpListener::bind("127.0.0.1:0").unwrap();
        let (there, back) = (Arc::<Way>::default(), Arc::<Way>::default());
        let any = "127.0.0.1:0".parse().unwrap();
        let relay = Relay::start(&Place::Here, any, Arc::clone(&there), Arc::clone(&back)).unwrap();
        relay.lead_to(far.local_addr().unwrap());
        let mut near = TcpStream::connect(relay.address).unwrap();
        let mut far = far.accept().unwrap().0;
        let mut byte = [0];

        there.cut(true);
        near.write_all(b"a").unwrap();
        far.write_all(b"b").unwrap();
        near.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"b", "the other direction goes on");
        far.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(far.read(&mut byte).is_err(), "nothing passes a cut");

        there.cut(false);
        far.set_read_timeout(None).unwrap();
        far.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"a");
        drop(far);
        assert_eq!(near.read(&mut byte).unwrap(), 0, "an end is passed on");
    }
}
