//! A client's side of the line protocol, patient as long as the server is disturbed and no longer.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context;

use super::{
    herd::{Herd, name},
    network::Server,
};

/// How long a calm server may take to reply before it counts as silent.
const REPLY_MAX: Duration = Duration::from_secs(2);
/// How long anybody waits, whatever happens.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks at the server's condition.
const TICK: Duration = Duration::from_millis(50);
/// Questions on their way at once: their answers stay far below what a server lets a connection leave unread.
const QUESTIONS: usize = 64;

/// Why no reply came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server had to answer and did not.
    Unanswered,
    /// Something was being done to the server.
    Excused,
}

/// A connection to one life of one server.
pub(super) struct Client<'a> {
    herd: &'a Herd,
    server: Server,
    pub(super) life: u32,
    stream: BufReader<TcpStream>,
    stop: &'a AtomicBool,
}

impl<'a> Client<'a> {
    /// Connects to a calm server. The thread has to be in the server's place.
    ///
    /// # Errors
    /// The server is not calm, or does not let us in though it is.
    pub(super) fn connect(herd: &'a Herd, server: Server, stop: &'a AtomicBool) -> Result<Self, Failure> {
        let condition = herd.condition(server);
        let tried_at = Instant::now();
        if condition.calm_since.is_none() {
            return Err(Failure::Excused);
        }
        let connect = || {
            let stream = TcpStream::connect_timeout(&herd.line(server)?, REPLY_MAX).context(name(server))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TICK))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            anyhow::Ok(stream)
        };
        let stream = connect();
        let is_same = herd.condition(server).life == condition.life;
        match stream {
            Ok(stream) if is_same => {
                Ok(Self { herd, server, life: condition.life, stream: BufReader::new(stream), stop })
            }
            _ => Err(blame(herd, server, condition.life, tried_at)),
        }
    }

    /// Sends lines.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn send(&mut self, lines: &str) -> Result<(), Failure> {
        let began = Instant::now();
        let sent = self.stream.get_mut().write_all(lines.as_bytes());
        sent.map_err(|_| blame(self.herd, self.server, self.life, began))
    }

    /// The next line, without its LF, of a reply to what was sent at `sent_at`.
    ///
    /// # Errors
    /// None comes.
    pub(super) fn line(&mut self, sent_at: Instant) -> Result<String, Failure> {
        let mut line = Vec::new();
        loop {
            match self.stream.read_until(b'\n', &mut line) {
                Ok(_) if line.pop() == Some(b'\n') => {
                    return String::from_utf8(line).map_err(|_| Failure::Unanswered);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Ok(_) | Err(_) => return Err(blame(self.herd, self.server, self.life, sent_at)),
            }
            match self.herd.condition(self.server).calm_since {
                Some(since) if since.max(sent_at).elapsed() > REPLY_MAX => return Err(Failure::Unanswered),
                None if self.stop.load(Ordering::SeqCst) => return Err(Failure::Excused),
                _ if sent_at.elapsed() > PATIENCE => return Err(Failure::Excused),
                _ => {}
            }
        }
    }

    /// What the server answers about clients, each an AT line or a refusal.
    ///
    /// # Errors
    /// None comes.
    pub(super) fn ask(&mut self, clients: &[&str]) -> Result<Vec<String>, Failure> {
        let mut answers = Vec::with_capacity(clients.len());
        for some in clients.chunks(QUESTIONS) {
            let questions: String = some.iter().map(|client| format!("WHATSAT {client} 1 0\n")).collect();
            let sent_at = Instant::now();
            self.send(&questions)?;
            for _ in some {
                let answer = self.line(sent_at)?;
                // The body ends with an empty line; a refusal has none.
                while answer.starts_with("AT ") && !self.line(sent_at)?.is_empty() {}
                answers.push(answer);
            }
        }
        Ok(answers)
    }
}

/// Who is to blame for a request to a life of a server, of `then`, that got no reply.
fn blame(herd: &Herd, server: Server, life: u32, then: Instant) -> Failure {
    let condition = herd.condition(server);
    let had_to_answer = condition.life == life && condition.is_calm_since(then);
    if had_to_answer { Failure::Unanswered } else { Failure::Excused }
}
