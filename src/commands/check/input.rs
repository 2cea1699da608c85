//! Reads the files of `tempcred check`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::finding::{Finding, Place};
use super::node::Data;
use super::object::{Kind, Object, objects};
use super::rule::Rule;
use super::yaml::{Document, parse};

/// Largest file, in bytes. The objects of a cluster are at most 1.5 MiB each.
const LARGEST: u64 = 32 << 20;

/// Greatest depth of folders.
const DEPTH: usize = 32;

/// Most files.
const MOST_FILES: usize = 100_000;

/// The names of manifests end with one of these.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// What was read.
#[derive(Debug, Default)]
pub struct Input {
    /// The objects that are checked or used.
    pub objects: Vec<Object>,
    /// Number of documents that are neither.
    pub others: usize,
    /// What cannot be read, and keys that occur twice.
    pub findings: Vec<Finding>,
}

impl Input {
    /// Reads files, folders, and standard input for `-`. `namespace` is the namespace of objects that set none.
    pub fn read(&mut self, paths: &[PathBuf], namespace: &str) {
        let mut seen = BTreeSet::new();
        for path in paths {
            if path.as_os_str() == "-" {
                self.add("-", read_bounded(io::stdin().lock()), namespace);
                continue;
            }
            match files(path) {
                Ok(files) => {
                    for file in files {
                        // A file that is named twice is read once.
                        if seen.insert(file.clone()) {
                            let text = File::open(&file).and_then(read_bounded);
                            self.add(&file.display().to_string(), text, namespace);
                        }
                    }
                }
                Err(error) => self.unreadable(&path.display().to_string(), 0, &error.to_string()),
            }
        }
    }

    fn unreadable(&mut self, file: &str, line: usize, message: &str) {
        let place = Place { file: file.into(), line };
        self.findings.push(Finding::new(Rule::Unreadable, place, message));
    }

    /// Adds the documents of a file.
    fn add(&mut self, file: &str, text: io::Result<String>, namespace: &str) {
        let text = match text {
            Ok(text) => text,
            Err(error) => return self.unreadable(file, 0, &error.to_string()),
        };
        let name: Arc<str> = file.into();
        let (documents, error) = parse(&text);
        // Helm writes empty documents for what it leaves out.
        let is_empty = |document: &Document| document.node.data == Data::Scalar(Value::Null);
        for document in documents.into_iter().filter(|document| !is_empty(document)) {
            let mut is_ours = false;
            for node in objects(document.node) {
                let object = Object::new(&name, node, namespace);
                is_ours |=
                    matches!(object.kind, Kind::Credential | Kind::Grant | Kind::UnknownOfGroup);
                match object.kind {
                    Kind::Other => self.others += 1,
                    Kind::Credential
                    | Kind::Grant
                    | Kind::UnknownOfGroup
                    | Kind::Namespace
                    | Kind::Secret
                    | Kind::Workload => self.objects.push(object),
                }
            }
            // A file of values, for example, may contain what it wants.
            for (key, line) in document.duplicates.into_iter().filter(|_| is_ours) {
                let message = format!("the key {key} occurs twice: remove one of them");
                let place = Place { file: Arc::clone(&name), line };
                self.findings.push(Finding::new(Rule::DuplicateKey, place, &message));
            }
        }
        if let Some(error) = error {
            let hint = if text.contains("{{") {
                ". If this is a template of Helm, check its output instead: helm template CHART | tempcred check -"
            } else {
                ""
            };
            self.unreadable(file, error.line, &format!("{}{hint}", error.message));
        }
    }
}

/// The manifests at a path, sorted.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.metadata()?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut found, mut folders) = (BTreeSet::new(), vec![(path.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        for entry in folder.read_dir()? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            // A symbolic link to a folder could lead back to this one.
            if kind.is_dir() && depth < DEPTH {
                folders.push((path, depth + 1));
            } else if !kind.is_dir() && is_manifest(&path) && path.is_file() {
                found.insert(path);
            }
            if found.len() > MOST_FILES {
                return Err(io::Error::other(format!("more than {MOST_FILES} files")));
            }
        }
    }
    Ok(found.into_iter().collect())
}

fn is_manifest(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

fn read_bounded(from: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("the file has more than {} MiB", LARGEST >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("the file is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_checked_is_counted_and_what_cannot_be_read_is_reported() {
        let mut input = Input::default();
        let ours =
            "apiVersion: tempcred.dev/v1alpha1\nkind: RoleGrant\nmetadata: {name: a, name: b}\n";
        let other = "a: 1\na: 2\n";
        input.add("f", Ok(format!("{ours}---\n{other}---\n[1\n")), "default");
        assert_eq!((input.objects.len(), input.others), (1, 1));
        let found: Vec<_> =
            input.findings.iter().map(|finding| (finding.rule, finding.place.line)).collect();
        assert_eq!(found[0], (Rule::DuplicateKey, 3));
        assert_eq!((found.len(), found[1].0), (2, Rule::Unreadable));

        let mut input = Input::default();
        input.add("f", Err(io::Error::other("gone")), "default");
        input.read(&["/does/not/exist".into()], "default");
        assert_eq!(input.findings.len(), 2);
        assert!(read_bounded(io::repeat(b'x')).is_err(), "an endless file");
        assert!(read_bounded(&b"\xff"[..]).is_err(), "another encoding");
    }
}
