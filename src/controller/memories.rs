//! What this process remembers of each resource, from one reconciliation to the next.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use tempcred_core::api::{CredentialStatus, TemporaryCredential};
use tempcred_core::observed::Memory;

use crate::cluster::lease::Term;

/// What is remembered of one resource.
pub(super) struct Entry {
    /// The term of leadership in which this began. In a later one, another process may have done more.
    term: Term,
    /// What plans are made from.
    pub(super) memory: Memory,
    /// The last status whose write succeeded.
    pub(super) saved: CredentialStatus,
    /// How many times in a row a status write did not reach the API server.
    pub(super) unreachable: u32,
}

impl Entry {
    fn new(resource: &TemporaryCredential, term: Term) -> Self {
        Self {
            term,
            memory: Memory::of(resource, term.is_sole()),
            saved: resource.status.clone().unwrap_or_default(),
            unreachable: 0,
        }
    }
}

/// Entries by UID of the resource. `None` while a reconciliation has taken the entry out.
#[derive(Default)]
pub(super) struct Memories(Mutex<HashMap<String, Option<Entry>>>);

impl Memories {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Option<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what is remembered of a resource. Without an entry of this term, it is what the resource itself
    /// says, and the credentials that are not written yet.
    ///
    /// `None` if the resource is gone: `is_there` asks the cache, which forgets a resource before
    /// [`remove`](Self::remove) is called.
    pub(super) fn take(
        &self,
        resource: &TemporaryCredential,
        term: Term,
        is_there: impl Fn() -> bool,
    ) -> Option<Entry> {
        let uid = resource.uid().unwrap_or_default();
        let mut entries = self.entries();
        let before = entries.insert(uid.clone(), None).flatten();
        if !is_there() {
            entries.remove(&uid);
            return None;
        }
        drop(entries);
        Some(match before {
            Some(entry) if entry.term == term => entry,
            Some(mut earlier) => {
                let entry = Entry::new(resource, term);
                let pending = earlier.memory.take_pending();
                Entry { memory: entry.memory.with_pending(pending), ..entry }
            }
            None => Entry::new(resource, term),
        })
    }

    /// Puts an entry back, and returns whether its resource is still there; otherwise drops it.
    pub(super) fn put(&self, uid: &str, entry: Entry) -> bool {
        let mut entries = self.entries();
        let slot = entries.get_mut(uid);
        slot.map(|slot| *slot = Some(entry)).is_some()
    }

    /// Drops pending credentials that are outdated: another leader may have issued newer ones.
    pub(super) fn drop_outdated(&self, resource: &TemporaryCredential, now: Timestamp) {
        let uid = resource.uid().unwrap_or_default();
        if let Some(Some(entry)) = self.entries().get_mut(&uid) {
            entry.memory.drop_outdated(resource.status.as_ref(), now);
        }
    }

    /// Forgets a resource.
    pub(super) fn remove(&self, uid: &str) {
        self.entries().remove(uid);
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource() -> TemporaryCredential {
        serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": {},
        }))
        .unwrap()
    }

    #[test]
    fn nothing_of_a_removed_resource_comes_back() {
        let (memories, resource, term) = (Memories::default(), resource(), Term::SOLE);
        let entry = memories.take(&resource, term, || true).unwrap();
        assert!(memories.put("u", entry));
        let entry = memories.take(&resource, term, || true).unwrap();
        memories.remove("u");
        assert!(!memories.put("u", entry));
        assert!(memories.is_empty(), "removed while a reconciliation had it");
        assert!(memories.take(&resource, term, || false).is_none());
        assert!(memories.is_empty(), "removed before a reconciliation took it");
    }
}
