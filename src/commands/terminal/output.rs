//! Prints to standard output, and reports errors.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;

/// Exit code if the command could not do its work: no cluster, no such resource, no permission.
pub const FAILED: u8 = 2;

/// Prints to standard output. Removes colours unless it is a terminal and NO_COLOR is not set.
///
/// # Errors
/// If it cannot be written. A reader that closes the pipe early is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The width of the terminal. `None` if standard output is none.
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The exit code of a command. An error is printed to standard error, and gives the code `failed`.
pub fn ended(result: anyhow::Result<ExitCode>, failed: u8) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("Error: {error:#}");
        failed.into()
    })
}
