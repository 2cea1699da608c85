//! The index of the workloads that resources restart.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempcred_core::api::{RestartTarget, TemporaryCredential};

use crate::cluster::watch::Key;

/// Most other resources that share the restart of a workload. More would make each of them costly.
const MOST_SHARED: usize = 64;

/// Which resources restart a workload.
///
/// Users decide how many workloads there are, so each is kept as a hash. If two have the same hash, their restarts only
/// wait for each other.
#[derive(Default)]
pub(super) struct Targets {
    hasher: RandomState,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    workloads: HashMap<Arc<Key>, Box<[u64]>>,
    /// Sets, because all resources of a namespace may name one workload, and each may be removed.
    resources: HashMap<u64, HashSet<Arc<Key>>>,
}

impl Targets {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash(&self, namespace: &str, target: &RestartTarget) -> u64 {
        self.hasher.hash_one((namespace, target))
    }

    /// Replaces the workloads of a resource.
    pub(super) fn set(&self, resource: &TemporaryCredential) {
        let key = Key::of(&resource.metadata);
        let targets = resource.spec.restart.iter();
        let workloads: Box<[u64]> = targets.map(|one| self.hash(&key.namespace, one)).collect();
        let mut index = self.index();
        if index.workloads.get(&key).map_or(&[][..], |before| before) == &*workloads {
            return;
        }
        index.remove(&key);
        if workloads.is_empty() {
            return;
        }
        let key = Arc::new(key);
        for workload in &workloads {
            index.resources.entry(*workload).or_default().insert(Arc::clone(&key));
        }
        index.workloads.insert(key, workloads);
    }

    /// Removes a resource.
    pub(super) fn remove(&self, key: &Key) {
        self.index().remove(key);
    }

    /// Some of the other resources that restart a workload in the namespace of this resource.
    pub(super) fn others(&self, key: &Key, target: &RestartTarget) -> Vec<Arc<Key>> {
        let workload = self.hash(&key.namespace, target);
        let index = self.index();
        let all = index.resources.get(&workload).into_iter().flatten();
        all.filter(|other| ***other != *key).take(MOST_SHARED).cloned().collect()
    }

    /// Whether there are no workloads.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let index = self.index();
        index.workloads.is_empty() && index.resources.is_empty()
    }
}

impl Index {
    fn remove(&mut self, key: &Key) {
        for workload in self.workloads.remove(key).into_iter().flatten() {
            if let Some(keys) = self.resources.get_mut(&workload) {
                keys.remove(key);
                if keys.is_empty() {
                    self.resources.remove(&workload);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(name: &str, workloads: &[&str]) -> TemporaryCredential {
        let restart: Vec<_> =
            workloads.iter().map(|name| json!({"kind": "Deployment", "name": name})).collect();
        serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": name, "namespace": "n"}, "spec": {"restart": restart},
        }))
        .unwrap()
    }

    #[test]
    fn finds_the_other_resources_of_a_workload() {
        let targets = Targets::default();
        let all =
            [resource("a", &["web", "api"]), resource("b", &["web"]), resource("c", &["api"])];
        all.iter().for_each(|resource| targets.set(resource));
        let others = |name: &str, workload: &RestartTarget| -> Vec<_> {
            let key = Key { namespace: "n".to_owned(), name: name.to_owned() };
            targets.others(&key, workload).iter().map(|key| key.name.clone()).collect()
        };
        let [web, api] = [0, 1].map(|number| all[0].spec.restart[number].clone());
        assert_eq!(
            (others("a", &web), others("a", &api)),
            (vec!["b".to_owned()], vec!["c".to_owned()])
        );
        assert_eq!(others("b", &web), ["a"]);
        targets.set(&resource("a", &["api"]));
        assert!(others("b", &web).is_empty());
        for resource in all {
            targets.remove(&Key::of(&resource.metadata));
        }
        assert!(targets.is_empty());
    }
}
