//! Something idle for each core to do, so that none goes to sleep.

use std::{
    path::Path,
    process::{Child, Stdio},
};

use super::cores::{Turn, on_core};

/// Shells that turn round and round, each on a core, whenever nobody else wants it; they end with this, or with us.
pub(super) struct Awake(Vec<Child>);

impl Awake {
    pub(super) fn start(cores: &[usize]) -> anyhow::Result<Self> {
        let mut awake = Self(Vec::new());
        for &core in cores {
            let mut shell = on_core(core, Turn::Last, Path::new("sh"));
            shell.args(["-c", &format!("while kill -0 {}; do :; done", std::process::id())]);
            awake.0.push(shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for shell in &mut self.0 {
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}
