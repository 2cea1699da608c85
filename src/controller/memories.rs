//! The memory of this process about each resource, which is kept between reconciliations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use tempcred_core::api::{CachedCredential, CredentialStatus, TemporaryCredential};
use tempcred_core::observed::Memory;

use crate::cluster::lease::Term;

/// The memory about one resource.
pub(super) struct Entry {
    /// The leadership term in which this entry was created. In a later term, it may be outdated.
    term: Term,
    /// The memory that plans are made from.
    pub(super) memory: Memory,
    /// The last status whose write succeeded.
    pub(super) saved: Arc<CredentialStatus>,
    /// Number of consecutive status writes that did not reach the API server.
    pub(super) unreachable: u32,
    /// When a workload was last requested for its restart.
    pub(super) restarts_checked: Option<Timestamp>,
}

impl Entry {
    fn new(resource: &TemporaryCredential, term: Term) -> Self {
        let memory = Memory::of(resource);
        let saved = Arc::clone(memory.status());
        Self { term, memory, saved, unreachable: 0, restarts_checked: None }
    }

    /// Uses this status, which a cache keeps, instead of the same one.
    pub(super) fn share(&mut self, cached: &Arc<CredentialStatus>) {
        let is_other = |own: &Arc<_>| !Arc::ptr_eq(own, cached) && own == cached;
        if is_other(&self.saved) {
            self.saved = Arc::clone(cached);
        }
        if is_other(self.memory.status()) {
            self.memory.set_status(Arc::clone(cached));
        }
    }
}

/// Entries by UID of the resource. `None` while a reconciliation uses the entry.
#[derive(Default)]
pub(super) struct Memories(Mutex<HashMap<String, Option<Box<Entry>>>>);

impl Memories {
    fn entries(&self) -> MutexGuard<'_, HashMap<String, Option<Box<Entry>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns the entry of a resource. If there is no entry of this term, a new one is created from the
    /// status of the resource, with the credentials of the old entry that are not written yet.
    ///
    /// `None` if the resource was deleted. `exists` checks this in the cache, which removes a resource before
    /// [`remove`](Self::remove) is called.
    pub(super) fn take(
        &self,
        resource: &TemporaryCredential,
        term: Term,
        exists: impl Fn() -> bool,
    ) -> Option<Box<Entry>> {
        let uid = resource.uid().unwrap_or_default();
        let mut entries = self.entries();
        let before = entries.insert(uid.clone(), None).flatten();
        if !exists() {
            entries.remove(&uid);
            return None;
        }
        drop(entries);
        Some(match before {
            Some(entry) if entry.term == term => entry,
            Some(mut earlier) => {
                let entry = Entry::new(resource, term);
                let pending = earlier.memory.take_pending();
                Box::new(Entry { memory: entry.memory.with_pending(pending), ..entry })
            }
            None => Box::new(Entry::new(resource, term)),
        })
    }

    /// Puts an entry back, and returns whether its resource is still there; otherwise drops it.
    pub(super) fn put(&self, uid: &str, entry: Box<Entry>) -> bool {
        let mut entries = self.entries();
        let slot = entries.get_mut(uid);
        slot.map(|slot| *slot = Some(entry)).is_some()
    }

    /// Drops pending credentials that are outdated: another leader may have issued newer ones.
    pub(super) fn drop_outdated(&self, resource: &CachedCredential, now: Timestamp) {
        if let Some(Some(entry)) = self.entries().get_mut(&*resource.uid) {
            entry.memory.drop_outdated(resource.status.as_deref(), now);
        }
    }

    /// Removes the entry of a resource.
    pub(super) fn remove(&self, uid: &str) {
        self.entries().remove(uid);
    }

    /// Whether there are no entries.
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
    fn the_entry_of_a_removed_resource_is_not_put_back() {
        let (memories, resource, term) = (Memories::default(), resource(), Term::SOLE);
        let entry = memories.take(&resource, term, || true).unwrap();
        assert!(memories.put("u", entry));
        let entry = memories.take(&resource, term, || true).unwrap();
        memories.remove("u");
        assert!(!memories.put("u", entry));
        assert!(memories.is_empty(), "removed while a reconciliation had it");
        assert!(memories.take(&resource, term, || false).is_none());
        assert!(memories.is_empty(), "removed before a reconciliation took the entry");
    }
}
