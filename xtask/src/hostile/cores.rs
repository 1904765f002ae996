//! Who runs on which core, and whose turn it is there.
//!
//! All through `taskset` and `chrt`; what this machine does not let us set shows in what is measured.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::root;

/// The core of the thread that answers, and that of everybody else.
pub(super) const SERVER_CORE: usize = 0;
pub(super) const CLIENT_CORE: usize = 1;

/// Has this process keep to the clients' core, as far as our rights allow.
pub(super) fn settle() {
    let core = CLIENT_CORE.to_string();
    for command in [["taskset", "-cp", &core], FIRST] {
        if !set_own(command) {
            println!(
                "without `{} PID` other work of this machine shows in what is measured",
                command.join(" ")
            );
        }
    }
    set_own(AS_USUAL);
}

/// Before whatever else is there, also before what the server writes, which goes before those who attack.
pub(super) const FIRST: [&str; 3] = ["chrt", "-fp", "2"];
pub(super) const AS_USUAL: [&str; 3] = ["chrt", "-op", "0"];

/// Has a command set something of this process; whether it could.
pub(super) fn set_own([program, arguments @ ..]: [&str; 3]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(std::process::id().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// When a process comes to its turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// Before everything.
    First,
    /// Before the work of other sessions.
    BeforeOthers,
    /// When nobody else wants the core.
    Last,
}

/// A command that keeps to one core.
pub(super) fn on_core(core: usize, turn: Turn, program: &Path) -> Command {
    let (niceness, policy) = match turn {
        Turn::First => ("-10", "chrt -f 1"),
        Turn::BeforeOthers => ("-10", "chrt -o 0"),
        Turn::Last => ("19", "chrt -i 0"),
    };
    let script = format!(
        "(echo {niceness} >/proc/self/autogroup) 2>&-; {policy} true 2>&- && set -- {policy} \"$@\"; exec \"$@\""
    );
    let mut command = Command::new("setsid");
    command
        .args(["sh", "-c", &script, "sh", "taskset", "-c", &core.to_string()])
        .arg(program)
        .current_dir(root());
    command
}
