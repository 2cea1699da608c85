//! A system clock that a test can set, for single processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::random;
use crate::workspace;

/// The system clock of the processes that get [`Clock::environment`]. They must be linked dynamically.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock with the right time. `dir` is a folder for its files.
    ///
    /// # Errors
    /// If there is no C compiler, which Go needs too, or the files cannot be written.
    pub fn new(dir: &Path) -> Result<Self> {
        let name = random::hex::<4>();
        let clock = Self {
            library: dir.join(format!("clock-{name}.so")),
            file: dir.join(format!("clock-{name}")),
        };
        let source = workspace::sources().join("tools/clock/clock.c");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(&compiler);
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library).arg(source);
        let output = command.output().context("cannot start the C compiler cc: install gcc")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        clock.set(0)?;
        Ok(clock)
    }

    /// The variables that a process needs.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let text = |path: &Path| path.display().to_string();
        [("LD_PRELOAD", text(&self.library)), ("RIG_CLOCK", text(&self.file))]
    }

    /// Sets the clock this number of seconds ahead, or back.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // In place: the processes have mapped this file.
        use std::io::Write;
        let mut file =
            fs::File::options().write(true).create(true).truncate(false).open(&self.file)?;
        Ok(file.write_all(&seconds.to_ne_bytes())?)
    }
}

#[test]
fn a_process_sees_the_time_that_is_set() -> Result<()> {
    let dir = std::env::temp_dir().join(format!("rig-clock-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let clock = Clock::new(&dir)?;
    let seconds = || -> Result<i64> {
        let output = Command::new("date").arg("+%s").envs(clock.environment()).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    for set in [0, 3600, -3600] {
        clock.set(set)?;
        let off = seconds()? - jiff::Timestamp::now().as_second() - set;
        ensure!((-2..=2).contains(&off), "{off} seconds off after {set}");
    }
    fs::remove_dir_all(dir)?;
    Ok(())
}
