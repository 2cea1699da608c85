//! The structure of the program: no import circle, no import in the wrong direction, and no dependency of
//! the core on a runtime or a client.
//!
//! | module | holds |
//! |---|---|
//! | [`tree`] | the modules, with what each declares and mentions |
//! | [`resolve`] | which module declares what a path names |
//! | [`imports`] | which file imports which |
//! | [`circles`], [`folders`] | what is wrong with that |
//! | [`dependencies`] | what is wrong with the dependencies of the core |
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod circles;
mod dependencies;
mod folders;
mod imports;
mod planted;
mod resolve;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The text of each source file, by its path in the workspace.
type Sources = BTreeMap<String, String>;

#[test]
fn no_file_imports_itself_through_others() {
    let report = circles::report(&imports::imports(&sources()));
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn no_folder_imports_what_is_above_or_beside_it() {
    let sources = sources();
    let report = folders::report(sources.keys(), &imports::imports(&sources));
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn the_core_depends_on_no_runtime_and_no_client() {
    let found = dependencies::forbidden(&dependencies::of("tempcred-core"));
    assert!(found.is_empty(), "tempcred-core depends on {}", found.join(", "));
}

/// Those of both crates.
fn sources() -> Sources {
    let mut sources = Sources::new();
    for folder in ["core/src", "src"] {
        read(folder, &mut sources);
    }
    sources
}

fn read(folder: &str, sources: &mut Sources) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Without the core, the test of its dependencies fails.
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(&path, sources);
        } else if path.ends_with(".rs") {
            sources.insert(path.clone(), fs::read_to_string(root.join(&path)).unwrap());
        }
    }
}
