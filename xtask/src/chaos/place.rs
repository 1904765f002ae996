//! Where a process or a socket lives: here, or in a network namespace of its own.
//!
//! Namespaces have no names: they are files held open, and the system removes them, with all interfaces in them, as
//! soon as this process and those inside are gone, however that came about.

use std::{fs::File, process::Command, sync::Arc, thread};

use anyhow::{Context, anyhow, bail};
use nix::sched::{CloneFlags, setns, unshare};

/// The network of the thread that asks.
const OWN_NETWORK: &str = "/proc/thread-self/ns/net";

#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The network that this process was started in.
    Here,
    /// A namespace.
    Apart(Arc<File>),
}

impl Place {
    /// A new namespace with nothing in it but a loopback interface.
    pub(super) fn apart() -> anyhow::Result<Self> {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
            let network = File::open(OWN_NETWORK).context("cannot open a network namespace")?;
            anyhow::Ok(Self::Apart(Arc::new(network)))
        };
        let place =
            thread::scope(|scope| scope.spawn(make).join()).map_err(|_| anyhow!("a thread failed"))??;
        place.ip("link set lo up")?;
        Ok(place)
    }

    /// Moves the calling thread there for good, and with it whatever it opens or starts.
    pub(super) fn enter(&self) -> anyhow::Result<()> {
        match self {
            Self::Here => Ok(()),
            Self::Apart(network) => {
                setns(network, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")
            }
        }
    }

    /// Does something there.
    pub(super) fn within<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let enter_and_work = || {
            self.enter()?;
            work()
        };
        thread::scope(|scope| scope.spawn(enter_and_work).join()).map_err(|_| anyhow!("a thread failed"))?
    }

    /// Runs `ip` there.
    pub(super) fn ip(&self, arguments: &str) -> anyhow::Result<()> {
        self.run("ip", arguments)
    }

    /// Runs `tc` there.
    pub(super) fn tc(&self, arguments: &str) -> anyhow::Result<()> {
        self.run("tc", arguments)
    }

    fn run(&self, program: &str, arguments: &str) -> anyhow::Result<()> {
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace());
        let output = self.within(|| command.output().with_context(|| format!("cannot start {program}")))?;
        if !output.status.success() {
            bail!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The path by which programs find the namespace.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Here => OWN_NETWORK.to_owned(),
            Self::Apart(network) => {
                use std::os::fd::AsRawFd;
                format!("/proc/{}/fd/{}", std::process::id(), network.as_raw_fd())
            }
        }
    }
}
