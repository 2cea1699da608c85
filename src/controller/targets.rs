//! The index of the workloads that resources restart.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempcred_core::api::{RestartTarget, TemporaryCredential};

use crate::cluster::watch::Key;

/// Most other resources that share the restart of a workload. More would make each of them costly.
const MOST_SHARED: usize = 64;

/// Which resources restart a workload.
#[derive(Default)]
pub(super) struct Targets(Mutex<Index>);

#[derive(Default)]
struct Index {
    targets: HashMap<Key, Vec<RestartTarget>>,
    resources: HashMap<(String, RestartTarget), BTreeSet<String>>,
}

impl Targets {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the workloads of a resource.
    pub(super) fn set(&self, resource: &TemporaryCredential) {
        let key = Key::of(&resource.metadata);
        let mut index = self.index();
        let targets = &resource.spec.restart;
        if index.targets.get(&key).map_or(&[][..], Vec::as_slice) == targets.as_slice() {
            return;
        }
        index.remove(&key);
        for target in targets {
            let workload = (key.namespace.clone(), target.clone());
            index.resources.entry(workload).or_default().insert(key.name.clone());
        }
        if !targets.is_empty() {
            index.targets.insert(key, targets.clone());
        }
    }

    /// Removes a resource.
    pub(super) fn remove(&self, key: &Key) {
        self.index().remove(key);
    }

    /// Some of the other resources that restart a workload in the namespace of this resource.
    pub(super) fn others(&self, key: &Key, target: &RestartTarget) -> Vec<Key> {
        let workload = (key.namespace.clone(), target.clone());
        let index = self.index();
        let names = index.resources.get(&workload).into_iter().flatten();
        let names = names.filter(|name| **name != key.name).take(MOST_SHARED);
        names.map(|name| Key { namespace: key.namespace.clone(), name: name.clone() }).collect()
    }

    /// Whether there are no workloads.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let index = self.index();
        index.targets.is_empty() && index.resources.is_empty()
    }
}

impl Index {
    fn remove(&mut self, key: &Key) {
        for target in self.targets.remove(key).into_iter().flatten() {
            let workload = (key.namespace.clone(), target);
            if let Some(names) = self.resources.get_mut(&workload) {
                names.remove(&key.name);
                if names.is_empty() {
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
            targets.others(&key, workload).into_iter().map(|key| key.name).collect()
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
