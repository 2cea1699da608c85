//! The resources that `status --watch` shows, and what a change of them changes.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;

use super::row::Row;
use crate::commands::terminal::kube::Credential;

type Key = (Option<String>, Option<String>);

/// The resources. Only their rows are kept.
#[derive(Default)]
pub struct Shown {
    rows: BTreeMap<Key, Row>,
    /// What a list has returned so far.
    listed: BTreeMap<Key, Row>,
    is_synced: bool,
}

impl Shown {
    /// The rows, in the order of their names.
    pub fn rows(&self) -> Vec<&Row> {
        self.rows.values().collect()
    }

    /// Whether the resources have been listed.
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Applies a change, and returns the rows that are new or different, or of deleted resources.
    pub fn apply(&mut self, event: Event<Credential>) -> Vec<Row> {
        match event {
            Event::Apply(object) => {
                let row = Row::of(&object);
                let before = self.rows.insert(key(&object), row.clone());
                if before.as_ref() == Some(&row) { Vec::new() } else { vec![row] }
            }
            Event::Delete(object) => {
                self.rows.remove(&key(&object)).map(Row::deleted).into_iter().collect()
            }
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(key(&object), Row::of(&object));
                Vec::new()
            }
            Event::InitDone => self.replace(),
        }
    }

    /// Replaces the rows by those of a complete list.
    fn replace(&mut self) -> Vec<Row> {
        self.is_synced = true;
        let before = std::mem::replace(&mut self.rows, std::mem::take(&mut self.listed));
        let changed = self.rows.iter().filter(|(key, row)| before.get(*key) != Some(*row));
        let changed: Vec<_> = changed.map(|(_, row)| row.clone()).collect();
        let gone = before.into_iter().filter(|(key, _)| !self.rows.contains_key(key));
        changed.into_iter().chain(gone.map(|(_, row)| row.deleted())).collect()
    }
}

fn key(object: &Credential) -> Key {
    (object.metadata.namespace.clone(), object.metadata.name.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, ready: &str) -> Credential {
        let condition = json!({
            "type": "Ready", "status": ready, "reason": "Issued", "message": "m",
            "lastTransitionTime": "2026-01-01T12:00:00Z",
        });
        let object = json!({
            "metadata": {"name": name, "namespace": "a"}, "spec": {}, "status": {"conditions": [condition]},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let mut shown = Shown::default();
        let mut changes = |events: Vec<Event<Credential>>| -> usize {
            events.into_iter().map(|event| shown.apply(event).len()).sum()
        };
        let list = |objects: &[(&str, &str)]| {
            let items = objects.iter().map(|(name, ready)| Event::InitApply(object(name, ready)));
            std::iter::once(Event::Init).chain(items).chain([Event::InitDone]).collect()
        };
        for (row, events, expected) in [
            ("a first list", list(&[("one", "True"), ("two", "True")]), 2),
            ("the same list", list(&[("one", "True"), ("two", "True")]), 0),
            ("one is different, one is gone", list(&[("one", "False")]), 2),
            ("nothing new", vec![Event::Apply(object("one", "False"))], 0),
            ("a change", vec![Event::Apply(object("one", "True"))], 1),
            ("a deletion", vec![Event::Delete(object("one", "True"))], 1),
            ("of an unknown one", vec![Event::Delete(object("three", "True"))], 0),
        ] {
            assert_eq!(changes(events), expected, "{row}");
        }
        assert!(shown.rows().is_empty() && shown.is_synced());
    }
}
