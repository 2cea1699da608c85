//! An index of the Secrets that resources read and write. It finds the resources to reconcile when an input changes,
//! resources that depend on each other, and chains of resources that are too long.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::iter::successors;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use tempcred_core::api::TemporaryCredential;
use tempcred_core::fields::Duration;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::request::Operation;
use tempcred_core::request::identity::Caller;
use tempcred_core::request::inputs::Input;

use crate::cluster::watch::Key;

/// Longest chain of resources of which each reads the Secret of the next one, in references. A rotation at one end
/// causes a rotation of each of them.
const MOST_REFERENCES: usize = 8;

/// The Secrets that one resource reads and writes.
#[derive(Clone, Default, PartialEq)]
struct Links {
    uid: String,
    reads: BTreeSet<String>,
    writes: String,
}

#[derive(Default)]
struct Index {
    links: HashMap<Key, Links>,
    readers: HashMap<Key, BTreeSet<String>>,
    /// The resources that write a Secret with another name than theirs.
    writers: HashMap<Key, BTreeSet<String>>,
    changed: HashSet<Key>,
    /// The names of these resources by UID.
    names: HashMap<String, String>,
    /// The UID of the resource that each Secret was written for.
    holders: HashMap<Key, String>,
}

/// The Secrets that resources read and write.
#[derive(Default)]
pub struct References(Mutex<Index>);

impl References {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the Secrets that a resource reads and writes.
    pub fn set(&self, resource: &TemporaryCredential) {
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
        keys(secret, self.index().readers.get(secret).into_iter().flatten())
    }

    /// The resources whose spec names this Secret as the one to write. At most one of them may write it, and this is
    /// not necessarily the one that the metadata of the Secret names.
    pub(super) fn writers(&self, secret: &Key) -> Vec<Key> {
        keys(secret, self.index().writers_of(secret))
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

    /// Whether a resource reads this Secret, or would write it.
    pub(super) fn is_used(&self, secret: &Key) -> bool {
        let index = self.index();
        index.readers.contains_key(secret) || index.writers_of(secret).next().is_some()
    }

    /// Records the UID of the resource that a Secret was written for.
    pub(super) fn set_holder(&self, secret: Key, uid: &str) {
        self.index().holders.insert(secret, uid.to_owned());
    }

    /// Records that the Secret that was written for this resource is gone.
    pub(super) fn remove_holder(&self, secret: &Key, uid: &str) {
        let mut index = self.index();
        if index.holders.get(secret).is_some_and(|holder| holder == uid) {
            index.holders.remove(secret);
        }
    }

    /// The resource that this Secret was written for.
    pub(super) fn holder(&self, secret: &Key) -> Option<Key> {
        let index = self.index();
        let name = index.name(secret, index.holders.get(secret)?)?.to_owned();
        Some(Key { namespace: secret.namespace.clone(), name })
    }

    /// Checks that a resource does not depend on its own Secret, directly or through other resources, and that the
    /// chain of resources that it depends on is not too long.
    ///
    /// # Errors
    /// `ReferenceLoop` or `ReferenceTooDeep`. The message contains the path.
    pub fn check(&self, resource: &Key) -> Result<(), Problem> {
        let (reason, what, path) = match self.index().long_path(resource) {
            None => return Ok(()),
            Some(LongPath::Loop(path)) => {
                (Reason::ReferenceLoop, "none of them can be issued first", path)
            }
            Some(LongPath::TooDeep(path)) => {
                (Reason::ReferenceTooDeep, "the chain is too long", path)
            }
        };
        let path = path.join(", which reads the Secret of ");
        let message = format!("{path}: {what}. {}", reason.advice());
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
            && index.names.is_empty()
            && index.holders.is_empty()
    }
}

fn keys<'a>(secret: &Key, names: impl Iterator<Item = &'a String>) -> Vec<Key> {
    let key = |name: &String| Key { namespace: secret.namespace.clone(), name: name.clone() };
    names.map(key).collect()
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
        uid: resource.uid().unwrap_or_default(),
        reads: operation.chain(caller).filter_map(secret).collect(),
        writes: resource.secret_name(),
    }
}

/// Names of resources of which each reads the Secret of the next one.
enum LongPath {
    /// The last one is the first one.
    Loop(Vec<String>),
    /// There are too many.
    TooDeep(Vec<String>),
}

impl Index {
    fn set(&mut self, key: Key, links: Option<Links>) {
        let before = match &links {
            Some(links) if self.links.get(&key) == Some(links) => return,
            Some(links) => self.links.insert(key.clone(), links.clone()),
            None => self.links.remove(&key),
        };
        let Key { namespace, name } = key;
        let with_other_name = |links: &&Links| links.writes != name;
        let (old_name, new_name) =
            (before.as_ref().filter(with_other_name), links.as_ref().filter(with_other_name));
        let secret = |name: &String| Key { namespace: namespace.clone(), name: name.clone() };
        for old in before.iter().flat_map(|links| &links.reads) {
            remove(&mut self.readers, secret(old), &name);
        }
        if let Some(old) = old_name {
            self.names.remove(&old.uid);
            remove(&mut self.writers, secret(&old.writes), &name);
        }
        for new in links.iter().flat_map(|links| &links.reads) {
            self.readers.entry(secret(new)).or_default().insert(name.clone());
        }
        if let Some(new) = new_name {
            self.names.insert(new.uid.clone(), name.clone());
            self.writers.entry(secret(&new.writes)).or_default().insert(name.clone());
        }
    }

