//! Which resources are made from which Secrets, and which write them: to wake those whose source
//! changed, and to find those that wait for each other.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::TemporaryCredential;
use crate::failure::Problem;
use crate::identity::Caller;
use crate::operation::Operation;
use crate::reason::Reason;
use crate::source::Source;

/// Namespace and name.
type Key = (String, String);

/// What one resource reads and writes.
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

/// Who reads and writes which Secret.
#[derive(Default)]
pub(super) struct References(Mutex<Index>);

impl References {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a resource reads and writes by now.
    pub(super) fn note(&self, resource: &TemporaryCredential) {
        let key = (resource.namespace().unwrap_or_default(), resource.name_any());
        self.index().set(key, Some(links(resource)));
    }

    /// Forgets a resource that is gone.
    pub(super) fn forget(&self, resource: &TemporaryCredential) {
        let key = (resource.namespace().unwrap_or_default(), resource.name_any());
        let mut index = self.index();
        index.changed.remove(&key);
        index.set(key, None);
    }

    /// A Secret changed: gives the resources that are made from it, and marks them.
    pub(super) fn changed(
        &self,
        namespace: &str,
        secret: &str,
    ) -> Vec<ObjectRef<TemporaryCredential>> {
        let mut index = self.index();
        let readers = index.readers.get(&(namespace.to_owned(), secret.to_owned()));
        let readers: Vec<String> = readers.into_iter().flatten().cloned().collect();
        let marks = readers.iter().map(|name| (namespace.to_owned(), name.clone()));
        index.changed.extend(marks);
        readers.iter().map(|name| ObjectRef::new(name).within(namespace)).collect()
    }

    /// The resources that are to write a Secret: by right one, which may not be whom its metadata names.
    pub(super) fn writers(
        &self,
        namespace: &str,
        secret: &str,
    ) -> Vec<ObjectRef<TemporaryCredential>> {
        let index = self.index();
        let writers = index.writers.get(&(namespace.to_owned(), secret.to_owned()));
        let names = writers.into_iter().flatten();
        names.map(|name| ObjectRef::new(name).within(namespace)).collect()
    }

    /// Marks a resource, as if a source of it had changed.
    pub(super) fn mark(&self, namespace: &str, name: &str) {
        self.index().changed.insert((namespace.to_owned(), name.to_owned()));
    }

    /// Whether a source of this resource changed since this was last asked.
    pub(super) fn take_changed(&self, namespace: &str, name: &str) -> bool {
        self.index().changed.remove(&(namespace.to_owned(), name.to_owned()))
    }

    /// Checks that no resource waits for itself.
    ///
    /// # Errors
    /// `ReferenceLoop`, with the way around.
    pub(super) fn check(&self, namespace: &str, name: &str) -> Result<(), Problem> {
        let index = self.index();
        let mut way = vec![name.to_owned()];
        if !index.leads_back(namespace, &mut way, &mut HashSet::new()) {
            return Ok(());
        }
        let way = way.join(", which is made from the Secret of ");
        Err(Problem::new(
            Reason::ReferenceLoop,
            format!(
                "{way}: neither can be issued before the other. {}",
                Reason::ReferenceLoop.advice()
            ),
        ))
    }
}

fn links(resource: &TemporaryCredential) -> Links {
    let spec = &resource.spec;
    let operation = Operation::of(&spec.request, "").into_iter().flat_map(|o| o.sources());
    let caller = Caller::of(spec.identity.as_ref(), "").into_iter().flat_map(|c| c.sources());
    let secret = |source| match source {
        Source::SecretKey(key) => Some(key.name),
        Source::Token { .. } => None,
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
        let (namespace, name) = key;
        let secret = |name: &String| (namespace.clone(), name.clone());
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

    /// Follows, depth first, what the last of `way` is made from, until it comes to the first again.
    fn leads_back(
        &self,
        namespace: &str,
        way: &mut Vec<String>,
        seen: &mut HashSet<String>,
    ) -> bool {
        let secret = |name: &String| (namespace.to_owned(), name.clone());
        let Some(links) = way.last().and_then(|name| self.links.get(&secret(name))) else {
            return false;
        };
        let writers = links.reads.iter().filter_map(|read| self.writers.get(&secret(read)));
        for writer in writers.flatten() {
            let back = *writer == way[0];
            way.push(writer.clone());
            if back || (seen.insert(writer.clone()) && self.leads_back(namespace, way, seen)) {
                return true;
            }
            way.pop();
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
    use crate::desired::tests::resource;
    use serde_json::json;

    /// A resource that is made from these Secrets.
    fn made_from(name: &str, secrets: &[&str]) -> TemporaryCredential {
        let mut made = resource(json!({"metadata": {"name": name}}));
        if let [secret] = secrets {
            made.spec.identity =
                serde_json::from_value(json!({"accessKeySecretRef": {"name": secret}})).unwrap();
        }
        made
    }

    fn names(found: Vec<ObjectRef<TemporaryCredential>>) -> Vec<String> {
        found.into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn a_changed_secret_marks_those_who_read_it_and_nobody_else() {
        let references = References::default();
        for (name, secrets) in [("a", &["key"][..]), ("b", &["key"]), ("c", &["other"]), ("d", &[])]
        {
            references.note(&made_from(name, secrets));
        }
        assert_eq!(names(references.changed("analytics", "key")), ["a", "b"]);
        assert_eq!(names(references.changed("elsewhere", "key")), Vec::<String>::new());
        assert!(references.take_changed("analytics", "a"));
        assert!(!references.take_changed("analytics", "a"), "only once");
        assert!(!references.take_changed("analytics", "c"));
    }

    #[test]
    fn what_a_resource_no_longer_reads_is_forgotten() {
        let references = References::default();
        references.note(&made_from("a", &["key"]));
        references.note(&made_from("a", &["other"]));
        assert_eq!(names(references.changed("analytics", "key")), Vec::<String>::new());
        assert_eq!(names(references.changed("analytics", "other")), ["a"]);
        references.forget(&made_from("a", &["other"]));
        assert_eq!(names(references.changed("analytics", "other")), Vec::<String>::new());
        let index = references.index();
        assert!(index.links.is_empty() && index.readers.is_empty() && index.writers.is_empty());
    }

    #[test]
    fn loops_are_found_and_told_and_chains_are_not_loops() {
        let references = References::default();
        let links = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "key"), ("f", "f")];
        for (name, secret) in links {
            references.note(&made_from(name, &[secret]));
        }
        let told =
            |name: &str| references.check("analytics", name).err().map(|problem| problem.message);
        let message = told("a").unwrap();
        let way = "a, which is made from the Secret of b, which is made from the Secret of c, \
                   which is made from the Secret of a: ";
        assert!(message.starts_with(way), "{message}");
        assert!(told("f").is_some(), "made from its own Secret");
        assert_eq!(told("d"), None, "leads into a loop, but is no part of it");
        assert_eq!(told("e"), None, "made from a Secret that nobody writes");
    }
}
