//! Runs the command as a child: signals go to it, and its exit code is returned.

use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The signals that are passed on.
const SIGNALS: [(fn() -> SignalKind, Signal); 6] = [
    (SignalKind::terminate, Signal::TERM),
    (SignalKind::hangup, Signal::HUP),
    (SignalKind::interrupt, Signal::INT),
    (SignalKind::quit, Signal::QUIT),
    (SignalKind::user_defined1, Signal::USR1),
    (SignalKind::user_defined2, Signal::USR2),
];

/// Runs the command until it ends.
///
/// # Errors
/// If it cannot be started.
pub async fn run(command: Command) -> io::Result<ExitCode> {
    // Before the command starts: a signal must not end only this process.
    let mut signals = received()?;
    let mut child = tokio::process::Command::from(command).spawn()?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    loop {
        tokio::select! {
            ended = child.wait() => return Ok(code(ended?)),
            Some(signal) = signals.recv() => if let Some(pid) = pid {
                // The command may have ended meanwhile.
                let _ = kill_process(pid, signal);
            },
        }
    }
}

/// The signals that this process receives from now on.
fn received() -> io::Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(SIGNALS.len());
    // A terminal sends these two to the command too.
    let from_terminal = |signal| [Signal::INT, Signal::QUIT].contains(&signal);
    let on_terminal = io::stdin().is_terminal();
    for (kind, number) in SIGNALS {
        let (mut stream, sender) = (signal(kind())?, sender.clone());
        let forwards = !(on_terminal && from_terminal(number));
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if forwards && sender.send(number).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}

/// The exit code, as a shell reports it.
fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX).into()
}
