//! The one binary: hands the command line to the library and its verdict to the shell.

use std::process::ExitCode;

fn main() -> ExitCode {
    herd::cli::main()
}
