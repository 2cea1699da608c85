//! An index of the Secrets that resources read and write. It finds the resources to reconcile when an input changes,
//! and resources that depend on each other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempcred_core::api::TemporaryCredential;
use tempcred_core::fields::Duration;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::request::Operation;
use tempcred_core::request::identity::Caller;
use tempcred_core::request::inputs::Input;

use crate::cluster::watch::Key;

/// The Secrets that one resource reads and writes.
#[derive(Clone, Default, PartialEq)]
struct Links {
    reads: BTreeSet<String>,
    writes: String,
}

#[derive(Default)]
struct Index {
    links: HashMap<Key, Links>,
    readers: HashMap<Key, BTreeSet<String>>,
    writers: HashMap<Key, BTreeSet<String>>,
    changed: HashSet<Key>,
}

/// The Secrets that resources read and write.
#[derive(Default)]
pub(super) struct References(Mutex<Index>);

impl References {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the Secrets that a resource reads and writes.
    pub(super) fn set(&self, resource: &TemporaryCredential) {
        let key = Key::of(&resource.metadata);
        self.index().set(key, Some(links(resource)));
    }

    /// Removes a resource.
    pub(super) fn remove(&self, resource: &Key) {
        let mut index = self.index();
        index.changed.remove(resource);
        index.set(resource.clone(), None);
    }

    /// The resources that read this Secret.
    pub(super) fn readers(&self, secret: &Key) -> Vec<Key> {
        keys(secret, self.index().readers.get(secret))
    }

    /// The resources whose spec names this Secret as the one to write. At most one of them may write it, and this is
    /// not necessarily the one that the metadata of the Secret names.
    pub(super) fn writers(&self, secret: &Key) -> Vec<Key> {
        keys(secret, self.index().writers.get(secret))
    }

    /// Records that an input of a resource changed.
    pub(super) fn mark_changed(&self, resource: &Key) {
        let mut index = self.index();
        if index.links.contains_key(resource) {
            index.changed.insert(resource.clone());
        }
    }

    /// Whether an input of this resource changed after the last call of this function.
    pub(super) fn take_changed(&self, resource: &Key) -> bool {
        self.index().changed.remove(resource)
    }

    /// Checks that a resource does not depend on its own Secret, directly or through other resources.
    ///
    /// # Errors
    /// `ReferenceLoop`. Its message contains the path.
    pub(super) fn check(&self, resource: &Key) -> Result<(), Problem> {
        let index = self.index();
        let mut path = vec![resource.name.clone()];
        if !index.leads_back(&resource.namespace, &mut path, &mut HashSet::new()) {
            return Ok(());
        }
        let path = path.join(", which reads the Secret of ");
        let reason = Reason::ReferenceLoop;
        let message = format!("{path}: none of them can be issued first. {}", reason.advice());
        Err(Problem::new(reason, message))
    }

    /// Whether nothing is recorded.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let index = self.index();
        index.links.is_empty()
            && index.readers.is_empty()
            && index.writers.is_empty()
            && index.changed.is_empty()
    }
}

fn keys(secret: &Key, names: Option<&BTreeSet<String>>) -> Vec<Key> {
    let key = |name: &String| Key { namespace: secret.namespace.clone(), name: name.clone() };
    names.into_iter().flatten().map(key).collect()
}

fn links(resource: &TemporaryCredential) -> Links {
    let spec = &resource.spec;
    let operation = Operation::of(&spec.request, "").into_iter().flat_map(|o| o.inputs());
    let caller = Caller::of(spec.identity.as_ref(), "", Duration::from_secs(0));
    let caller = caller.into_iter().flat_map(|c| c.inputs());
    let secret = |input| match input {
        Input::SecretKey(key) => Some(key.name),
        Input::ServiceAccountToken { .. } => None,
    };
    Links {
        reads: operation.chain(caller).filter_map(secret).collect(),
        writes: resource.secret_name(),
    }
}

