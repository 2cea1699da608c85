//! The names of the credentials in the URLs of the agent.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Paths that the agent needs itself.
const RESERVED: [&str; 2] = ["livez", "readyz"];

/// The value of `--file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    name: Option<String>,
    path: PathBuf,
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A path may contain `=`, a name no `/`.
        let named = text.split_once('=').filter(|(name, _)| !name.contains('/'));
        let (name, path) = named.map_or((None, text), |(name, path)| (Some(name), path));
        if path.is_empty() {
            return Err("the path is empty".to_owned());
        }
        if let Some(name) = name {
            valid(name)?;
        }
        Ok(Self { name: name.map(str::to_owned), path: path.into() })
    }
}

/// Gives each file its own name, or that of its folder.
pub(super) fn named(entries: &[Entry]) -> Result<Vec<(String, PathBuf)>, String> {
    let mut named: Vec<(String, PathBuf)> = vec![];
    for Entry { name, path } in entries {
        let shown = path.display();
        let name = match name.clone().or_else(|| folder(path)) {
            Some(name) => name,
            None => return Err(format!("{shown} is in no folder: set --file NAME={shown}")),
        };
        valid(&name).map_err(|error| format!("{error}: set --file NAME={shown}"))?;
        if let Some((_, other)) = named.iter().find(|(other, _)| *other == name) {
            let other = other.display();
            return Err(format!(
                "{other} and {shown} would both be served at /{name}: set different names with --file NAME=PATH"
            ));
        }
        named.push((name, path.clone()));
    }
    Ok(named)
}

fn folder(path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    Some(absolute.parent()?.file_name()?.to_string_lossy().into_owned())
}

fn valid(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(format!(
            "the name {name:?} must have only letters, digits, `.`, `_` and `-`, and not begin with `.`"
        ));
    }
    if RESERVED.contains(&name) {
        return Err(format!("the name {name} is reserved for probes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Result<Vec<String>, String> {
        let entries: Result<Vec<Entry>, _> = files.iter().map(|text| text.parse()).collect();
        Ok(named(&entries?)?.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn a_file_has_its_own_name_or_that_of_its_folder() {
        for (files, expected) in [
            (&["/run/a/credentials.json"][..], &["a"][..]),
            (&["x=/run/a/credentials.json", "/run/a/credentials.json"], &["x", "a"]),
            (&["/run/a=b/../c=d/e/f"], &["e"]),
            (&["/run/tempcred.dev/credentials.json"], &["tempcred.dev"]),
        ] {
            assert_eq!(names(files).unwrap(), expected);
        }
    }

    #[test]
    fn names_that_cannot_be_served_are_refused_with_the_remedy() {
        for (files, error) in [
            (&["/a/x/f", "/b/x/f"][..], "set different names"),
            (&["x=/a/f", "x=/b/f"], "set different names"),
            (&["/f"], "set --file NAME=/f"),
            (&["readyz=/a/f"], "reserved"),
            (&["/a/livez/f"], "set --file NAME=/a/livez/f"),
            (&["a b=/a/f"], "only letters"),
            (&["=/a/f"], "only letters"),
            (&["..=/a/f"], "not begin"),
            (&["x="], "the path is empty"),
        ] {
            let refused = names(files).unwrap_err();
            assert!(refused.contains(error), "{files:?}: {refused}");
        }
    }
}
