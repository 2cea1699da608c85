//! Where the rig keeps things: all of it under the workspace's `target/rig`.

use std::path::{Path, PathBuf};

/// The folder of this crate, with the sources that the rig builds from.
pub(crate) fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `<workspace>/target/rig`.
///
/// Not `CARGO_TARGET_DIR`: a control plane that took minutes to build is worth
/// keeping when somebody tries another target folder.
pub(crate) fn root() -> PathBuf {
    // The crate sits two levels below the workspace: tests/rig.
    let workspace = sources().ancestors().nth(2).unwrap_or(sources());
    workspace.join("target").join("rig")
}
