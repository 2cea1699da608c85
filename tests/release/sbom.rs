//! The list of components matches the linked ones.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tempcred::telemetry::version::VERSION;

use crate::bundle::{file, output, workspace};

#[test]
fn it_lists_the_linked_components_and_nothing_else() {
    let sbom = read();
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    let itself = &sbom["metadata"]["component"];
    assert_eq!((&itself["name"], &itself["version"]), (&"tempcred".into(), &VERSION.into()));
    let listed: BTreeSet<_> = components(&sbom)
        .iter()
        .map(|part| {
            format!("{} v{}", part["name"].as_str().unwrap(), part["version"].as_str().unwrap())
        })
        .collect();
    let tree =
        ["tree", "--locked", "--package", "tempcred", "--edges", "normal", "--prefix", "none"];
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let tree = output(
        Command::new("cargo").args(tree).args(["--target", &target]).current_dir(workspace()),
    );
    let linked: BTreeSet<_> = tree
        .lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .filter(|name| !name.starts_with("tempcred ") && !name.is_empty())
        .collect();
    assert_eq!(listed, linked);
}

#[test]
fn every_component_has_a_licence_and_a_checksum() {
    for part in components(&read()) {
        assert!(part["licenses"][0].is_object(), "{part}");
        // Our own crates have no archive: the checksums of the release cover them.
        let is_ours = part["bom-ref"].as_str().unwrap().starts_with("path+");
        assert!(is_ours || part["hashes"][0].is_object(), "{part}");
    }
}

#[test]
fn it_contains_no_path_of_the_build_machine() {
    let text = fs::read_to_string(file("sbom.cdx.json")).unwrap();
    assert!(!text.contains(workspace().to_str().unwrap()) && !text.contains("file://"));
}

fn read() -> Value {
    serde_json::from_slice(&fs::read(file("sbom.cdx.json")).unwrap()).unwrap()
}

fn components(sbom: &Value) -> &Vec<Value> {
    sbom["components"].as_array().unwrap()
}
