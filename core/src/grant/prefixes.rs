//! An index of grants by prefix. It finds the grants that have a prefix of a text, without iterating over the others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::name::GrantName;

/// Grants by length and text of the literal prefix of the ARNs that they match.
#[derive(Debug, Default)]
pub(super) struct Prefixes(BTreeMap<usize, HashMap<String, BTreeSet<GrantName>>>);

impl Prefixes {
    pub(super) fn insert(&mut self, prefix: String, name: &GrantName) {
        let same_length = self.0.entry(prefix.len()).or_default();
        same_length.entry(prefix).or_default().insert(name.clone());
    }

    pub(super) fn remove(&mut self, prefix: &str, name: &GrantName) {
        let Some(same_length) = self.0.get_mut(&prefix.len()) else { return };
        if let Some(names) = same_length.get_mut(prefix) {
            names.remove(name);
            if names.is_empty() {
                same_length.remove(prefix);
            }
        }
        if same_length.is_empty() {
            self.0.remove(&prefix.len());
        }
    }

    /// The grants with a prefix of `text`, as one set for each prefix length.
    ///
    /// The cost is one lookup for each prefix length, regardless of the number of grants.
    pub(super) fn of<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a BTreeSet<GrantName>> {
        let longest = self.0.range(..=text.len());
        longest.filter_map(|(length, same_length)| same_length.get(text.get(..*length)?))
    }
}
