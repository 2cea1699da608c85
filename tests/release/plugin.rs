//! The plugin of kubectl: krew itself installs it from the manifest and the archive, and the real kubectl runs it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use rig::Tool;
use serde_json::{Value, json};

use crate::bundle::{arch, file, scratch, sha256, version};
use crate::cluster::rig;
use crate::unpacked::archive;

/// The version whose manifest krew installs, as its index requires it.
fn tag() -> String {
    format!("v{}", version())
}

/// Runs krew with this folder as its own.
fn krew(root: &Path, manifest: &Path) -> Output {
    let _ = fs::remove_dir_all(root);
    let mut command = Command::new(Tool::Krew.ready().unwrap());
    command.arg("install").arg(format!("--manifest={}", manifest.display()));
    command.arg(format!("--archive={}", file(&format!("linux-{}.tar.gz", arch())).display()));
    command.env("KREW_ROOT", root).env("KREW_NO_UPGRADE_CHECK", "1");
    command.output().unwrap()
}

/// The folder with the program that krew has installed.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let root = scratch().join("krew/installed");
        let ran = krew(&root, &file("krew.yaml"));
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        root.join("bin")
    })
}

/// kubectl with these folders first in `PATH`.
fn kubectl(folders: &[&Path], args: &[&str]) -> Output {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().map(|folder| (*folder).to_owned());
    let path: OsString = std::env::join_paths(folders.chain(std::env::split_paths(&old))).unwrap();
    rig().kubectl().args(args).env("PATH", path).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_manifest_names_the_archive_of_the_release() {
    let manifest: Value =
        serde_yaml::from_str(&fs::read_to_string(file("krew.yaml")).unwrap()).unwrap();
    let archive = file(&format!("linux-{}.tar.gz", arch()));
    let name = archive.file_name().unwrap().to_str().unwrap();
    let platform = &manifest["spec"]["platforms"][0];
    let url = format!("{}/releases/download/{}/{name}", env!("CARGO_PKG_REPOSITORY"), tag());
    assert_eq!(platform["uri"], url);
    assert_eq!(platform["sha256"], sha256(&fs::read(&archive).unwrap()));
    assert_eq!(platform["selector"], json!({"matchLabels": {"os": "linux", "arch": arch()}}));
    assert_eq!(manifest["spec"]["version"], tag());
    // What the index of krew checks beyond krew itself.
    let short = manifest["spec"]["shortDescription"].as_str().unwrap();
    assert!(short.len() <= 70 && !short.contains("kubectl") && !short.ends_with('.'), "{short}");
    for field in ["description", "caveats"] {
        let text = manifest["spec"][field].as_str().unwrap();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}

#[test]
fn krew_refuses_an_archive_with_another_checksum() {
    let manifest = fs::read_to_string(file("krew.yaml")).unwrap();
    let archive = fs::read(file(&format!("linux-{}.tar.gz", arch()))).unwrap();
    let changed = manifest.replace(&sha256(&archive), &sha256(b"another"));
    assert_ne!(changed, manifest);
    let folder = scratch().join("krew");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("changed.yaml");
    fs::write(&path, changed).unwrap();
    let ran = krew(&folder.join("refused"), &path);
    let said = text(&ran.stderr);
    assert!(!ran.status.success() && said.contains("checksum does not match"), "{said}");
}

#[test]
fn kubectl_runs_the_plugin_against_its_cluster() {
    let help = kubectl(&[installed()], &["tempcred", "status", "--help"]);
    assert!(text(&help.stdout).contains("Usage: kubectl tempcred status"), "{help:?}");
    let wrong = kubectl(&[installed()], &["tempcred", "status", "--no-such-flag"]);
    assert!(text(&wrong.stderr).contains("Usage: kubectl tempcred status"), "{wrong:?}");
    let listed = kubectl(&[installed()], &["plugin", "list"]);
    assert!(listed.status.success(), "{listed:?}");
    assert!(text(&listed.stdout).contains("/kubectl-tempcred"), "{listed:?}");

    let namespace = "kubectl-plugin";
    let create = ["create", "namespace", namespace];
    rig().kubectl_output(&create).unwrap();
    let credential = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": "reports", "namespace": namespace},
        "spec": {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"}},
    });
    let path = rig().dir().join("plugin.json");
    fs::write(&path, credential.to_string()).unwrap();
    rig().kubectl_output(&["create", "--filename", path.to_str().unwrap()]).unwrap();
    let status = kubectl(&[installed()], &["tempcred", "status", "--namespace", namespace]);
    rig().kubectl_output(&["delete", "namespace", namespace, "--wait=false"]).unwrap();
    let (out, err) = (text(&status.stdout), text(&status.stderr));
    // No operator serves the namespace.
    assert_eq!((status.status.code(), &*err), (Some(1), ""), "{out}");
    let row = out.lines().find(|line| line.starts_with("reports")).unwrap_or_default();
    assert!(row.contains("Unknown"), "{out}");
}

#[test]
fn kubectl_completes_the_words_of_the_plugin() {
    let folders = [installed(), &archive().join("completions")];
    for (words, expected) in [
        (&["stat"][..], "status\tShow which credentials are ready"),
        (&["status", "--all"], "--all-namespaces\t"),
        (&["status", "-o", ""], "json\t"),
    ] {
        let asked = kubectl(&folders, &[&["__complete", "tempcred"], words].concat());
        let found = text(&asked.stdout);
        assert!(found.lines().any(|line| line.starts_with(expected)), "{words:?}: {found}");
        // No names of files.
        assert!(found.lines().any(|line| line == ":4"), "{words:?}: {found}");
    }
}
