//! All grants, indexed by namespace and by prefix of the role ARN, and the decision whether a request is granted.
//!
//! The cost of a decision does not grow with the number of grants. The grants that match a namespace are computed when
//! a grant or the labels of a namespace change, and indexed by the prefix of the ARNs that they match. A decision
//! evaluates only the grants that match the namespace and have a prefix of the role's ARN.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kube_core::{Resource, ResourceExt};

use super::chain;
use super::combined::Match;
use super::compiled::CompiledGrant;
use super::invalid::InvalidGrant;
use super::name::GrantName;
use super::prefixes::{Prefix, Prefixes};
use super::rejection::Denial;
use crate::api::StoredGrant;
use crate::problem::{Problem, Reason};
use crate::request::{RequestedRole, SessionParameters};
use crate::template::Context;

/// Whether the operator may assume the roles of a resource with its own identity.
#[derive(Clone, Debug, PartialEq)]
pub enum Permission {
    /// The operator does not sign the request. Only IAM decides.
    NotNeeded,
    /// The grants allow the request.
    Granted {
        /// The grants that allow or constrain it, sorted.
        grants: Vec<GrantName>,
        /// The parameters of each call, in the order in which the roles are assumed.
        parameters: Vec<SessionParameters>,
    },
    /// The grants do not allow the request.
    Denied(Denial),
    /// The namespace is not in the cache yet.
    Unknown,
}

/// All grants and namespaces.
#[derive(Debug, Default)]
pub struct Grants {
    cluster: String,
    grants: BTreeMap<GrantName, Entry>,
    namespaces: HashMap<String, Namespace>,
}

#[derive(Debug)]
struct Entry {
    uid: Option<String>,
    generation: Option<i64>,
    prefixes: Vec<Prefix>,
    compiled: CompiledGrant,
}

#[derive(Debug, Default)]
struct Namespace {
    labels: BTreeMap<String, String>,
    grants: Prefixes,
}

impl Grants {
    /// No grants yet. `cluster` is the name of the cluster, or empty if it is not set.
    pub fn new(cluster: String) -> Self {
        Self { cluster, ..Self::default() }
    }

    /// Adds or replaces a grant that is not being deleted. Returns the namespaces that the change may affect.
    pub fn set(&mut self, resource: &StoredGrant) -> BTreeSet<String> {
        let name = GrantName::from(resource.name_any());
        let (uid, generation) = (resource.uid(), resource.meta().generation);
        let seen = self.grants.get(&name);
        if seen.is_some_and(|seen| (&seen.uid, seen.generation) == (&uid, generation)) {
            return BTreeSet::new();
        }
        let compiled = CompiledGrant::compile(&resource.spec, &self.cluster);
        self.replace(name, uid, generation, compiled)
    }

    /// Adds or replaces a grant of which only the name can be read. It blocks everything.
    pub fn set_undecodable(&mut self, name: &str, cause: &str) -> BTreeSet<String> {
        self.replace(name.into(), None, None, CompiledGrant::undecodable(cause))
    }

    fn replace(
        &mut self,
        name: GrantName,
        uid: Option<String>,
        generation: Option<i64>,
        compiled: CompiledGrant,
    ) -> BTreeSet<String> {
        let mut affected = self.remove(&name);
        let prefixes: BTreeSet<Prefix> = compiled.roles.prefixes().map(Prefix::from).collect();
        let prefixes: Vec<_> = prefixes.into_iter().collect();
        for (namespace, known) in &mut self.namespaces {
            if compiled.namespaces.matches(namespace, &known.labels) {
                prefixes.iter().for_each(|prefix| known.grants.insert(prefix, &name));
                affected.insert(namespace.clone());
            }
        }
        self.grants.insert(name, Entry { uid, generation, prefixes, compiled });
        affected
    }

    /// Removes a grant. Returns the namespaces that it matched.
    pub fn remove(&mut self, name: &str) -> BTreeSet<String> {
        let Some(entry) = self.grants.remove(name) else { return BTreeSet::new() };
        let mut affected = BTreeSet::new();
        for (namespace, known) in &mut self.namespaces {
            for prefix in &entry.prefixes {
                if known.grants.remove(prefix, name) {
                    affected.insert(namespace.clone());
                }
            }
        }
        affected
    }

    /// Adds or updates a namespace. Returns whether the set of grants that match it changed.
    pub fn set_namespace(&mut self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let known = self.namespaces.get(namespace);
        if known.is_some_and(|known| known.labels == *labels) {
            return false;
        }
        let mut grants = Prefixes::default();
        for (name, entry) in &self.grants {
            if entry.compiled.namespaces.matches(namespace, labels) {
                entry.prefixes.iter().for_each(|prefix| grants.insert(prefix, name));
            }
        }
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
        Some((entry.generation, entry.compiled.rules.as_ref().err()))
    }

    /// Whether a grant matches any known namespace.
    pub fn is_for_any(&self, name: &str) -> bool {
        let mut namespaces = self.namespaces.iter();
        self.grants.get(name).is_some_and(|entry| {
            namespaces.any(|(namespace, known)| {
                entry.compiled.namespaces.matches(namespace, &known.labels)
            })
        })
    }

    /// Decides whether a resource may use all roles that it requests.
    ///
    /// At least one grant of mode `Allow` must match each role. Every grant that matches a role constrains its session.
    pub fn decide(
        &self,
        namespace: &str,
        name: &str,
        requested: &[RequestedRole<'_>],
    ) -> Permission {
        let Some(known) = self.namespaces.get(namespace) else { return Permission::Unknown };
        if requested.is_empty() {
            let nothing = "The request names no role that a RoleGrant could allow";
            let problem = Problem::new(Reason::NotGranted, nothing);
            return Permission::Denied(Denial { problem, grants: Vec::new() });
        }
        let context = Context { cluster: &self.cluster, namespace, name };
        let matches: Vec<_> =
            requested.iter().map(|requested| self.matches(known, requested)).collect();
        match chain::parameters(requested, &matches, context) {
            Ok(parameters) => {
                let grants: BTreeSet<_> = matches.iter().flatten().map(|(name, _)| *name).collect();
                Permission::Granted { grants: grants.into_iter().cloned().collect(), parameters }
            }
            Err(denial) => Permission::Denied(denial),
        }
    }

    /// The grants that match a namespace and a requested role, sorted by name.
    fn matches<'a>(
        &'a self,
        namespace: &'a Namespace,
        requested: &RequestedRole<'_>,
    ) -> Vec<Match<'a>> {
        let grants = self.candidates(namespace, requested).into_iter();
        grants
            .filter(|(_, grant)| grant.roles.matches(requested.role))
            .map(|(name, grant)| (name, &grant.rules))
            .collect()
    }

    /// The grants that may match a requested role: those that match the namespace and have a prefix of the role's ARN.
    fn candidates<'a>(
        &'a self,
        namespace: &'a Namespace,
        requested: &RequestedRole<'_>,
    ) -> BTreeMap<&'a GrantName, &'a CompiledGrant> {
        let names = namespace.grants.of(requested.role.as_str()).into_iter();
        names.filter_map(|name| Some((name, &self.grants.get(name)?.compiled))).collect()
    }
}
