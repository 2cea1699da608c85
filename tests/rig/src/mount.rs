//! A mounted Secret, laid out as the kubelet does it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder whose files are links through `..data`, which the kubelet replaces as a whole.
pub struct Mount {
    folder: PathBuf,
}

impl Mount {
    /// A mount without content, which only exists before the kubelet has written it.
    ///
    /// # Errors
    /// If the folder cannot be created.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    /// Replaces all files, as the kubelet's atomic writer does.
    ///
    /// # Errors
    /// If a file, folder or link cannot be written.
    pub fn write(&self, files: &[(&str, &[u8])]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("..2026_11_29_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (new, data) = (self.folder.join(&name), self.folder.join("..data"));
        fs::create_dir(&new)?;
        for (file, content) in files {
            fs::write(new.join(file), content)?;
        }
        let old = fs::read_link(&data).ok();
        let next = self.folder.join("..data_tmp");
        symlink(&name, &next)?;
        fs::rename(&next, &data)?;
        for (file, _) in files {
            let link = self.folder.join(file);
            if fs::symlink_metadata(&link).is_err() {
                symlink(format!("..data/{file}"), &link)?;
            }
        }
        old.map_or(Ok(()), |old| fs::remove_dir_all(self.folder.join(old)))
    }

    /// Replaces `credentials.json`.
    ///
    /// # Errors
    /// As [`Mount::write`].
    pub fn put(&self, content: impl ToString) -> io::Result<()> {
        self.write(&[("credentials.json", content.to_string().as_bytes())])
    }
}
