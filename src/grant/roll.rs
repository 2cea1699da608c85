//! Whom each grant serves.

use std::collections::HashMap;

use super::Name;

/// Namespace and name of a resource.
type Key = (String, String);

/// Which resources have their sessions from which grants.
#[derive(Debug, Default)]
pub struct Roll {
    served: HashMap<Key, Vec<Name>>,
    counts: HashMap<Name, u32>,
}

impl Roll {
    /// Notes which grants serve a resource by now, none if it is gone. Gives those whose count changed.
    pub fn note(&mut self, namespace: &str, name: &str, grants: &[Name]) -> Vec<Name> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut now = grants.to_vec();
        now.sort();
        now.dedup();
        let before = self.served.get(&key).cloned().unwrap_or_default();
        let (gone, new) = (without(&before, &now), without(&now, &before));
        for name in &gone {
            if let Some(count) = self.counts.get_mut(name) {
                *count -= 1;
            }
        }
        for name in &new {
            *self.counts.entry(name.clone()).or_default() += 1;
        }
        self.counts.retain(|_, count| *count > 0);
        if now.is_empty() {
            self.served.remove(&key);
        } else {
            self.served.insert(key, now);
        }
        [gone, new].concat()
    }

    /// How many resources a grant serves.
    pub fn count(&self, grant: &str) -> u32 {
        self.counts.get(grant).copied().unwrap_or_default()
    }
}

fn without(all: &[Name], these: &[Name]) -> Vec<Name> {
    all.iter().filter(|name| !these.contains(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_resource_once_for_each_grant() {
        let mut roll = Roll::default();
        let names = |names: &[&str]| names.iter().map(|name| Name::from(*name)).collect::<Vec<_>>();
        assert_eq!(roll.note("n", "a", &names(&["x", "y", "x"])), names(&["x", "y"]));
        assert_eq!(roll.note("n", "a", &names(&["y", "x"])), names(&[]));
        assert_eq!(roll.note("n", "b", &names(&["x"])), names(&["x"]));
        assert_eq!((roll.count("x"), roll.count("y"), roll.count("z")), (2, 1, 0));
        assert_eq!(roll.note("n", "a", &names(&["z"])), names(&["x", "y", "z"]));
        assert_eq!((roll.count("x"), roll.count("y"), roll.count("z")), (1, 0, 1));
        assert_eq!(roll.note("n", "b", &[]), names(&["x"]));
        assert_eq!(roll.note("n", "b", &[]), names(&[]));
        assert_eq!(roll.count("x"), 0);
    }
}
