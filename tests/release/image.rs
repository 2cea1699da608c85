//! The container image: its files, its configuration, and its layout.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::bundle::{arch, output, tree, version, workspace};
use crate::unpacked::{image, inside};

#[test]
fn it_contains_these_files_and_no_shell() {
    let names: Vec<_> = tree(&image().root).into_iter().map(|(name, _)| name).collect();
    let wanted = ["etc/passwd", "etc/ssl/certs/ca-certificates.crt", "tempcred", "tempcred-agent"];
    assert_eq!(names, wanted);
    for name in wanted {
        let mode = fs::metadata(image().root.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, if name.starts_with("tempcred") { 0o755 } else { 0o644 }, "{name}");
    }
}

#[test]
fn it_has_the_expected_metadata_and_an_unprivileged_user() {
    let config = &image().config["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], json!(["/tempcred"]));
    assert_eq!(config["Cmd"], json!(["run"]));
    let label = |name: &str| {
        config["Labels"][format!("org.opencontainers.image.{name}")].as_str().unwrap().to_owned()
    };
    assert_eq!(label("title"), "tempcred");
    assert_eq!(label("version"), version());
    assert_eq!(label("revision"), git(&["rev-parse", "HEAD"]));
    assert_eq!(label("source"), env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    let created: jiff::Timestamp = label("created").parse().unwrap();
    assert_eq!(created.as_second().to_string(), git(&["log", "-1", "--format=%ct"]));
    assert_eq!(image().config["created"], label("created"));
    assert_eq!(
        (&image().config["os"], &image().config["architecture"]),
        (&json!("linux"), &json!(arch()))
    );
}

#[test]
fn it_runs_in_an_empty_root_as_the_user_of_the_image() {
    let said = output(inside(&image().root).args(["/tempcred", "--version"]));
    let (commit, number) = (git(&["rev-parse", "HEAD"]), tempcred::telemetry::version::VERSION);
    assert!(said.starts_with(&format!("tempcred {number} ({}", &commit[..12])), "{said}");
    let crds = output(inside(&image().root).args(["/tempcred", "crds"]));
    assert!(crds.contains("kind: CustomResourceDefinition"));
}

#[test]
fn every_engine_finds_the_same_image_in_the_archive() {
    let image = image();
    let descriptor = &image.index["manifests"][0];
    assert_eq!(descriptor["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(descriptor["platform"], json!({"os": "linux", "architecture": arch()}));
    let layers = &image.manifest["layers"];
    assert_eq!(layers[0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    // The format that `docker load` of an older engine reads.
    let docker: Value =
        serde_json::from_slice(&fs::read(image.layout.join("manifest.json")).unwrap()).unwrap();
    let path =
        |blob: &Value| format!("blobs/{}", blob["digest"].as_str().unwrap().replace(':', "/"));
    assert_eq!(docker[0]["Config"], path(&image.manifest["config"]));
    assert_eq!(docker[0]["Layers"], json!([path(&layers[0])]));
    assert_eq!(docker[0]["RepoTags"][0], descriptor["annotations"]["io.containerd.image.name"]);
    // The configuration lists the digests of the unpacked layers.
    let layer = image.layout.join(path(&layers[0]));
    let content = Command::new("gzip").arg("-dc").arg(layer).output().unwrap().stdout;
    let digest = format!("sha256:{}", crate::bundle::sha256(&content));
    assert_eq!(image.config["rootfs"], json!({"type": "layers", "diff_ids": [digest]}));
}

#[test]
fn every_file_belongs_to_root_and_has_the_time_of_the_commit() {
    let layer = image().manifest["layers"][0]["digest"].as_str().unwrap().replace(':', "/");
    let layer = image().layout.join("blobs").join(layer);
    let listed = output(
        Command::new("tar").args(["--numeric-owner", "--full-time", "--utc", "-tvzf"]).arg(layer),
    );
    let second: i64 = git(&["log", "-1", "--format=%ct"]).parse().unwrap();
    let time =
        jiff::Timestamp::from_second(second).unwrap().strftime("%Y-%m-%d %H:%M:%S").to_string();
    for line in listed.lines() {
        assert!(line.contains(" 0/0 ") && line.contains(&time), "{line}");
    }
}

fn git(args: &[&str]) -> String {
    output(Command::new("git").args(args).current_dir(workspace())).trim().to_owned()
}
