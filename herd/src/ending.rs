//! Why a server ends by itself, and who is told: whatever finds a reason says so once, and `run` waits for it.

use herd_core::link::Claim;
use tokio::sync::watch;

/// Why a server ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to stop and may come back.
    Stopped,
    /// It was ordered to leave the herd for good.
    Left,
    /// Another server has its name.
    Claimed(Claim),
}

/// The reason, as soon as there is one.
#[derive(Debug)]
pub(crate) struct Verdict(watch::Sender<Option<Ending>>);

impl Default for Verdict {
    fn default() -> Self {
        Self(watch::channel(None).0)
    }
}

impl Verdict {
    /// Says why the server is to end; the first reason counts.
    pub(crate) fn say(&self, ending: Ending) {
        self.0.send_if_modified(|said| {
            let is_first = said.is_none();
            said.get_or_insert(ending);
            is_first
        });
    }

    /// Resolves when there is a reason.
    pub(crate) async fn said(&self) -> Ending {
        let mut said = self.0.subscribe();
        let ending = said.wait_for(Option::is_some).await.ok().and_then(|ending| ending.clone());
        // The sender is ours, so it cannot be gone.
        ending.unwrap_or(Ending::Stopped)
    }
}
