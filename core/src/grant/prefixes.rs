//! An index of grants by prefix. It finds the grants that have a prefix of a text, without iterating over the others.

use std::sync::Arc;

use super::name::GrantName;

/// The literal prefix of the role ARNs that a grant matches.
pub(super) type Prefix = Arc<str>;

/// Grants with their prefixes, sorted by the length and the text of the prefix. A grant has an entry for each prefix.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Prefixes(Vec<(Prefix, GrantName)>);

impl Prefixes {
    pub(super) fn insert(&mut self, prefix: &Prefix, name: &GrantName) {
        if let Err(at) = self.position(prefix, name) {
            self.0.insert(at, (prefix.clone(), name.clone()));
        }
    }

    /// Removes an entry. Returns whether it existed.
    pub(super) fn remove(&mut self, prefix: &str, name: &str) -> bool {
        self.position(prefix, name).map(|at| self.0.remove(at)).is_ok()
    }

    fn position(&self, prefix: &str, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, other_name)| {
            (other.len(), &**other, &**other_name).cmp(&(prefix.len(), prefix, name))
        })
    }

    /// The grants with a prefix of `text`. A grant with several such prefixes occurs several times.
    ///
    /// The cost is a binary search for each prefix length, apart from the grants that it returns.
    pub(super) fn of(&self, text: &str) -> Vec<&GrantName> {
        let mut found = Vec::new();
        let mut rest = self.0.as_slice();
        while let Some(prefix) = rest.first().and_then(|(first, _)| text.get(..first.len())) {
            let end = rest.partition_point(|(other, _)| other.len() <= prefix.len());
            let (same_length, longer) = rest.split_at(end);
            let begin = same_length.partition_point(|(other, _)| **other < *prefix);
            let equal = same_length[begin..].iter().take_while(|(other, _)| **other == *prefix);
            found.extend(equal.map(|(_, name)| name));
            rest = longer;
        }
        found
    }
}
