//! The virtual environment with moto, boto3, the AWS CLI and kubectl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::progress::Progress;
use crate::workspace;

/// A slow registry is no reason to give up early.
pub(crate) const INSTALLED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// The virtual environment, made at first use.
#[derive(Clone)]
pub(crate) struct Python {
    dir: PathBuf,
}

impl Python {
    pub(crate) fn ready() -> Result<Self> {
        let list = workspace::sources().join("requirements.txt");
        let wanted = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        // Packages are compiled for one version of Python.
        let version = output(Command::new("python3").arg("--version"))
            .context("the rig needs python3 on the PATH")?;
        let dir = cache::made_once("python", &[&wanted, &version], |dir, janitor| {
            let _progress = Progress::start(
                "installing moto, boto3, the AWS CLI and kubectl (about 30 s, once)",
            );
            let mut venv = Command::new("python3");
            venv.args(["-m", "venv"]).arg(dir);
            janitor
                .spawn("venv", &venv)?
                .must_succeed(INSTALLED_WITHIN)
                .context("python3 has no working venv (on Debian: apt install python3-venv)")?;
            let pip = pip_install(&python(dir), &list);
            janitor.spawn("pip", &pip)?.must_succeed(INSTALLED_WITHIN)
        })?;
        Ok(Self { dir })
    }

    pub(crate) fn interpreter(&self) -> PathBuf {
        python(&self.dir)
    }

    pub(crate) fn kubectl(&self) -> PathBuf {
        self.dir.join("bin").join("kubectl")
    }
}

/// Installs the packages of a list, and nothing else.
pub(crate) fn pip_install(python: &Path, list: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
    pip.args(["--disable-pip-version-check", "--requirement"]).arg(list);
    pip
}

fn python(dir: &Path) -> PathBuf {
    dir.join("bin").join("python")
}

/// Runs to the end and returns stdout, or fails with what stderr says.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.output().with_context(|| format!("cannot run {program}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{program} ended with {}:\n{}", done.status, said.trim_end());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
