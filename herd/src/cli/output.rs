//! Standard output of a command, and whether anybody still reads it.
//!
//! A connection to a server breaks with the same error as a pipe to `head`; only the latter means that all is well.

use std::io::{self, StdoutLock, Write};

/// Standard output. Its errors say that they are its own.
#[derive(Debug)]
pub(super) struct Output(StdoutLock<'static>);

/// Nobody reads standard output any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output")]
struct Unread;

pub(super) fn output() -> Output {
    Output(io::stdout().lock())
}

/// Whether a command ended because whoever reads its output has seen enough: `herd check F | head -1` is no failure.
pub(super) fn is_unread(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is_some_and(|error| error.is::<Unread>())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(own)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(own)
    }
}

fn own(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { io::Error::new(error.kind(), Unread) } else { error }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    /// Broke: `herd leave` could end with 0 without having left, since its connection broke.
    #[test]
    fn only_a_broken_standard_output_is_no_failure() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        for (error, expected) in
            [(own(broken()), true), (broken(), false), (own(io::Error::other("x")), false)]
        {
            let error = Err::<(), _>(error).context("cannot send").unwrap_err();
            assert_eq!(is_unread(&error), expected, "{error:#}");
        }
    }
}
