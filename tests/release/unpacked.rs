//! The image, as an engine would unpack it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::bundle::{arch, file, output, scratch, sha256};

/// An image that was read through its digests, starting at the index.
pub struct Image {
    pub index: Value,
    pub manifest: Value,
    pub config: Value,
    /// The files of all layers.
    pub root: PathBuf,
    /// The layout itself.
    pub layout: PathBuf,
}

/// The image of the snapshot, unpacked once for all tests.
pub fn image() -> &'static Image {
    static UNPACKED: OnceLock<Image> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let (layout, root) = (scratch().join("layout"), scratch().join("root"));
        for folder in [&layout, &root] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).unwrap();
        }
        let archive = file(&format!("image-linux-{}.tar", arch()));
        output(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(&layout));
        let index: Value =
            serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
        let manifest = json(&layout, &index["manifests"][0]);
        let config = json(&layout, &manifest["config"]);
        for layer in manifest["layers"].as_array().unwrap() {
            let layer = blob(&layout, layer);
            output(Command::new("tar").arg("-xzf").arg(layer).arg("-C").arg(&root));
        }
        Image { index, manifest, config, root, layout }
    })
}

/// The folder with the content of the archive for machines without containers, unpacked once for all tests.
pub fn archive() -> &'static Path {
    static UNPACKED: OnceLock<PathBuf> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let folder = scratch().join("archive");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let archive = file(&format!("linux-{}.tar.gz", arch()));
        output(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&folder));
        folder
    })
}

/// The path of a blob, after its size and digest were compared with its descriptor.
fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    let content = fs::read(&path).unwrap();
    assert_eq!(format!("sha256:{}", sha256(&content)), digest);
    assert_eq!(Some(content.len() as u64), descriptor["size"].as_u64());
    path
}

fn json(layout: &Path, descriptor: &Value) -> Value {
    serde_json::from_slice(&fs::read(blob(layout, descriptor)).unwrap()).unwrap()
}

/// A command with the folder as its whole file system, as the user of the image.
///
/// A user other than root becomes root in a user namespace, where it may change the root folder, too.
pub fn inside(root: &Path) -> Command {
    let mut command = Command::new("chroot");
    if output(Command::new("id").arg("-u")).trim() == "0" {
        command.arg("--userspec=65532:65532");
    } else {
        command = Command::new("unshare");
        command.args(["--map-root-user", "chroot"]);
    }
    command.arg(root);
    command
}
