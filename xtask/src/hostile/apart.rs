//! Keeps the threads that write a server's log and table on another core than the one that answers: a machine that is
//! flooded has more than one.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

/// How often to look for new threads.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks after the threads of one process until it is dropped.
pub(super) struct Apart {
    is_over: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Apart {
    /// Keeps all threads of a process but its first on a core.
    pub(super) fn keep(process: u32, core: usize) -> anyhow::Result<Self> {
        let mut cores = CpuSet::new();
        cores.set(core)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let watcher = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                for thread in threads(process).filter(|&thread| Ok(thread) != i32::try_from(process)) {
                    // One that has ended by now needs no core.
                    let _ = sched_setaffinity(Pid::from_raw(thread), &cores);
                }
                thread::sleep(LOOK_EVERY);
            }
        });
        Ok(Self { is_over, watcher: Some(watcher) })
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

fn threads(process: u32) -> impl Iterator<Item = i32> {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    threads.into_iter().flatten().filter_map(|thread| thread.ok()?.file_name().to_str()?.parse().ok())
}
