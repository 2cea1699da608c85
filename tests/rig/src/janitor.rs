//! Keeps the promise that no process outlives the rig.
//!
//! A destructor runs on a panic, but not on `SIGKILL`, not on Ctrl-C, and never
//! for a `static`. So each rig has a janitor: a shell in a process group of its
//! own, that ignores the signals of a terminal and reads from a pipe which children
//! the rig has. When the rig's process ends, however it ends, the system closes
//! the pipe, and the janitor kills the process groups that are left and removes
//! the run's folder.
//!
//! A child puts itself on the list before it becomes the program it is to run:
//! it holds the pipe until then. So there is no moment at which a kill of the
//! rig could leave an unlisted child behind.
//!
//! Why not `PR_SET_PDEATHSIG`: it fires when the *thread* that spawned ends, as
//! threads of tests do all the time, and it takes unsafe code.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Process;

const SCRIPT: &str = include_str!("janitor.sh");

/// What a child runs first: list itself, close the pipe, execute the program.
const ENTER: &str = r#"echo "+$$" >&0 && exec "$@" </dev/null"#;

/// A cheap handle to a janitor; see the [module](self).
#[derive(Clone)]
pub struct Janitor(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    shell: Mutex<Option<(Child, ChildStdin)>>,
}

impl Janitor {
    /// Starts a janitor for the folder `dir`, which it removes at the end unless
    /// `keep`.
    pub fn start(dir: &Path, keep: bool) -> Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "janitor"])
            .arg(dir)
            .arg(if keep { "keep" } else { "remove" })
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start sh, the rig's janitor")?;
        let pipe = shell.stdin.take().context("the janitor has no stdin")?;
        let inner = Inner { dir: dir.to_owned(), shell: Mutex::new(Some((shell, pipe))) };
        Ok(Self(Arc::new(inner)))
    }

    /// Runs `command` as a child that ends with the rig at the latest, in a
    /// process group of its own, with stdout and stderr in `<name>.log` (appended
    /// to, if it exists).
    ///
    /// Program, arguments, folder and single environment variables of `command`
    /// are honoured. Its streams are not, nor is [`Command::env_clear`], which
    /// the standard library does not tell about: remove variables by name.
    pub fn spawn(&self, name: &str, command: &Command) -> Result<Process> {
        let log = self.0.dir.join(format!("{name}.log"));
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Command::new("sh");
        child.args(["-c", ENTER, "enter"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => child.env(key, value),
                None => child.env_remove(key),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            child.current_dir(dir);
        }
        let child = child
            .stdin(Stdio::from(self.pipe()?))
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Process::new(name, child, log, self.clone())
    }

    /// Removes a process from the list, after it ended.
    pub(crate) fn forget(&self, pid: u32) {
        let mut shell = self.0.shell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pipe)) = shell.as_mut() {
            // Fails only if the janitor was killed; then there is no list.
            let _ = writeln!(pipe, "-{pid}");
        }
    }

    /// Ends what is left and waits until the folder is gone. Later calls do
    /// nothing.
    pub fn finish(&self) {
        let shell = self.0.shell.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut shell, pipe)) = shell {
            drop(pipe);
            let _ = shell.wait();
        }
    }

    fn pipe(&self) -> Result<OwnedFd> {
        use std::os::fd::AsFd;

        let shell = self.0.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, pipe) = shell.as_ref().context("the rig has ended")?;
        Ok(pipe.as_fd().try_clone_to_owned()?)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((mut shell, pipe)) =
            self.shell.get_mut().unwrap_or_else(PoisonError::into_inner).take()
        {
            drop(pipe);
            let _ = shell.wait();
        }
    }
}

