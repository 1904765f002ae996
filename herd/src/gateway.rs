//! All that a front-end holds of its server: hand over commands, learn what is near, log what was said.
//!
//! A front-end knows nothing behind this: no links, no storage, no other front-end.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use herd_core::{
    command::{Command, Question, QuestionLimits},
    node::Answer,
    position::Position,
    server::Name,
    time::Timestamp,
};

use crate::{engine::Engine, traffic::Traffic};

/// What is near, on its way: the complete bytes after the AT line. It resolves within the provider's deadline and
/// never fails: a provider's error is an answer too.
pub type Nearby = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// Asks the provider. The question keeps to [`Provider::limits`]. Called on a request's path, so it only starts the work.
pub type Ask = Arc<dyn Fn(Position, Question) -> Nearby + Send + Sync>;

/// What WHATSAT asks.
#[derive(Clone)]
pub struct Provider {
    /// What its answers are about, for the log: `places` or `messages`.
    pub subject: &'static str,
    /// Which questions it takes.
    pub limits: QuestionLimits,
    /// Asks it.
    pub ask: Ask,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("subject", &self.subject).field("limits", &self.limits).finish()
    }
}

/// One server, as its front-ends see it.
#[derive(Clone, Debug)]
pub struct Gateway {
    engine: Arc<Engine>,
    provider: Provider,
}

impl Gateway {
    /// The front of a server.
    #[must_use]
    pub const fn new(engine: Arc<Engine>, provider: Provider) -> Self {
        Self { engine, provider }
    }

    /// The name that AT lines show.
    #[must_use]
    pub fn server(&self) -> &Name {
        &self.engine.node().settings().name
    }

    /// The time by this server's clock.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.engine.clock()
    }

    /// Applies commands in order and appends an answer for each; says when that was.
    pub fn submit(&self, commands: &[Command<'_>], answers: &mut Vec<Answer>) -> Timestamp {
        self.engine.submit(commands, answers)
    }

    /// The provider behind WHATSAT.
    #[must_use]
    pub const fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The traffic log.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        self.engine.traffic()
    }
}
