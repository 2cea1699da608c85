//! A mounted Secret, laid out as the kubelet does it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::unique;
use crate::world::rig;

/// A folder whose files are links through `..data`, which the kubelet replaces as a whole.
pub struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// A mount without content, which only exists before the kubelet has written it.
    pub fn new(name: &str) -> Self {
        let folder = rig().dir().join(format!("mount-{}", unique())).join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    /// Replaces all files, as the kubelet's atomic writer does.
    pub fn write(&self, files: &[(&str, &str)]) {
        let name = format!("..2026_11_29_{}", unique());
        let (new, data) = (self.folder.join(&name), self.folder.join("..data"));
        fs::create_dir(&new).unwrap();
        for (file, content) in files {
            fs::write(new.join(file), content).unwrap();
        }
        let old = fs::read_link(&data).ok();
        let next = self.folder.join("..data_tmp");
        symlink(&name, &next).unwrap();
        fs::rename(&next, &data).unwrap();
        for (file, _) in files {
            let link = self.folder.join(file);
            if fs::symlink_metadata(&link).is_err() {
                symlink(format!("..data/{file}"), &link).unwrap();
            }
        }
        if let Some(old) = old {
            fs::remove_dir_all(self.folder.join(old)).unwrap();
        }
    }

    /// Replaces `credentials.json`.
    pub fn put(&self, content: impl ToString) {
        self.write(&[("credentials.json", &content.to_string())]);
    }
}
