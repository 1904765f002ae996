//! CPU time: of this process, and of others on this machine.
//!
//! Another's is the sum over its threads, in nanoseconds; a thread that ends takes its time out of the sum. Where the
//! system has no such file it is not known.

use std::{fs, path::Path};

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this process so far, in nanoseconds.
pub(crate) fn of_this() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default() * 1_000_000_000 + nanos.unwrap_or_default()
}

/// CPU time of the living threads of process `pid` so far, in nanoseconds; `None` if there is no such process or the
/// system does not tell.
pub(crate) fn of(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")).ok()?;
    let time = |thread: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse().ok()
    };
    let times: Vec<u64> = threads.filter_map(Result::ok).filter_map(time).collect();
    (!times.is_empty()).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes() {
        let before = of_this();
        while of_this() == before {}
        assert_eq!(of(0), None);
        if cfg!(target_os = "linux") {
            assert!(of(std::process::id()).is_some());
        }
    }
}
