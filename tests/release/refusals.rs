//! What the release script refuses to release.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempcred::telemetry::version::VERSION;

use crate::bundle::{output, scratch, script, workspace};

/// The message of the script when it starts to build.
const BUILDING: &str = "it would build now";

#[test]
fn a_changelog_without_the_version_is_not_released() {
    let repository = repository("no-section", "## Unreleased\n\n## 0.0.1 - 2026-01-01\n");
    assert!(release(&repository, &[]).contains(&format!("no section for {VERSION}")));
    assert!(release(&repository, &["--snapshot"]).contains(BUILDING));
}

#[test]
fn uncommitted_changes_are_not_released() {
    let repository = repository("dirty", &section());
    fs::write(repository.join("new.rs"), "").unwrap();
    assert!(release(&repository, &[]).contains("not committed"));
    assert!(release(&repository, &["--snapshot"]).contains(BUILDING));
}

#[test]
fn a_committed_version_with_its_section_is_released() {
    let repository = repository("fine", &section());
    assert!(release(&repository, &[]).contains(BUILDING));
}

#[test]
fn a_foreign_folder_is_not_replaced() {
    let repository = repository("theirs", &section());
    let theirs = scratch().join("repositories/photos");
    fs::create_dir_all(&theirs).unwrap();
    assert!(release(&repository, &[theirs.to_str().unwrap()]).contains("holds no release"));
    assert!(theirs.exists());
}

fn section() -> String {
    format!("## [{VERSION}] - 2026-11-23\n")
}

/// A repository with the script, this changelog, and a build that does nothing.
fn repository(name: &str, changelog: &str) -> PathBuf {
    let folder = scratch().join("repositories").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join(".ci")).unwrap();
    for file in ["Cargo.toml", ".gitignore", ".ci/release", ".ci/image-root"] {
        fs::copy(workspace().join(file), folder.join(file)).unwrap();
    }
    fs::write(folder.join(".ci/image-root"), format!("#!/bin/sh\necho {BUILDING} >&2\nexit 1\n"))
        .unwrap();
    fs::write(folder.join("CHANGELOG.md"), changelog).unwrap();
    let git = |args: &[&str]| output(Command::new("git").arg("-C").arg(&folder).args(args));
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    let name = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    git(&[&name[..], &["commit", "--quiet", "--no-gpg-sign", "--no-verify", "--message", "All"]]
        .concat());
    folder
}

/// The output of the script of a repository. It always fails.
fn release(repository: &Path, args: &[&str]) -> String {
    let output = script(repository, ".ci/release").args(args).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}
