//! All grants, indexed by namespace and by prefix of the role ARN, and the decision whether a request is granted.
//!
//! The cost of a decision does not grow with the number of grants. The grants that match a namespace are computed when
//! a grant or the labels of a namespace change. The grants that may match a role are found by the prefix of its ARN. A
//! decision evaluates only the grants in both sets.

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

/// Whether the operator may assume the roles of a resource with its own identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Permission {
    /// The operator does not sign the request. Only IAM decides.
    NotNeeded,
    /// The grant that allows each role and its session constraints, in the order in which the roles are assumed.
    Granted(Vec<(GrantName, SessionConstraints)>),
    /// No grant allows the request.
    Denied(Problem),
    /// The namespace is not in the cache yet.
    Unknown,
}

/// All grants and namespaces.
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
    /// Whether the grant is valid and matches a namespace.
    fn allows_in(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.grant.is_ok() && self.is_for(namespace, labels)
    }

    /// Whether the grant matches a namespace, even if the rest of the grant is invalid.
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
    /// No grants yet. `cluster` is the name of the cluster, or empty if it is not set.
    pub fn new(cluster: String) -> Self {
        Self { cluster, ..Self::default() }
    }

    /// Adds or replaces a grant. Returns the namespaces that the change may affect.
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

    /// Removes a grant. Returns the namespaces that it matched.
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

    /// Removes all grants except these. Returns the namespaces that the removed grants matched.
    pub fn retain(&mut self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let gone: Vec<GrantName> =
            self.grants.keys().filter(|name| !names.contains(&***name)).cloned().collect();
        gone.iter().flat_map(|name| self.remove(name)).collect()
    }

    /// Adds or updates a namespace. Returns whether the set of grants that match it changed.
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

    /// Removes a namespace.
    pub fn remove_namespace(&mut self, namespace: &str) {
        self.namespaces.remove(namespace);
    }

    /// Names of all grants.
    pub fn names(&self) -> impl Iterator<Item = &GrantName> {
        self.grants.keys()
    }

    /// The generation of a grant, and its error if it is invalid. `None` if there is no such grant.
    pub fn state(&self, name: &str) -> Option<(Option<i64>, Option<&InvalidGrant>)> {
        let entry = self.grants.get(name)?;
        let invalid = entry.namespaces.as_ref().err().or(entry.grant.as_ref().err());
        Some((entry.generation, invalid))
    }

    /// Whether a grant matches any known namespace, even if the rest of the grant is invalid.
    pub fn is_for_any(&self, name: &str) -> bool {
        let mut namespaces = self.namespaces.iter();
        self.grants.get(name).is_some_and(|entry| {
            namespaces.any(|(namespace, known)| entry.is_for(namespace, &known.labels))
        })
    }

    /// Decides whether a resource may use all roles that it requests.
    ///
    /// At least one grant must allow each role. If several grants allow it, the first one by name constrains the
    /// session.
    pub fn decide(
        &self,
        namespace: &str,
        name: &str,
        requested: &[RequestedRole<'_>],
    ) -> Permission {
        let Some(known) = self.namespaces.get(namespace) else { return Permission::Unknown };
        if requested.is_empty() {
            let nothing = "The request names no role that a RoleGrant could allow";
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
        let mut rejection = None;
        for (name, grant) in self.candidates(namespace, requested) {
            if !grant.covers(requested.role) {
                continue;
            }
            match grant.constrain(requested, context) {
                Ok(constraints) => return Ok((name.clone(), constraints)),
                Err(conflicts) => {
                    rejection.get_or_insert((name, conflicts));
                }
            }
        }
        let (role, namespace) = (requested.role, context.namespace);
        // The message must not reveal the grants of other namespaces.
        Err(Problem::new(
            Reason::NotGranted,
            match rejection {
                Some((name, conflicts)) => format!(
                    "RoleGrant {name} allows namespace {namespace} to use {role}, but rejects this request: {}",
                    conflicts.join("; ")
                ),
                None => format!(
                    "No RoleGrant allows namespace {namespace} to use {role} with the operator's identity. {}",
                    Reason::NotGranted.advice()
                ),
            },
        ))
    }

    /// The grants that may allow a requested role, sorted by name: those that match the namespace and have a prefix of
    /// the role's ARN. Iterates over the smaller of the two sets.
    fn candidates<'a>(
        &'a self,
        namespace: &'a Namespace,
        requested: &'a RequestedRole<'_>,
    ) -> Vec<(&'a GrantName, &'a Grant)> {
        let by_prefix: Vec<_> = self.by_role.of(requested.role.as_str()).collect();
        let fewer =
            by_prefix.iter().map(|names| names.len()).sum::<usize>() < namespace.grants.len();
        let mut names: Vec<&GrantName> = if fewer {
            by_prefix
                .into_iter()
                .flatten()
                .filter(|name| namespace.grants.contains(*name))
                .collect()
        } else {
            namespace.grants.iter().collect()
        };
        names.sort();
        names.dedup();
        let grant = |name| Some((name, self.grants.get(name)?.grant.as_ref().ok()?));
        names.into_iter().filter_map(grant).collect()
    }
}
