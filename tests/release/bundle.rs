//! The release that all tests check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of these tests.
pub fn scratch() -> PathBuf {
    workspace().join("target/release-test")
}

/// The prefix of the file names of a snapshot.
pub fn version() -> String {
    format!("{}-snapshot", tempcred::telemetry::version::VERSION)
}

/// The architecture, as images name it.
pub fn arch() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// The folder of a snapshot, made once for all tests.
pub fn bundle() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| make("one"))
}

/// Makes a snapshot in a folder of this name.
///
/// The script's stderr is passed through, past the capture of the test harness, to show progress.
pub fn make(name: &str) -> PathBuf {
    let folder = scratch().join(name);
    let status =
        script(workspace(), ".ci/release").arg("--snapshot").arg(&folder).status().unwrap();
    assert!(status.success(), ".ci/release --snapshot: {status}");
    folder
}

/// A file of the snapshot, by what comes after the version.
pub fn file(rest: &str) -> PathBuf {
    bundle().join(format!("tempcred-{}-{rest}", version()))
}

/// A script of a workspace, without the variables that cargo sets for tests: a shell of a user does not have
/// them, and cargo would rebuild what depends on them.
pub fn script(workspace: &Path, path: &str) -> Command {
    let mut command = Command::new(workspace.join(path));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// The output of a program; fails with its error output.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of every file below a folder, by its path there.
pub fn tree(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push((name, sha256(&fs::read(&path).unwrap())));
            }
        }
    }
    found.sort();
    found
}
