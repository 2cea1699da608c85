//! Where credentials come from: a file, or whatever a function returns.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;

use super::document::{Document, Unavailable};

/// Largest file, in bytes. A session token of AWS has a few KiB at most.
const LARGEST: u64 = 64 * 1024;

/// How often a file that is not there is looked up again.
const READ_AGAIN: usize = 3;

/// Reads the current value at each call.
pub(crate) type Read<T> = Box<dyn Fn() -> BoxFuture<'static, Result<T, Unavailable>> + Send + Sync>;

/// Credentials with a name.
pub(crate) struct Source {
    pub(super) name: String,
    pub(super) read: Read<Document>,
}

impl Source {
    /// Serves what `read` returns at the path `/NAME`. It is called for each request.
    pub(crate) fn new(name: String, read: Read<Document>) -> Self {
        Self { name, read }
    }

    /// Serves the document of a `credential_process` in this file at the path `/NAME`.
    pub(super) fn file(name: String, path: PathBuf) -> Self {
        let read = move || Document::parse(&file(&path)?, Timestamp::now());
        Self::new(name, Box::new(move || Box::pin(std::future::ready(read()))))
    }
}

/// Reads a file. The kubelet replaces all files of a volume at once, so a reader gets the old content or the new one.
pub(super) fn file(path: &Path) -> Result<SecretString, Unavailable> {
    found(|| read(path)).map_err(|error| {
        let path = path.display();
        let advice = "check that the Secret is mounted and has this key";
        Unavailable::Unreadable(format!("cannot read {path}: {error}; {advice}"))
    })
}

/// Reads again if there is no file. After the kubelet has replaced the link to the files, it removes the old ones: a reader
/// that has followed the old link just before finds none, and then follows the new one.
fn found<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..READ_AGAIN {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    read()
}

/// The content of a small regular file. Opening a pipe would block.
fn read(path: &Path) -> io::Result<SecretString> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let too_large = || io::Error::other(format!("it has more than {LARGEST} bytes"));
    if metadata.len() > LARGEST {
        return Err(too_large());
    }
    // With room for all of it: growing would copy the values.
    let mut text = String::with_capacity(metadata.len() as usize + 1);
    // The file may have grown.
    match File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)? {
        length if length as u64 > LARGEST => Err(too_large()),
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reads_regular_files_up_to_the_limit() {
        let folder = std::env::temp_dir().join(format!("tempcred-agent-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, content: Vec<u8>| {
            fs::write(folder.join(name), content).unwrap();
            folder.join(name)
        };
        let largest = write("largest", vec![b'x'; LARGEST as usize]);
        assert_eq!(file(&largest).unwrap().expose_secret().len() as u64, LARGEST);
        for (path, complaint) in [
            (write("large", vec![b'x'; LARGEST as usize + 1]), "more than 65536 bytes"),
            (write("binary", vec![0xff, 0xfe]), "valid UTF-8"),
            (folder.join("missing"), "No such file"),
            (folder.clone(), "not a regular file"),
        ] {
            let error = file(&path).unwrap_err();
            assert_eq!(error.code(), "CredentialsUnreadable");
            let error = error.to_string();
            assert!(error.contains(complaint) && error.contains(path.to_str().unwrap()), "{error}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_missing_for_a_moment_is_found() {
        let missing = |at| (at, io::ErrorKind::NotFound);
        for (row, failures, expected) in [
            ("there at once", vec![], Ok(1)),
            ("replaced meanwhile", vec![missing(1)], Ok(2)),
            ("replaced several times", vec![missing(1), missing(2), missing(3)], Ok(4)),
            ("missing", (1..9).map(missing).collect(), Err(4)),
            ("unreadable", vec![(1, io::ErrorKind::PermissionDenied)], Err(1)),
        ] {
            let mut reads = 0;
            let result = found(|| {
                reads += 1;
                let failure = failures.iter().find(|(at, _)| *at == reads);
                failure.map_or(Ok(reads), |(_, kind)| Err((*kind).into()))
            });
            assert_eq!(result.map_err(|_| reads), expected, "{row}");
        }
    }
}
