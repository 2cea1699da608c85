//! The folder of a release: its content and its checksums.

use std::collections::BTreeSet;
use std::fs;

use crate::bundle::{arch, bundle, file, sha256, version, workspace};

#[test]
fn it_contains_the_documented_files_and_nothing_else() {
    let (version, arch) = (version(), arch());
    let mut wanted = BTreeSet::from([
        "SHA256SUMS".to_owned(),
        format!("tempcred-{version}-crds.yaml"),
        format!("tempcred-{version}-image-linux-{arch}.tar"),
        format!("tempcred-{version}-krew.yaml"),
        format!("tempcred-{version}-linux-{arch}.tar.gz"),
        format!("tempcred-{version}-sbom.cdx.json"),
    ]);
    if workspace().join("charts/tempcred").exists() {
        wanted.insert(format!("tempcred-{version}-chart.tgz"));
    }
    let names: BTreeSet<_> = fs::read_dir(bundle())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, wanted);
    let docs = fs::read_to_string(workspace().join("docs/release.md")).unwrap();
    for name in names {
        let generic = name.replace(&version, "VERSION").replace(arch, "ARCH");
        assert!(
            docs.contains(&format!("`{generic}`")),
            "docs/release.md does not explain {generic}"
        );
    }
}

#[test]
fn its_checksums_cover_all_files() {
    let sums = fs::read_to_string(bundle().join("SHA256SUMS")).unwrap();
    let mut listed = BTreeSet::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(sum, sha256(&fs::read(bundle().join(name)).unwrap()), "{name}");
        listed.insert(name);
    }
    assert_eq!(listed.len() + 1, fs::read_dir(bundle()).unwrap().count());
}

#[test]
fn its_crds_match_the_folder() {
    let mut paths: Vec<_> = fs::read_dir(workspace().join("crds"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let crds = fs::read_to_string(file("crds.yaml")).unwrap();
    paths.retain(|crd| !crds.contains(crd));
    assert_eq!(paths, Vec::<String>::new());
}
