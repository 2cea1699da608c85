//! Builds of the same commit are identical.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bundle::{bundle, make, output, scratch, script, sha256, tree, workspace};
use crate::unpacked::image;

/// Everything but the compiled binary is made a second time: archives, image, list of components,
/// chart, checksums.
#[test]
fn a_second_build_is_identical() {
    let first = tree(bundle());
    assert_eq!(tree(&make("two")), first);
}

/// The first stage of the Dockerfile: the build context is copied to another path, and built there.
/// The crate tempcred and the CA roots are compiled again. The dependencies are those that were compiled for
/// the release, because they take minutes. Then all files of the image are compared.
///
/// This is done once for each binary.
#[test]
fn the_build_context_of_the_dockerfile_makes_the_same_files_at_another_path() {
    let seen = [
        image().root.join("tempcred"),
        workspace().join(".dockerignore"),
        workspace().join(".ci/image-root"),
    ];
    let seen: String = seen.iter().map(|path| sha256(&fs::read(path).unwrap())).collect();
    let proof = scratch().join(format!("elsewhere-{}", &sha256(seen.as_bytes())[..16]));
    if proof.exists() {
        return;
    }
    let context = scratch().join("elsewhere/a build context");
    let _ = fs::remove_dir_all(context.parent().unwrap());
    for path in build_context() {
        let to = context.join(&path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        // The copy is newer than what was compiled from the original, so it is compiled.
        fs::copy(workspace().join(&path), to).unwrap();
    }
    let said = output(Command::new(image().root.join("tempcred")).arg("--version"));
    let commit = said.trim().rsplit_once('(').unwrap().1.trim_end_matches(')');
    let root = context.join("image");
    let status = script(&context, ".ci/image-root")
        .arg(&root)
        .env("TEMPCRED_COMMIT", commit)
        .env("TEMPCRED_STATIC_TARGET", workspace().join("target/static"))
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(tree(&root), tree(&image().root));
    fs::remove_dir_all(context.parent().unwrap()).unwrap();
    fs::write(proof, "").unwrap();
}

/// The files that git would commit, less what `.dockerignore` leaves out.
fn build_context() -> Vec<PathBuf> {
    let ignored = fs::read_to_string(workspace().join(".dockerignore")).unwrap();
    let ignored: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    let files = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let files = output(Command::new("git").args(files).current_dir(workspace()));
    let kept = |path: &&str| {
        let first = Path::new(path).iter().next().unwrap().to_str().unwrap();
        !ignored.iter().any(|pattern| match pattern.strip_prefix('*') {
            Some(end) => first == *path && path.ends_with(end),
            None => first == *pattern,
        })
    };
    let there = |path: &&str| workspace().join(path).is_file();
    files.split_terminator('\0').filter(kept).filter(there).map(PathBuf::from).collect()
}
