//! Programs built from Go modules whose versions and checksums are in this crate, and the files of
//! such modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cache;
use crate::progress::Progress;
use crate::workspace;

/// Five minutes on two cores for the longest; a slow machine takes longer.
const BUILT_WITHIN: Duration = Duration::from_secs(60 * 60);

/// What to build.
pub(crate) struct Program<'a> {
    /// Name of the binary and of its place in the cache.
    pub(crate) name: &'a str,
    /// Folder of this crate with its `go.mod`, `go.sum` and whatever Go files it has.
    pub(crate) folder: &'a str,
    /// The package to build: `.` for the folder itself.
    pub(crate) package: &'a str,
    /// What the linker is to write into variables: `-X package.variable=value`.
    pub(crate) stamp: &'a str,
    /// Build tags, separated by commas.
    pub(crate) tags: &'a str,
    /// Whether it has parts in C, and so needs a C compiler.
    pub(crate) cgo: bool,
    /// The progress message.
    pub(crate) progress: &'a str,
}

impl Program<'_> {
    /// The binary, built unless that has been done.
    pub(crate) fn ready(&self) -> Result<PathBuf> {
        let folder = workspace::sources().join(self.folder);
        let mut inputs = vec![self.package.to_owned(), self.stamp.to_owned(), self.tags.to_owned()];
        if self.cgo {
            inputs.push("cgo".to_owned());
        }
        inputs.extend(files(&folder)?);
        let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
        let dir = cache::made_once(self.name, &inputs, |dir, janitor| {
            let _progress = Progress::start(self.progress);
            let build = self.build(&folder, &dir.join(self.name));
            janitor
                .spawn("go-build", &build)?
                .must_succeed(BUILT_WITHIN)
                .with_context(|| format!("the rig builds its {} with Go 1.26", self.name))
        })?;
        Ok(dir.join(self.name))
    }

    fn build(&self, folder: &Path, binary: &Path) -> Command {
        let mut go = Command::new("go");
        let linker = format!("-s -w {}", self.stamp);
        go.args(["build", "-trimpath", "-buildvcs=false", "-tags", self.tags]);
        go.args(["-ldflags", &linker, "-o"]).arg(binary).arg(self.package).current_dir(folder);
        of_its_own(&mut go);
        if self.cgo {
            go.env("CGO_ENABLED", "1");
        }
        go
    }
}

/// Removes the user's settings, and a go.work above the workspace: they must not matter.
fn of_its_own(go: &mut Command) {
    go.env("GOWORK", "off").env("GOFLAGS", "-mod=readonly").env("CGO_ENABLED", "0");
    go.env_remove("GOOS").env_remove("GOARCH").env_remove("GO111MODULE");
}

/// The folder of a module that a `go.mod` of this crate requires, in Go's cache; its checksum is that
/// of the `go.sum` beside it.
pub(crate) fn module(folder: &str, module: &str) -> Result<PathBuf> {
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", module]).current_dir(workspace::sources().join(folder));
    of_its_own(&mut go);
    let output = go.output().context("cannot run go")?;
    // It reports an error as a field, too.
    let reply: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let dir = reply["Dir"].as_str();
    dir.map(PathBuf::from).with_context(|| format!("go mod download {module}: {reply}"))
}

/// The content of every file of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let read =
        |path: PathBuf| fs::read_to_string(&path).with_context(|| path.display().to_string());
    paths.into_iter().filter(|path| path.is_file()).map(read).collect()
}
