//! A child process of the rig.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

use crate::janitor::{self, Janitor};

/// How often a condition is checked while waiting.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How much of a log an error shows.
const LAST_LINES: usize = 20;

/// A running program that ends with the rig at the latest. Dropping it kills it,
/// and whatever it started in its process group.
pub struct Process {
    name: String,
    pid: Pid,
    log: PathBuf,
    janitor: Janitor,
    state: Mutex<State>,
}

struct State {
    child: Child,
    ended: Option<ExitStatus>,
}

/// A figure of a process's memory in `/proc/PID/status`, such as `VmHWM` or `VmRSS`, in bytes.
pub fn memory(pid: u32, figure: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    let kib = value.with_context(|| format!("/proc/{pid}/status has no {figure}"))?;
    Ok(kib.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

impl Process {
    pub(crate) fn new(name: &str, child: Child, log: PathBuf, janitor: Janitor) -> Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{name} has no process id"))?;
        let state = Mutex::new(State { child, ended: None });
        Ok(Self { name: name.to_owned(), pid, log, janitor, state })
    }

    /// The process id, which is that of its process group too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Where stdout and stderr go. Removed with the rig's folder.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// All that stdout and stderr got so far.
    pub fn output(&self) -> Result<String> {
        let bytes = fs::read(&self.log).with_context(|| self.log.display().to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Asks the process to end: `SIGTERM`.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Stops the process: `SIGSTOP`. It stands still until [`Process::resume`].
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Continues the process: `SIGCONT`.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends the process and its group: `SIGKILL`. Returns at once; see
    /// [`Process::wait`].
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // The lock prevents others from reaping it, so the id cannot have been reused.
        let mut state = self.state();
        if self.look(&mut state)?.is_none() {
            let sent = if signal == Signal::KILL {
                rustix::process::kill_process_group(self.pid, signal)
            } else {
                // Only the program itself, not the processes that it started.
                rustix::process::kill_process(self.pid, signal)
            };
            sent.with_context(|| format!("cannot signal {}", self.name))?;
        }
        Ok(())
    }

    /// Whether it has not ended yet.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.look(&mut self.state()), Ok(None))
    }

    /// Waits for the end, at most so long.
    pub fn wait(&self, at_most: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.look(&mut self.state())? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} still runs after {at_most:?}\n{}", self.name, self.last_lines());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Fails with the end of the log if the process has ended.
    pub(crate) fn must_run(&self) -> Result<()> {
        match self.look(&mut self.state())? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}\n{}", self.name, self.last_lines()),
        }
    }

    /// Waits for the end, and fails with the end of the log unless the process succeeded.
    pub(crate) fn must_succeed(&self, at_most: Duration) -> Result<()> {
        let status = self.wait(at_most)?;
        if !status.success() {
            bail!("{} ended with {status}\n{}", self.name, self.last_lines());
        }
        Ok(())
    }

    /// The last lines of the log under its name, for an error.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.output().unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
        format!("{}:\n  {tail}", janitor::rescue(&self.log).display())
    }

    fn look(&self, state: &mut State) -> Result<Option<ExitStatus>> {
        if state.ended.is_none()
            && let Some(status) = state.child.try_wait()?
        {
            state.ended = Some(status);
            // What it leaves behind in its group must not outlive it.
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
            self.janitor.forget(self.pid());
        }
        Ok(state.ended)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
        let mut state = self.state();
        if state.ended.is_none() && state.child.wait().is_ok() {
            self.janitor.forget(self.pid());
        }
    }
}

/// Repeats `done` until it returns true, at most so long.
pub(crate) fn wait_until(
    what: &str,
    at_most: Duration,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + at_most;
    while !done()? {
        if Instant::now() >= deadline {
            bail!("{what}: not within {at_most:?}");
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}
