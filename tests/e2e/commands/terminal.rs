//! A pseudo terminal: what a person sees of a command.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::world::{SOON, wait_until};

/// A command on a terminal. It ends when this is dropped.
pub struct Terminal {
    child: Child,
    controller: OwnedFd,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    screen: vt100::Parser,
    raw: Vec<u8>,
    is_closed: bool,
}

impl Terminal {
    /// Runs a command on a terminal with so many lines and columns.
    pub fn run(mut command: Command, lines: u16, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = openpt(flags).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let terminal = ioctl_tiocgptpeer(&controller, flags).unwrap();
        resize(&terminal, lines, columns);
        let copy = || terminal.try_clone().unwrap();
        command.stdin(copy()).stdout(copy()).stderr(copy());
        if !command.get_envs().any(|(name, value)| name == "TERM" && value.is_some()) {
            command.env("TERM", "xterm-256color");
        }
        let child = command.spawn().unwrap();
        // The terminal is closed as soon as no other process has it.
        drop((command, terminal));
        let screen = vt100::Parser::new(lines, columns, 0);
        let seen = Arc::new(Mutex::new(Seen { screen, raw: vec![], is_closed: false }));
        let (reader, sink) = (File::from(controller.try_clone().unwrap()), Arc::clone(&seen));
        std::thread::spawn(move || read(reader, &sink));
        Self { child, controller, seen }
    }

    /// Changes the number of lines.
    pub fn resize(&self, lines: u16, columns: u16) {
        resize(&self.controller, lines, columns);
        self.seen.lock().unwrap().screen.screen_mut().set_size(lines, columns);
    }

    /// The text on the screen.
    pub fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    /// Everything that was written to the terminal.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().raw).into_owned()
    }

    /// Waits until the screen is as the test wants it, and returns its text.
    pub async fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let what = fmt::from_fn(|f| write!(f, "{what}; the screen:\n{}", self.screen()));
        wait_until(what, SOON, || async { Some(self.screen()).filter(|screen| wanted(screen)) })
            .await
    }

    /// Waits until the command has closed the terminal, and returns its exit code.
    pub async fn end(mut self) -> (Option<i32>, String) {
        wait_until("the command ends", SOON, || async {
            self.seen.lock().unwrap().is_closed.then_some(())
        })
        .await;
        (self.child.wait().unwrap().code(), self.raw())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &OwnedFd, lines: u16, columns: u16) {
    let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

fn read(mut terminal: File, seen: &Mutex<Seen>) {
    let mut buffer = [0; 4096];
    // It fails once the last process has closed the terminal.
    while let Ok(length @ 1..) = terminal.read(&mut buffer) {
        let mut seen = seen.lock().unwrap();
        seen.screen.process(&buffer[..length]);
        seen.raw.extend(&buffer[..length]);
    }
    seen.lock().unwrap().is_closed = true;
}
