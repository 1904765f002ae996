//! One life of a server process: started with three pipes, its lines and its end turned into events.

use std::{io, process::ExitStatus, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::{mpsc, watch},
    time::timeout,
};

use super::words::Instruction;

/// Time for a server to take an instruction: the pipe holds hundreds, so only a stuck server needs it.
const INSTRUCT_MAX: Duration = Duration::from_secs(1);

/// What a process did.
#[derive(Debug)]
pub(super) enum Event {
    /// A line on standard output.
    Announced(String),
    /// A line on standard error.
    Complained(String),
    /// Its end, always the last event; an error if nothing is known of it.
    Ended(io::Result<ExitStatus>),
}

/// Starts a process. Its events come marked with `index`; `kill` turning true ends it at once.
/// Returns its standard input, whose closing asks it to stop, and the task that attends to it.
pub(super) fn start(
    mut command: Command,
    index: usize,
    events: mpsc::Sender<(usize, Event)>,
    kill: watch::Receiver<bool>,
) -> io::Result<(Option<ChildStdin>, impl Future<Output = ()> + Send + 'static)> {
    // A group of its own: Ctrl-C reaches the supervisor alone, which stops everybody in order.
    command.process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    Ok((stdin, attend(child, index, events, kill)))
}

async fn attend(
    mut child: Child,
    index: usize,
    events: mpsc::Sender<(usize, Event)>,
    mut kill: watch::Receiver<bool>,
) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        tokio::select! {
            status = child.wait() => return status,
            // An error means that the supervisor is gone: the same verdict.
            _ = kill.wait_for(|kill| *kill) => {}
        }
        child.kill().await?;
        child.wait().await
    };
    let (status, (), ()) = tokio::join!(
        ended,
        forward(stdout, index, &events, Event::Announced),
        forward(stderr, index, &events, Event::Complained),
    );
    // Nobody listens any more once the supervisor has given up waiting.
    drop(events.send((index, Event::Ended(status))).await);
}

async fn forward(
    pipe: Option<impl AsyncRead + Unpin>,
    index: usize,
    events: &mpsc::Sender<(usize, Event)>,
    event: fn(String) -> Event,
) {
    let Some(mut pipe) = pipe.map(BufReader::new) else { return };
    let mut line = Vec::new();
    while let Ok(1..) = pipe.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if events.send((index, event(text))).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// Tells a process something; one that cannot take it has other troubles, which show as its end.
pub(super) async fn instruct(stdin: &mut ChildStdin, instructions: &[Instruction]) {
    let lines: String = instructions.iter().map(|instruction| format!("{instruction}\n")).collect();
    drop(timeout(INSTRUCT_MAX, stdin.write_all(lines.as_bytes())).await);
}
