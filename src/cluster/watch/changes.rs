//! Converts the events of a watch, including those of a list, to changes and removals of single objects.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::watcher::Event;
use tempcred_core::key::Key;

use crate::planted::Bug;

/// A change that a watch shows.
#[derive(Debug, PartialEq)]
pub enum Change<K> {
    /// The object is new or changed.
    Applied(K),
    /// The object is new or changed, and this version of tempcred cannot decode it, for example after a downgrade.
    /// Contains the error.
    Undecodable(Key, String),
    /// The object was deleted, or is missing in a new list. Contains its last identity.
    Removed(Key, String),
    /// The watch is synced: all objects of a list, and all removals since the previous list, were delivered.
    Synced,
}

/// An object of a watch. Its metadata can always be decoded, even if the rest cannot.
pub trait Watched {
    /// Type of the decoded object.
    type Object;

    /// The metadata of the object.
    fn metadata(&self) -> &ObjectMeta;

    /// The decoded object.
    ///
    /// # Errors
    /// The error of the decoder, if the object cannot be decoded.
    fn decoded(self) -> Result<Self::Object, String>;
}

impl<K: Resource> Watched for DeserializeGuard<K> {
    type Object = K;

    fn metadata(&self) -> &ObjectMeta {
        self.meta()
    }

    fn decoded(self) -> Result<K, String> {
        self.0.map_err(|invalid| invalid.error)
    }
}

impl<K> Watched for PartialObjectMeta<K> {
    type Object = Self;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn decoded(self) -> Result<Self, String> {
        Ok(self)
    }
}

/// The names of the objects of one watch, with their identities.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<HashMap<Key, String>>>);

impl Names {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the watch shows an object of this name.
    pub fn contains(&self, key: &Key) -> bool {
        self.lock().contains_key(key)
    }
}

/// Tracks the objects of one watch.
///
/// A list after an interrupted watch contains no deletions, so the list is compared with the objects that were known
/// before. Only the key and the identity of each object are stored. Both come from the metadata, so the removal of an
/// object that cannot be decoded is detected, too.
pub struct Changes {
    known: Names,
    listed: Option<HashSet<Key>>,
    identity: fn(&ObjectMeta) -> String,
}

impl Changes {
    /// The names of the known objects.
    pub fn names(&self) -> Names {
        self.known.clone()
    }

    /// No objects are known yet. An object whose `identity` changes under the same key counts as removed and new.
    pub fn new(identity: fn(&ObjectMeta) -> String) -> Self {
        Self { known: Names::default(), listed: None, identity }
    }

    /// Converts one event to changes, in order.
    pub fn of<W: Watched>(&mut self, event: Event<W>) -> Vec<Change<W::Object>> {
        match event {
            Event::Init => {
                self.listed = Some(HashSet::new());
                Vec::new()
            }
            Event::InitApply(object) | Event::Apply(object) => self.applied(object),
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let mut known = self.known.lock();
                let removed = known.extract_if(|key, _| {
                    !listed.contains(key) && !Bug::IgnoresRelists.is_planted()
                });
                let removed = removed.map(|(key, identity)| Change::Removed(key, identity));
                removed.chain([Change::Synced]).collect()
            }
            Event::Delete(object) => {
                let removed = self.known.lock().remove_entry(&Key::of(object.metadata()));
                let removed = removed.map(|(key, identity)| Change::Removed(key, identity));
                removed.into_iter().collect()
            }
        }
    }

    fn applied<W: Watched>(&mut self, object: W) -> Vec<Change<W::Object>> {
        let metadata = object.metadata();
        let (key, identity) = (Key::of(metadata), (self.identity)(metadata));
        if let Some(listed) = &mut self.listed {
            listed.insert(key.clone());
        }
        let before = self.known.lock().insert(key.clone(), identity.clone());
        let replaced = before.filter(|before| *before != identity);
        let replaced = replaced.map(|before| Change::Removed(key.clone(), before));
        let applied = match object.decoded() {
            Ok(object) => Change::Applied(object),
            Err(error) => Change::Undecodable(key, error),
        };
        replaced.into_iter().chain([applied]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::{Value, json};

    type Guard = DeserializeGuard<ConfigMap>;

    fn object(name: &str, uid: &str, data: Value) -> Guard {
        let metadata = json!({"namespace": "n", "name": name, "uid": uid});
        serde_json::from_value(json!({"metadata": metadata, "data": data})).unwrap()
    }

    fn good(name: &str) -> Guard {
        object(name, name, json!({}))
    }

    fn bad(name: &str) -> Guard {
        object(name, name, json!("not a map"))
    }

    /// The changes of these events, as text.
    fn changes(events: Vec<Event<Guard>>) -> Vec<String> {
        let mut changes = Changes::new(|metadata| metadata.uid.clone().unwrap_or_default());
        let text = |change: Change<ConfigMap>| match change {
            Change::Applied(object) => format!("+{}", object.metadata.name.unwrap()),
            Change::Undecodable(key, _) => format!("?{}", key.name),
            Change::Removed(key, uid) => format!("-{}:{uid}", key.name),
            Change::Synced => "synced".to_owned(),
        };
        events.into_iter().flat_map(|event| changes.of(event)).map(text).collect()
    }

    #[test]
    fn events_become_changes_and_removals_of_objects() {
        use Event::{Apply, Delete, Init, InitApply, InitDone};
        let first = || vec![Init, InitApply(good("a")), InitApply(bad("b")), InitDone];
        let begin = ["+a", "?b", "synced"];
        type Row = (&'static str, Vec<Event<Guard>>, &'static [&'static str]);
        let rows: [Row; 8] = [
            ("the first list", vec![], &[]),
            ("a change", vec![Apply(good("a"))], &["+a"]),
            ("a deletion", vec![Delete(good("a"))], &["-a:a"]),
            ("the deletion of an object that cannot be decoded", vec![Delete(bad("b"))], &["-b:b"]),
            ("the deletion of an unknown object", vec![Delete(good("c"))], &[]),
            (
                "a list without an object that was deleted in the meantime",
                vec![Init, InitApply(bad("b")), InitDone],
                &["?b", "-a:a", "synced"],
            ),
            (
                "a list without an object that could not be decoded",
                vec![Init, InitApply(good("a")), InitDone],
                &["+a", "-b:b", "synced"],
            ),
            (
                "an object that was deleted and created again in the meantime",
                vec![Init, InitApply(object("a", "new", json!({}))), InitApply(bad("b")), InitDone],
                &["-a:a", "+a", "?b", "synced"],
            ),
        ];
        for (row, events, expected) in rows {
            let got = changes(first().into_iter().chain(events).collect());
            assert_eq!(got[..3], begin, "{row}");
            assert_eq!(got[3..], *expected, "{row}");
        }
    }

    #[test]
    fn an_incomplete_list_removes_nothing() {
        use Event::{Init, InitApply, InitDone};
        let broken = vec![Init, InitApply(good("a")), InitApply(good("b")), InitDone, Init];
        let again = vec![Init, InitApply(good("a")), InitApply(good("b")), InitDone];
        let got = changes(broken.into_iter().chain(again).collect());
        assert_eq!(got, ["+a", "+b", "synced", "+a", "+b", "synced"]);
    }
}
