//! One server in this process, on real sockets, with a clock, a provider and limits that a test sets; and the client's
//! side of the line protocol.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use herd::{
    clock::Clock,
    config::Config,
    frontends::ClientLimits,
    gateway::{Ask, Control, Provider, ProviderState},
    listen::Listeners,
    roster::Roster,
    run::{RunSettings, run},
    storage::StorageSettings,
    traffic::TrafficSettings,
};
use herd_core::{
    command::QuestionLimits,
    limits::{PLACES_BOUND_MAX, PLACES_RADIUS_KM_MAX},
    node::NodeSettings,
    secret::HerdKey,
    server::Name,
    time::Timestamp,
};
use tokio::sync::{Semaphore, oneshot, watch};

/// Patience of a client; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What providers say.
pub(crate) const BODY: &[u8] = b"{}\n\n";

/// What a server under test is like.
pub(crate) struct Setup {
    pub(crate) limits: ClientLimits,
    pub(crate) questions: QuestionLimits,
    pub(crate) ask: Ask,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) storage: Option<StorageSettings>,
}

/// A provider that nobody controls.
#[derive(Debug)]
struct NoControl;

impl Control for NoControl {
    fn pause(&self, _: bool) {}

    fn state(&self) -> ProviderState {
        ProviderState { name: "test", is_paused: false, remote: None }
    }
}

/// A server that runs until it is stopped or dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clock: Clock,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: ClientLimits::default(),
            questions: QuestionLimits {
                radius_km_max: Some(PLACES_RADIUS_KM_MAX),
                bound_max: PLACES_BOUND_MAX,
            },
            ask: Arc::new(|_, _| Box::pin(async { BODY.to_vec() })),
            control: Arc::new(NoControl),
            log: None,
            storage: None,
        }
    }
}

impl Server {
    pub(crate) fn start(setup: Setup) -> Self {
        let clock = Clock::standing(Timestamp::default());
        let (stop, stopped) = oneshot::channel();
        let (bound, addresses) = mpsc::channel();
        let name = Name::new("Goloman").unwrap();
        let alone = "name = 'goloman'\n[servers.Goloman.listen]\nline = '127.0.0.1:0'\nadmin = '127.0.0.1:0'";
        let config = Config::parse(alone, "test", Path::new(""), &|_| None).unwrap();
        let settings = RunSettings {
            herd: config.name.clone(),
            roster: watch::channel(Roster::new(&config, &name)).1,
            contacts: Vec::new(),
            certificates: watch::channel(None).1,
            node: NodeSettings::new(name.clone(), 1, 2, HerdKey::derive(&name, None)),
            clock: clock.clone(),
            limits: setup.limits,
            provider: Provider {
                subject: "places",
                limits: setup.questions,
                ask: setup.ask,
                control: setup.control,
            },
            storage: setup.storage,
            traffic: setup.log.map(|path| TrafficSettings { path, file_bytes_max: 1 << 20, files_max: 4 }),
        };
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(async {
                let listeners = Listeners::bind(config.server(&name).unwrap()).unwrap();
                let announce = |listeners: &Listeners| {
                    bound.send(listeners.addresses()?).unwrap();
                    Ok(())
                };
                let shutdown = async {
                    let _ = stopped.await;
                };
                run(settings, listeners, announce, shutdown).await.unwrap();
            });
        });
        let addresses = addresses.recv().unwrap();
        let address = |what| addresses.iter().find(|(name, _)| *name == what).unwrap().1;
        Self {
            address: address("line"),
            admin: address("admin"),
            clock,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Asks it to stop.
    pub(crate) fn begin_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has stopped.
    pub(crate) fn stop(mut self) {
        self.begin_to_stop();
        self.thread.take().unwrap().join().unwrap();
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// All that is replied on a connection of its own that the client half-closes.
    pub(crate) fn exchange(&self, sent: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut replied = Vec::new();
        stream.read_to_end(&mut replied).unwrap();
        replied
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_to_stop();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap();
        }
    }
}

/// A provider that says nothing until it is told to.
#[derive(Clone)]
pub(crate) struct SlowProvider {
    leave: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

impl SlowProvider {
    pub(crate) fn new() -> Self {
        Self { leave: Arc::new(Semaphore::new(0)), asked: Arc::default() }
    }

    pub(crate) fn ask(&self) -> Ask {
        let provider = self.clone();
        Arc::new(move |_, _| {
            provider.asked.fetch_add(1, Ordering::SeqCst);
            let leave = Arc::clone(&provider.leave);
            Box::pin(async move {
                leave.acquire().await.unwrap().forget();
                BODY.to_vec()
            })
        })
    }

    /// Lets it answer so many questions.
    pub(crate) fn answer(&self, questions: usize) {
        self.leave.add_permits(questions);
    }

    /// How many questions it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Reads exactly what is expected.
pub(crate) fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut replied = vec![0; expected.len()];
    stream.read_exact(&mut replied).unwrap();
    assert_eq!(replied.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// Reads to the end of the stream, which comes at once.
pub(crate) fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.escape_ascii().to_string(), "");
}
