//! The cache of the grants. It finds the namespaces that a change affects, and the grants that need a new status.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;
use kube::ResourceExt;
use tempcred_core::api::{GrantStatus, StoredGrant};
use tempcred_core::desired::Desired;
use tempcred_core::grant::{GrantName, GrantUsage, Grants, Use, status};
use tokio::sync::{Notify, watch};

use crate::cluster::watch::{Change, Key, NamespaceMeta, Synced};
use crate::telemetry::grants::GrantFigures;

/// The namespaces whose resources a change of grants or labels may affect.
pub(super) type Affected = BTreeSet<String>;

/// All grants, their usage, and their statuses.
pub(super) struct GrantCache {
    grants: RwLock<Grants>,
    usage: Mutex<GrantUsage>,
    statuses: Mutex<HashMap<String, GrantStatus>>,
    /// Grants whose status may be outdated. The value says whether their usage changed.
    outdated: Mutex<BTreeMap<GrantName, bool>>,
    /// Notified when a status becomes outdated.
    pub(super) status_outdated: Notify,
    /// Set when the cache of the grants is synced.
    pub(super) synced: Synced,
    /// Set when all caches are synced. Before that, the usage counts are too low.
    pub(super) all_synced: Synced,
    /// Number of changes that affected a namespace.
    changes: watch::Sender<u64>,
}

impl GrantCache {
    /// No grants yet. `cluster` is the name of the cluster, or empty if it is not set.
    pub(super) fn new(cluster: String) -> Self {
        Self {
            grants: RwLock::new(Grants::new(cluster)),
            usage: Mutex::default(),
            statuses: Mutex::default(),
            outdated: Mutex::default(),
            status_outdated: Notify::new(),
            synced: Synced::default(),
            all_synced: Synced::default(),
            changes: watch::channel(0).0,
        }
    }