impl Index {
    fn set(&mut self, key: Key, links: Option<Links>) {
        let before = match &links {
            Some(links) if self.links.get(&key) == Some(links) => return,
            Some(links) => self.links.insert(key.clone(), links.clone()),
            None => self.links.remove(&key),
        };
        let Key { namespace, name } = key;
        let secret = |name: &String| Key { namespace: namespace.clone(), name: name.clone() };
        for old in before.iter().flat_map(|links| &links.reads) {
            remove(&mut self.readers, secret(old), &name);
        }
        for old in before.iter().map(|links| &links.writes) {
            remove(&mut self.writers, secret(old), &name);
        }
        for new in links.iter().flat_map(|links| &links.reads) {
            self.readers.entry(secret(new)).or_default().insert(name.clone());
        }
        for new in links.iter().map(|links| &links.writes) {
            self.writers.entry(secret(new)).or_default().insert(name.clone());
        }
    }

    /// Searches, depth first, for a path from the last resource of `path` to the first one. On success, `path` is that
    /// path.
    fn leads_back(
        &self,
        namespace: &str,
        path: &mut Vec<String>,
        seen: &mut HashSet<String>,
    ) -> bool {
        let key = |name: &String| Key { namespace: namespace.to_owned(), name: name.clone() };
        let Some(links) = path.last().and_then(|name| self.links.get(&key(name))) else {
            return false;
        };
        let writers = links.reads.iter().filter_map(|read| self.writers.get(&key(read)));
        for writer in writers.flatten() {
            let back = *writer == path[0];
            path.push(writer.clone());
            if back || (seen.insert(writer.clone()) && self.leads_back(namespace, path, seen)) {
                return true;
            }
            path.pop();
        }
        false
    }
}

fn remove(map: &mut HashMap<Key, BTreeSet<String>>, key: Key, name: &str) {
    if let Some(names) = map.get_mut(&key) {
        names.remove(name);
        if names.is_empty() {
            map.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A resource that reads these Secrets.
    fn reading(name: &str, secrets: &[&str]) -> TemporaryCredential {
        let mut spec = json!({"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"}});
        if let [secret] = secrets {
            spec["identity"] = json!({"accessKeySecretRef": {"name": secret}});
        }
        serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": name, "namespace": "analytics"}, "spec": spec,
        }))
        .unwrap()
    }

    fn key(name: &str) -> Key {
        Key { namespace: "analytics".to_owned(), name: name.to_owned() }
    }

    fn names(found: Vec<Key>) -> Vec<String> {
        found.into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn finds_readers_and_writers_and_reports_changes_once() {
        let references = References::default();
        for (name, secrets) in [("a", &["key"][..]), ("b", &["key"]), ("c", &["other"]), ("d", &[])]
        {
            references.set(&reading(name, secrets));
        }
        assert_eq!(names(references.readers(&key("key"))), ["a", "b"]);
        assert_eq!(names(references.writers(&key("c"))), ["c"]);
        let elsewhere = Key { namespace: "elsewhere".to_owned(), name: "key".to_owned() };
        assert_eq!(names(references.readers(&elsewhere)), Vec::<String>::new());
        references.mark_changed(&key("a"));
        assert!(references.take_changed(&key("a")));
        assert!(!references.take_changed(&key("a")), "only once");
        assert!(!references.take_changed(&key("c")));
    }

    #[test]
    fn a_removed_resource_leaves_no_entries() {
        let references = References::default();
        references.set(&reading("a", &["key"]));
        references.set(&reading("a", &["other"]));
        assert_eq!(names(references.readers(&key("key"))), Vec::<String>::new());
        assert_eq!(names(references.readers(&key("other"))), ["a"]);
        references.mark_changed(&key("a"));
        references.remove(&key("a"));
        references.mark_changed(&key("a"));
        assert!(references.is_empty());
    }

    #[test]
    fn reports_loops_but_not_chains() {
        let references = References::default();
        let links = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "key"), ("f", "f")];
        for (name, secret) in links {
            references.set(&reading(name, &[secret]));
        }
        let message =
            |name: &str| references.check(&key(name)).err().map(|problem| problem.message);
        let path = "a, which reads the Secret of b, which reads the Secret of c, which reads the Secret of a: ";
        assert!(message("a").unwrap().starts_with(path), "{:?}", message("a"));
        assert!(message("f").is_some(), "reads its own Secret");
        assert_eq!(message("d"), None, "leads into a loop, but is not part of it");
        assert_eq!(message("e"), None, "reads a Secret that no resource writes");
    }
}
