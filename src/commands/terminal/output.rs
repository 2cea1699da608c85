//! Prints to standard output, draws on its screen, and reports errors.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use anyhow::Context;

/// Exit code if the command could not do its work: no cluster, no such resource, no permission.
pub const FAILED: u8 = 2;

/// Clears the screen.
const CLEAR: &str = "\x1b[2J";

/// Moves the cursor to the first line, after the terminal was told to cut long lines.
const BEGIN: &str = "\x1b[?7l\x1b[H";

/// Clears the rest of a line, and ends it.
const LINE_END: &str = "\x1b[K\r\n";

/// Clears the lines below, and wraps long lines again.
const END: &str = "\x1b[J\x1b[?7h";

/// Prints to standard output. Removes colours unless it is a terminal and NO_COLOR is not set.
///
/// # Errors
/// If it cannot be written. A reader that closes the pipe early is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    write(&mut anstream::stdout().lock(), text)
}

fn write(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// The width of the terminal. `None` if standard output is none.
pub fn width() -> Option<usize> {
    Some(size()?.columns)
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub lines: usize,
}

fn size() -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    let size = Size { columns: size.ws_col.into(), lines: size.ws_row.into() };
    Some(size).filter(|size| size.columns > 0 && size.lines > 0)
}

/// A terminal on which text can be replaced.
pub struct Screen {
    has_colours: bool,
    is_clear: bool,
}

impl Screen {
    /// The terminal of standard output. `None` if there is none, or it cannot move its cursor.
    pub fn of_stdout() -> Option<Self> {
        let stdout = io::stdout();
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let is_screen = stdout.is_terminal() && !is_dumb && size().is_some();
        // NO_COLOR forbids colours, and not the movement of the cursor.
        let has_colours = AutoStream::choice(&stdout) != ColorChoice::Never;
        is_screen.then_some(Self { has_colours, is_clear: false })
    }

    /// The current size.
    pub fn size(&self) -> Size {
        size().unwrap_or(Size { columns: 80, lines: 24 })
    }

    /// Replaces what was drawn before. Only the first call clears the screen, because that would flicker.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn draw(&mut self, lines: &[String]) -> anyhow::Result<()> {
        let mut text = if self.is_clear { String::new() } else { CLEAR.to_owned() };
        self.is_clear = true;
        text.push_str(BEGIN);
        for line in lines {
            match self.has_colours {
                true => text.push_str(line),
                false => text.push_str(&strip_str(line).to_string()),
            }
            text.push_str(LINE_END);
        }
        text.push_str(END);
        write(&mut io::stdout().lock(), &text)
    }
}

/// The exit code of a command. An error is printed to standard error, and gives the code `failed`.
pub fn ended(result: anyhow::Result<ExitCode>, failed: u8) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("Error: {error:#}");
        failed.into()
    })
}
