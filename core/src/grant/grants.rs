//! All grants and the namespaces that they are for, indexed; and the decision.
//!
//! What a decision costs does not grow with the number of grants: which grants are for a namespace is
//! worked out when a grant or the labels of a namespace change, and which are about a role is looked up
//! by how its ARN begins. Only grants that are in both sets are looked at.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kube_core::{Resource, ResourceExt};

use super::compiled::{Grant, InvalidGrant, NamespaceMatcher};
use super::name::GrantName;
use super::prefixes::Prefixes;
use crate::api::RoleGrant;
use crate::problem::{Problem, Reason};
use crate::request::{RequestedRole, SessionConstraints};
use crate::template::Context;

/// Whether a resource may have its roles assumed in the operator's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Permission {
    /// Somebody else signs, or nobody: IAM alone decides.
    NotNeeded,
    /// These grants allow it, on these terms: one for each role, in the order in which they are assumed.
    Granted(Vec<(GrantName, SessionConstraints)>),
    /// No grant allows it.
    Denied(Problem),
    /// The namespace has not been seen yet.
    Unknown,
}

/// All grants.
#[derive(Debug, Default)]
pub struct Grants {
    cluster: String,
    grants: BTreeMap<GrantName, Entry>,
    by_role: Prefixes,
    namespaces: HashMap<String, Namespace>,
}

#[derive(Debug)]
struct Entry {
    uid: Option<String>,
    generation: Option<i64>,
    namespaces: Result<NamespaceMatcher, InvalidGrant>,
    grant: Result<Grant, InvalidGrant>,
}

impl Entry {
    /// Whether it allows something in a namespace.
    fn allows_in(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.grant.is_ok() && self.is_for(namespace, labels)
    }

    /// Whether it is for a namespace, be there a flaw in it or not.
    fn is_for(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.namespaces.as_ref().is_ok_and(|matcher| matcher.matches(namespace, labels))
    }
}

#[derive(Debug, Default)]
struct Namespace {
    labels: BTreeMap<String, String>,
    grants: BTreeSet<GrantName>,
}

impl Grants {
    /// None yet, in a cluster of this name; empty if it has none.
    pub fn new(cluster: String) -> Self {
        Self { cluster, ..Self::default() }
    }

    /// Takes note of a grant. Gives the namespaces for which something may have changed.
    pub fn set(&mut self, resource: &RoleGrant) -> BTreeSet<String> {
        let name = GrantName::from(resource.name_any());
        if resource.meta().deletion_timestamp.is_some() {
            return self.remove(&name);
        }
        let (uid, generation) = (resource.uid(), resource.meta().generation);
        let seen = self.grants.get(&name);
        if seen.is_some_and(|seen| (&seen.uid, seen.generation) == (&uid, generation)) {
            return BTreeSet::new();
        }
        let mut affected = self.remove(&name);
        let entry = Entry {
            uid,
            generation,
            namespaces: NamespaceMatcher::compile(&resource.spec.namespaces),
            grant: Grant::compile(&resource.spec, &self.cluster),
        };
        for prefix in entry.grant.iter().flat_map(Grant::prefixes) {
            self.by_role.insert(prefix, &name);
        }
        for (namespace, known) in &mut self.namespaces {
            if entry.allows_in(namespace, &known.labels) {
                known.grants.insert(name.clone());
                affected.insert(namespace.clone());
            }
        }
        self.grants.insert(name, entry);
        affected
    }

    /// Forgets a grant. Gives the namespaces for which it was.
    pub fn remove(&mut self, name: &str) -> BTreeSet<String> {
        let Some((name, entry)) = self.grants.remove_entry(name) else { return BTreeSet::new() };
        for prefix in entry.grant.iter().flat_map(Grant::prefixes) {
            self.by_role.remove(&prefix, &name);
        }
        let namespaces = self.namespaces.iter_mut();
        namespaces
            .filter_map(|(namespace, known)| known.grants.remove(&name).then(|| namespace.clone()))
            .collect()
    }

    /// Forgets all grants but these. Gives the namespaces for which the others were.
    pub fn retain(&mut self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let gone: Vec<GrantName> =
            self.grants.keys().filter(|name| !names.contains(&***name)).cloned().collect();
        gone.iter().flat_map(|name| self.remove(name)).collect()
    }

