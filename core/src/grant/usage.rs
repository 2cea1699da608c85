//! Grant usage: the number of resources that use each grant.

use std::collections::HashMap;

use super::name::GrantName;

/// Namespace and name of a resource.
type Key = (String, String);

/// The grants that each resource uses.
#[derive(Debug, Default)]
pub struct GrantUsage {
    used: HashMap<Key, Vec<GrantName>>,
    counts: HashMap<GrantName, u32>,
}

impl GrantUsage {
    /// Replaces the grants that a resource uses. Pass none if the resource is deleted. Returns the grants whose count
    /// changed.
    pub fn set(&mut self, namespace: &str, name: &str, grants: &[GrantName]) -> Vec<GrantName> {
        let key = (namespace.to_owned(), name.to_owned());
        let mut now = grants.to_vec();
        now.sort();
        now.dedup();
        let before = self.used.get(&key).cloned().unwrap_or_default();
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
            self.used.remove(&key);
        } else {
            self.used.insert(key, now);
        }
        [gone, new].concat()
    }

    /// Number of resources that use a grant.
    pub fn count(&self, grant: &str) -> u32 {
        self.counts.get(grant).copied().unwrap_or_default()
    }
}

fn without(all: &[GrantName], these: &[GrantName]) -> Vec<GrantName> {
    all.iter().filter(|name| !these.contains(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_resource_once_for_each_grant() {
        let mut usage = GrantUsage::default();
        let names =
            |names: &[&str]| names.iter().map(|name| GrantName::from(*name)).collect::<Vec<_>>();
        assert_eq!(usage.set("n", "a", &names(&["x", "y", "x"])), names(&["x", "y"]));
        assert_eq!(usage.set("n", "a", &names(&["y", "x"])), names(&[]));
        assert_eq!(usage.set("n", "b", &names(&["x"])), names(&["x"]));
        assert_eq!((usage.count("x"), usage.count("y"), usage.count("z")), (2, 1, 0));
        assert_eq!(usage.set("n", "a", &names(&["z"])), names(&["x", "y", "z"]));
        assert_eq!((usage.count("x"), usage.count("y"), usage.count("z")), (1, 0, 1));
        assert_eq!(usage.set("n", "b", &[]), names(&["x"]));
        assert_eq!(usage.set("n", "b", &[]), names(&[]));
        assert_eq!(usage.count("x"), 0);
        usage.set("n", "a", &[]);
        assert!(usage.counts.is_empty() && usage.used.is_empty(), "nothing is kept");
    }
}
