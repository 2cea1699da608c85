//! The folders of the rig: all are under the workspace's `target/rig`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::random;

/// The folder of this crate, with the sources that the rig builds from.
pub(crate) fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `<workspace>/target/rig`.
///
/// Not `CARGO_TARGET_DIR`: a control plane that took minutes to build is worth
/// keeping if another target folder is used.
pub(crate) fn root() -> PathBuf {
    // The crate sits two levels below the workspace: tests/rig.
    let workspace = sources().ancestors().nth(2).unwrap_or(sources());
    workspace.join("target").join("rig")
}

/// A new folder for this run.
pub(crate) fn new_run() -> Result<PathBuf> {
    let name = format!("{}-{}", std::process::id(), random::hex::<4>());
    let dir = root().join("run").join(name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}