    /// The resource of the same name, if it writes this Secret.
    fn namesake(&self, secret: &Key) -> Option<(&String, &Links)> {
        let (key, links) = self.links.get_key_value(secret)?;
        (links.writes == secret.name).then_some((&key.name, links))
    }

    /// The resources that write this Secret.
    fn writers_of(&self, secret: &Key) -> impl Iterator<Item = &String> {
        let others = self.writers.get(secret).into_iter().flatten();
        self.namesake(secret).map(|(name, _)| name).into_iter().chain(others)
    }

    /// The name of the resource with this UID, if it writes this Secret.
    fn name(&self, secret: &Key, uid: &str) -> Option<&String> {
        let namesake = self.namesake(secret).filter(|(_, links)| links.uid == uid);
        namesake.map(|(name, _)| name).or_else(|| {
            let others = self.writers.get(secret)?;
            self.names.get(uid).filter(|name| others.contains(*name))
        })
    }

    /// A path of Secrets that leads back to the resource, or that is too long. Each resource reads at most a few Secrets,
    /// so the search is short, regardless of the number of resources.
    fn long_path(&self, resource: &Key) -> Option<LongPath> {
        let mut readers: HashMap<&str, &str> = HashMap::new();
        let path = |last: &str, readers: &HashMap<&str, &str>| {
            let before = |name: &&str| readers.get(name).copied();
            let mut names: Vec<_> = successors(Some(last), before).map(str::to_owned).collect();
            names.reverse();
            names
        };
        let mut level = vec![resource.name.as_str()];
        for depth in 1.. {
            let mut next = Vec::new();
            for reader in level {
                for writer in self.inputs_of(&resource.namespace, reader) {
                    if writer == resource.name {
                        let mut path = path(reader, &readers);
                        path.push(writer.to_owned());
                        return Some(LongPath::Loop(path));
                    }
                    if !readers.contains_key(writer) {
                        readers.insert(writer, reader);
                        next.push(writer);
                    }
                }
            }
            let first = next.first()?;
            if depth > MOST_REFERENCES {
                return Some(LongPath::TooDeep(path(first, &readers)));
            }
            level = next;
        }
        None
    }

    /// The resources whose Secrets a resource reads.
    fn inputs_of<'a>(&'a self, namespace: &'a str, reader: &str) -> impl Iterator<Item = &'a str> {
        let key = |name: &str| Key { namespace: namespace.to_owned(), name: name.to_owned() };
        let reads = self.links.get(&key(reader)).into_iter().flat_map(|links| &links.reads);
        reads.filter_map(move |read| self.writer(&key(read)))
    }

    /// The resource that a Secret was written for. If there is no Secret yet, any resource that may write it.
    fn writer(&self, secret: &Key) -> Option<&str> {
        let holder = self.holders.get(secret).and_then(|uid| self.name(secret, uid));
        holder.or_else(|| self.writers_of(secret).next()).map(String::as_str)
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
            "metadata": {"name": name, "namespace": "analytics", "uid": format!("uid-{name}")}, "spec": spec,
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

    #[test]
    fn a_chain_may_be_eight_references_deep_and_costs_no_more_if_it_is_longer() {
        let references = References::default();
        for n in 0..20_000 {
            references.set(&reading(&n.to_string(), &[&(n + 1).to_string()]));
        }
        let reason = |n: u32| references.check(&key(&n.to_string())).err().map(|p| p.reason);
        assert_eq!(reason(0), Some(Reason::ReferenceTooDeep));
        assert_eq!(reason(20_000 - 10), Some(Reason::ReferenceTooDeep));
        assert_eq!(reason(20_000 - 9), None);
        let message = references.check(&key("0")).unwrap_err().message;
        assert!(message.contains("of 9: the chain is too long"), "{message}");
    }

    #[test]
    fn of_many_writers_of_one_secret_the_one_that_wrote_it_counts() {
        let references = References::default();
        let writing = |name: &str, reads: &str| {
            let mut resource = reading(name, &[reads]);
            resource.spec.secret.name = Some("shared".to_owned());
            resource
        };
        references.set(&reading("a", &["shared"]));
        for n in 0..5000 {
            references.set(&writing(&format!("b{n:04}"), "key"));
        }
        references.set(&writing("c", "a"));
        assert!(references.check(&key("a")).is_ok());
        references.set_holder(key("shared"), "uid-c");
        assert_eq!(references.holder(&key("shared")), Some(key("c")));
        assert_eq!(references.check(&key("a")).unwrap_err().reason, Reason::ReferenceLoop);
        references.remove_holder(&key("shared"), "uid-of-another");
        assert!(references.check(&key("a")).is_err());
        references.remove_holder(&key("shared"), "uid-c");
        assert!(references.check(&key("a")).is_ok());
    }
}
