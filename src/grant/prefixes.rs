//! An index by how texts begin: finds the entries whose beginning a text has without looking at the
//! others.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Name;

/// Grants by a beginning of the ARNs that they cover.
#[derive(Debug, Default)]
pub(super) struct Prefixes(BTreeMap<usize, HashMap<String, BTreeSet<Name>>>);

impl Prefixes {
    pub(super) fn insert(&mut self, beginning: String, name: &Name) {
        let same_length = self.0.entry(beginning.len()).or_default();
        same_length.entry(beginning).or_default().insert(name.clone());
    }

    pub(super) fn remove(&mut self, beginning: &str, name: &Name) {
        let Some(same_length) = self.0.get_mut(&beginning.len()) else { return };
        if let Some(names) = same_length.get_mut(beginning) {
            names.remove(name);
            if names.is_empty() {
                same_length.remove(beginning);
            }
        }
        if same_length.is_empty() {
            self.0.remove(&beginning.len());
        }
    }

    /// Those whose beginning `text` has, as one set for each length.
    ///
    /// Costs one lookup for each length that there is, however many entries there are.
    pub(super) fn of<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a BTreeSet<Name>> {
        let longest = self.0.range(..=text.len());
        longest.filter_map(|(length, same_length)| same_length.get(text.get(..*length)?))
    }
}