    /// Calls a function with the grants.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Grants) -> T) -> T {
        read(&self.grants.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Grants) -> Affected) -> Affected {
        let affected = change(&mut self.grants.write().unwrap_or_else(PoisonError::into_inner));
        if !affected.is_empty() {
            self.changes.send_modify(|count| *count += 1);
        }
        affected
    }

    /// A receiver that is notified of each later change that affects a namespace.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The number of changes that affected a namespace.
    pub(super) fn count_changes(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Records which grants a resource uses, or is rejected by.
    pub(super) fn set_usage(&self, desired: &Desired) {
        self.usage(&desired.namespace, &desired.name, Use::of(desired));
    }

    /// Removes a resource.
    pub(super) fn remove_usage(&self, resource: &Key) {
        self.usage(&resource.namespace, &resource.name, Vec::new());
    }

    fn usage(&self, namespace: &str, name: &str, grants: Vec<(GrantName, Use)>) {
        let changed = lock(&self.usage).set(namespace, name, grants);
        self.outdate(changed.into_iter().map(|name| (name, true)));
    }

    fn outdate(&self, names: impl Iterator<Item = (GrantName, bool)>) {
        let mut outdated = lock(&self.outdated);
        for (name, usage_changed) in names {
            *outdated.entry(name).or_default() |= usage_changed;
            self.status_outdated.notify_one();
        }
    }

    /// Records that all caches are synced.
    pub(super) fn set_all_synced(&self) {
        let _ = self.all_synced.set(());
        self.outdate_all();
    }

    /// Marks every status as outdated: another leader, or an operator with other settings, may have written them.
    pub(super) fn outdate_all(&self) {
        let names = self.read(|grants| grants.names().cloned().collect::<Vec<_>>());
        self.outdate(names.into_iter().map(|name| (name, false)));
    }

    /// Removes the marks, and returns the statuses to write. An operator that does not serve all resources writes only
    /// the statuses of grants that match one of its namespaces, or whose usage changed. Another operator may have
    /// counted the other resources, so it writes a number only if its own changed, and not at each start.
    pub(super) fn take_outdated(&self, serves_all: bool) -> Vec<(GrantName, GrantStatus)> {
        let outdated = std::mem::take(&mut *lock(&self.outdated));
        let (usage, statuses) = (lock(&self.usage), lock(&self.statuses));
        self.read(|grants| {
            let ours = |(name, usage_changed): &(GrantName, bool)| {
                serves_all || *usage_changed || grants.is_for_any(name)
            };
            let next = |(name, usage_changed): (GrantName, bool)| {
                let before = statuses.get(&*name)?;
                let used = usage.count(&name, Use::Used);
                let next = status(grants.state(&name)?, used, before, Timestamp::now());
                let counts = serves_all || usage_changed;
                let credentials = if counts { next.credentials } else { before.credentials };
                let differs = GrantStatus { credentials, ..next.clone() } != *before;
                differs.then_some((name, next))
            };
            outdated.into_iter().filter(ours).filter_map(next).collect()
        })
    }

    /// Records that the status of a grant could not be written.
    pub(super) fn not_written(&self, name: GrantName) {
        lock(&self.outdated).insert(name, true);
    }

    /// Processes a change of a grant. Returns the namespaces that it affects.
    pub(super) fn on_grant(&self, change: Change<StoredGrant>) -> Affected {
        match change {
            Change::Applied(grant) => self.set_grant(&grant),
            Change::Undecodable(key, error) => {
                let name = &key.name;
                tracing::warn!(
                    name,
                    error,
                    "the RoleGrant cannot be decoded and blocks everything"
                );
                lock(&self.statuses).entry(name.clone()).or_default();
                self.outdate([(GrantName::from(name.as_str()), false)].into_iter());
                self.change(|grants| grants.set_undecodable(name, &error))
            }
            Change::Removed(key, _) => self.remove_grant(&key.name),
            Change::Synced => {
                let _ = self.synced.set(());
                Affected::new()
            }
        }
    }

    fn set_grant(&self, grant: &StoredGrant) -> Affected {
        let (name, status) = (grant.name_any(), grant.status());
        let observed = status.observed_generation;
        lock(&self.statuses).insert(name.clone(), status);
        if observed != grant.metadata.generation {
            self.outdate([(GrantName::from(name), false)].into_iter());
        }
        self.change(|grants| grants.set(grant))
    }

    fn remove_grant(&self, name: &str) -> Affected {
        lock(&self.statuses).remove(name);
        self.change(|grants| grants.remove(name))
    }

    /// Records that a grant was lost: it stays in effect, and it has no status to write.
    pub(super) fn lose(&self, name: &str) {
        lock(&self.statuses).remove(name);
    }

    /// Processes a change of a namespace. Sets `synced` when the cache is synced. Returns the namespaces that are
    /// affected.
    pub(super) fn on_namespace(&self, change: Change<NamespaceMeta>, synced: &Synced) -> Affected {
        match change {
            Change::Applied(namespace) => {
                let (name, labels) = (namespace.name_any(), namespace.labels());
                self.change(|grants| {
                    let changed = grants.set_namespace(&name, labels);
                    changed.then(|| name.clone()).into_iter().collect()
                })
            }
            Change::Removed(key, _) => self.change(|grants| {
                grants.remove_namespace(&key.name);
                Affected::new()
            }),
            // The metadata of a namespace can always be decoded.
            Change::Undecodable(..) => Affected::new(),
            Change::Synced => {
                let _ = synced.set(());
                Affected::new()
            }
        }
    }

    /// The figures of each grant, for the metrics.
    pub(super) fn figures(&self) -> Vec<GrantFigures> {
        let usage = lock(&self.usage);
        let figures = |grants: &Grants, name: &GrantName| GrantFigures {
            name: name.clone(),
            is_valid: grants.state(name).is_some_and(|(_, invalid)| invalid.is_none()),
            used: usage.count(name, Use::Used),
            rejections: Use::REJECTIONS.map(|(of, reason)| (reason, usage.count(name, of))),
        };
        self.read(|grants| grants.names().map(|name| figures(grants, name)).collect())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tempcred_core::problem::Reason;

    fn grant(name: &str, generation: i64, spec: Value) -> StoredGrant {
        stored(name, generation, spec, &GrantStatus::default())
    }

    fn stored(name: &str, generation: i64, spec: Value, status: &GrantStatus) -> StoredGrant {
        let metadata = json!({"name": name, "generation": generation});
        let grant = json!({"metadata": metadata, "spec": spec, "status": status});
        serde_json::from_value(grant).unwrap()
    }

    fn any() -> Value {
        json!({"namespaces": {"names": ["*"]}, "roleArns": ["arn:aws:iam::123456789012:role/*"]})
    }

    /// The cache of an operator, with the namespace `n`.
    fn cache() -> GrantCache {
        let cache = GrantCache::new(String::new());
        let namespace = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
        cache.on_namespace(Change::Applied(namespace), &Synced::default());
        cache
    }

    /// Compiles a resource of the namespace `n`, and records which grants it uses.
    fn compiled(cache: &GrantCache, name: &str) -> Desired {
        let resource = serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": name, "namespace": "n"},
            "spec": {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"}},
        }))
        .unwrap();
        let desired = cache.read(|grants| Desired::compile(&resource, grants)).unwrap();
        cache.set_usage(&desired);
        desired
    }

    #[test]
    fn operators_that_divide_the_resources_do_not_correct_each_other() {
        let operators = [cache(), cache()];
        let apply = |status: &GrantStatus| {
            for operator in &operators {
                operator.on_grant(Change::Applied(stored("any", 1, any(), status)));
            }
        };
        let writes = |serves_all| {
            let mut written = Vec::new();
            for turn in 0..10 {
                for (_, status) in operators[turn % 2].take_outdated(serves_all) {
                    written.push(status.credentials.unwrap());
                    apply(&status);
                }
            }
            written
        };
        apply(&GrantStatus::default());
        for name in ["a", "b"] {
            compiled(&operators[0], name);
        }
        assert_eq!(writes(false), [2]);
        compiled(&operators[1], "c");
        assert_eq!(writes(false), [1]);
        operators.iter().for_each(GrantCache::outdate_all);
        assert_eq!(writes(false), [0; 0]);
        operators.iter().for_each(GrantCache::outdate_all);
        assert_eq!(writes(true), [2, 1], "an operator that serves all resources is right");
    }

    #[test]
    fn a_grant_that_cannot_be_read_blocks_what_it_matches() {
        let cache = cache();
        let reason = || compiled(&cache, "a").denied.map(|problem| problem.reason);
        let any = any();
        assert_eq!(cache.on_grant(Change::Applied(grant("any", 1, any.clone()))).len(), 1);
        assert_eq!(reason(), None);

        let mut newer = any;
        newer["maxSessions"] = json!(3);
        assert_eq!(cache.on_grant(Change::Applied(grant("newer", 1, newer))).len(), 1);
        assert_eq!(reason(), Some(Reason::GrantInvalid));
        let statuses = cache.take_outdated(true);
        assert!(statuses[1].1.conditions[0].message.contains("maxSessions"), "{statuses:?}");
        let other = json!({"namespaces": {"names": ["other"]}, "roleArns": [3]});
        assert_eq!(cache.on_grant(Change::Applied(grant("newer", 2, other))).len(), 1);
        assert_eq!(reason(), None);

        let key = Key { namespace: String::new(), name: "broken".to_owned() };
        let undecodable = Change::Undecodable(key.clone(), "no metadata".to_owned());
        assert_eq!(cache.on_grant(undecodable).len(), 1);
        assert_eq!(reason(), Some(Reason::GrantInvalid));
        let rejected = |figures: &GrantFigures| figures.rejections.map(|(_, count)| count);
        let figures = cache.figures();
        let names: Vec<_> = figures.iter().map(|grant| (&*grant.name, grant.is_valid)).collect();
        assert_eq!(names, [("any", true), ("broken", false), ("newer", false)]);
        assert_eq!([rejected(&figures[0]), rejected(&figures[1])], [[0, 0, 0], [0, 0, 1]]);
        assert_eq!(cache.on_grant(Change::Removed(key, String::new())).len(), 1);
        assert_eq!(reason(), None);
        assert_eq!(cache.figures()[0].used, 1);
    }
}
