//! A provider that counts, waits and fails as it is told.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::nearby::upstream::{BoxFuture, Inquiry, Page, Status, Upstream};

/// What the fake does with its n-th call, from 1.
pub(super) type Script = fn(usize) -> Deed;

#[derive(Clone, Copy)]
pub(super) enum Deed {
    Answer,
    AnswerAfter(Duration),
    /// Answers when the test lets it.
    Wait,
    /// Says that the question is at fault.
    Reject,
    FailAfter(Duration),
    Hang,
    /// An answer that is none.
    Deny,
    Panic,
}

#[derive(Clone)]
pub(super) struct Fake {
    script: Script,
    pub(super) ttl_max: Duration,
    calls: Arc<AtomicUsize>,
    under_way: Arc<AtomicUsize>,
    pub(super) under_way_max: Arc<AtomicUsize>,
    pub(super) leave: Arc<Semaphore>,
}

impl Fake {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script,
            ttl_max: Duration::from_secs(300),
            calls: Arc::default(),
            under_way: Arc::default(),
            under_way_max: Arc::default(),
            leave: Arc::new(Semaphore::new(0)),
        }
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Upstream for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn fetch(&self, _: Inquiry) -> BoxFuture<'static, Result<Page, Page>> {
        let fake = self.clone();
        Box::pin(async move {
            let call = fake.calls.fetch_add(1, Relaxed) + 1;
            fake.under_way_max.fetch_max(fake.under_way.fetch_add(1, Relaxed) + 1, Relaxed);
            let failure = || Page::no_places(Status::UnknownError, "broken");
            let answer = match (fake.script)(call) {
                Deed::Answer => Ok(page()),
                Deed::AnswerAfter(wait) => {
                    tokio::time::sleep(wait).await;
                    Ok(page())
                }
                Deed::Wait => {
                    fake.leave.acquire().await.unwrap().forget();
                    Ok(page())
                }
                Deed::Reject => Err(Page::no_places(Status::InvalidRequest, "nonsense")),
                Deed::FailAfter(wait) => {
                    tokio::time::sleep(wait).await;
                    Err(failure())
                }
                Deed::Hang => std::future::pending().await,
                Deed::Deny => Ok(Page::no_places(Status::RequestDenied, "no such key")),
                Deed::Panic => panic!("as the script says"),
            };
            fake.under_way.fetch_sub(1, Relaxed);
            answer
        })
    }

    fn refusal(&self, status: Status, message: &str) -> Page {
        Page::no_places(status, message)
    }

    fn ttl_max(&self) -> Duration {
        self.ttl_max
    }
}

/// Twenty results of some hundred bytes.
pub(super) fn page() -> Page {
    let results: Vec<String> =
        (0..20).map(|number| format!("      {{\n         \"name\" : \"{number:0200}\"\n      }}")).collect();
    let body =
        format!("{{\n   \"results\" : [\n{}\n   ],\n   \"status\" : \"OK\"\n}}\n", results.join(",\n"));
    Page::places(body.as_bytes(), None).unwrap()
}