    /// Takes note of a namespace and its labels. Says whether other grants are for it by now.
    pub fn set_namespace(&mut self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let known = self.namespaces.get(namespace);
        if known.is_some_and(|known| known.labels == *labels) {
            return false;
        }
        let grants: BTreeSet<GrantName> = self
            .grants
            .iter()
            .filter(|(_, entry)| entry.allows_in(namespace, labels))
            .map(|(name, _)| name.clone())
            .collect();
        let changed = known.is_none_or(|known| known.grants != grants);
        let now = Namespace { labels: labels.clone(), grants };
        self.namespaces.insert(namespace.to_owned(), now);
        changed
    }

    /// Forgets a namespace that is gone.
    pub fn remove_namespace(&mut self, namespace: &str) {
        self.namespaces.remove(namespace);
    }

    /// Names of all grants.
    pub fn names(&self) -> impl Iterator<Item = &GrantName> {
        self.grants.keys()
    }

    /// Generation of a grant, and what is wrong with it if anything is.
    pub fn state(&self, name: &str) -> Option<(Option<i64>, Option<&InvalidGrant>)> {
        let entry = self.grants.get(name)?;
        let invalid = entry.namespaces.as_ref().err().or(entry.grant.as_ref().err());
        Some((entry.generation, invalid))
    }

    /// Whether a grant is for any known namespace, be there a flaw in it or not.
    pub fn is_for_any(&self, name: &str) -> bool {
        let mut namespaces = self.namespaces.iter();
        self.grants.get(name).is_some_and(|entry| {
            namespaces.any(|(namespace, known)| entry.is_for(namespace, &known.labels))
        })
    }

    /// Decides about all roles that a resource requested.
    ///
    /// Each must be allowed by a grant. Of several that allow it, the first by name sets the terms.
    pub fn decide(
        &self,
        namespace: &str,
        name: &str,
        requested: &[RequestedRole<'_>],
    ) -> Permission {
        let Some(known) = self.namespaces.get(namespace) else { return Permission::Unknown };
        if requested.is_empty() {
            let nothing = "A RoleGrant allows roles, and this request names none";
            return Permission::Denied(Problem::new(Reason::NotGranted, nothing));
        }
        let context = Context { cluster: &self.cluster, namespace, name };
        let all = requested.iter().map(|requested| self.decide_one(known, requested, context));
        match all.collect::<Result<_, _>>() {
            Ok(constraints) => Permission::Granted(constraints),
            Err(problem) => Permission::Denied(problem),
        }
    }

    fn decide_one(
        &self,
        namespace: &Namespace,
        requested: &RequestedRole<'_>,
        context: Context<'_>,
    ) -> Result<(GrantName, SessionConstraints), Problem> {
        let mut nearest = None;
        for (name, grant) in self.candidates(namespace, requested) {
            if !grant.covers(requested.role) {
                continue;
            }
            match grant.constrain(requested, context) {
                Ok(constraints) => return Ok((name.clone(), constraints)),
                Err(conflicts) => {
                    nearest.get_or_insert((name, conflicts));
                }
            }
        }
        let (role, namespace) = (requested.role, context.namespace);
        // Nothing here may tell what others are granted.
        Err(Problem::new(
            Reason::NotGranted,
            match nearest {
                Some((name, conflicts)) => format!(
                    "RoleGrant {name} lets namespace {namespace} use {role}, but not like this: {}",
                    conflicts.join("; ")
                ),
                None => format!(
                    "No RoleGrant lets namespace {namespace} use {role} with the operator's identity. {}",
                    Reason::NotGranted.advice()
                ),
            },
        ))
    }

    /// The grants that may allow a requested, in the order of their names: those for the namespace that
    /// are about ARNs that begin like the role's. Goes through the smaller of the two sets.
    fn candidates<'a>(
        &'a self,
        namespace: &'a Namespace,
        requested: &'a RequestedRole<'_>,
    ) -> Vec<(&'a GrantName, &'a Grant)> {
        let about: Vec<_> = self.by_role.of(requested.role.as_str()).collect();
        let few = about.iter().map(|names| names.len()).sum::<usize>() < namespace.grants.len();
        let mut names: Vec<&GrantName> = if few {
            about.into_iter().flatten().filter(|name| namespace.grants.contains(*name)).collect()
        } else {
            namespace.grants.iter().collect()
        };
        names.sort();
        names.dedup();
        let grant = |name| Some((name, self.grants.get(name)?.grant.as_ref().ok()?));
        names.into_iter().filter_map(grant).collect()
    }
}