/// How long a rescued log stays.
const RESCUED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Copies a log out of the run's folder before that is removed, to be read after a
/// failure. Returns its new path, and deletes old ones.
pub(crate) fn rescue(log: &Path) -> PathBuf {
    let failed = crate::workspace::root().join("failed");
    for old in fs::read_dir(&failed).into_iter().flatten().flatten() {
        let age = old.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed());
        if matches!(age, Ok(Ok(age)) if age > RESCUED_FOR) {
            let _ = fs::remove_file(old.path());
        }
    }
    let run = log.parent().and_then(Path::file_name).unwrap_or_default();
    let mut name = run.to_owned();
    name.push("-");
    name.push(log.file_name().unwrap_or_default());
    let saved = failed.join(name);
    let copied = fs::create_dir_all(&failed).and_then(|()| fs::copy(log, &saved));
    copied.map_or_else(|_| log.to_owned(), |_| saved)
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;
    use crate::process::wait_until;
    use crate::{random, workspace};

    const SOON: Duration = Duration::from_secs(20);
    const DIR: &str = "TEMPCRED_RIG_TEST_DIR";

    fn new_dir() -> Result<PathBuf> {
        let dir = workspace::root().join("run").join(format!("test-{}", random::hex::<4>()));
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// Zombies do not count: which process reaps them depends on the machine.
    fn is_running(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    fn sleeper(janitor: &Janitor, dir: &Path) -> Result<(Process, Vec<String>)> {
        // A child and a grandchild.
        let script = "sleep 1000 & echo $$ $! >pids.new; mv pids.new pids; wait";
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(dir);
        let process = janitor.spawn("sleeper", &command)?;
        wait_until("the sleeper's ids", SOON, || Ok(dir.join("pids").exists()))?;
        let pids = fs::read_to_string(dir.join("pids"))?;
        Ok((process, pids.split_whitespace().map(str::to_owned).collect()))
    }

    /// Not a test: the process that the next test kills.
    #[test]
    #[ignore = "runs as a process of its own"]
    fn victim() -> Result<()> {
        let dir = PathBuf::from(std::env::var_os(DIR).context("no folder")?);
        let janitor = Janitor::start(&dir, false)?;
        let (process, _) = sleeper(&janitor, &dir)?;
        process.wait(Duration::from_secs(600)).map(drop)
    }

    #[test]
    fn no_process_outlives_a_killed_rig() -> Result<()> {
        let dir = new_dir()?;
        let mut victim = Command::new(std::env::current_exe()?)
            .args(["--ignored", "--exact", "janitor::tests::victim"])
            .env(DIR, &dir)
            .stdout(Stdio::null())
            .spawn()?;
        wait_until("the victim's child", SOON, || Ok(dir.join("pids").exists()))?;
        let pids = fs::read_to_string(dir.join("pids"))?;
        ensure!(pids.split_whitespace().all(is_running));
        victim.kill()?;
        victim.wait()?;
        wait_until("the end of it all", SOON, || {
            Ok(!dir.exists() && !pids.split_whitespace().any(is_running))
        })
    }

    #[test]
    fn finishing_ends_all_processes_and_removes_the_folder() -> Result<()> {
        let dir = new_dir()?;
        let janitor = Janitor::start(&dir, false)?;
        let (process, pids) = sleeper(&janitor, &dir)?;
        janitor.finish();
        ensure!(!dir.exists());
        process.wait(SOON)?;
        wait_until("the grandchild's end", SOON, || Ok(!pids.iter().any(|pid| is_running(pid))))?;
        ensure!(janitor.spawn("late", &Command::new("true")).is_err());
        Ok(())
    }

    #[test]
    fn dropping_a_process_ends_its_group_and_removes_it_from_the_list() -> Result<()> {
        let dir = new_dir()?;
        let janitor = Janitor::start(&dir, true)?;
        let (process, pids) = sleeper(&janitor, &dir)?;
        drop(process);
        wait_until("the end of both", SOON, || Ok(!pids.iter().any(|pid| is_running(pid))))?;
        janitor.finish();
        ensure!(dir.exists(), "it was to be kept");
        Ok(fs::remove_dir_all(dir)?)
    }
}
