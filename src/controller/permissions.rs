//! The grants as the watches tell of them: wakes the resources for which something changed, and keeps
//! what is to be said in the status of each grant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError, RwLock};

use futures::channel::mpsc;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::watcher::{self, Event};
use tokio::sync::Notify;

use crate::api::GrantStatus;
use crate::cluster::watch::{GrantGuard, Listed, NamespaceMeta};
use crate::desired::Desired;
use crate::grant::{Grants, Name, Roll, status};

/// Namespaces for which something may be granted that was not, or the other way round.
pub(super) type Affected = BTreeSet<String>;

/// Who may use the operator's identity by now.
pub(super) struct Permissions {
    grants: RwLock<Grants>,
    roll: Mutex<Roll>,
    /// Set once every grant has been seen.
    pub(super) listed: Listed,
    /// Set once every watch has seen everything: before, counts would be too low.
    pub(super) complete: Listed,
    listeners: Mutex<Vec<mpsc::UnboundedSender<Affected>>>,
    statuses: Mutex<HashMap<String, GrantStatus>>,
    /// Grants whose status may no longer be true, and whether that is as they serve others than before.
    outdated: Mutex<BTreeMap<Name, bool>>,
    /// Tells of new ones.
    pub(super) outdating: Notify,
}

impl Permissions {
    /// None yet, in a cluster of this name.
    pub(super) fn new(cluster: String) -> Self {
        Self {
            grants: RwLock::new(Grants::new(cluster)),
            roll: Mutex::default(),
            listed: Listed::default(),
            complete: Listed::default(),
            listeners: Mutex::default(),
            statuses: Mutex::default(),
            outdated: Mutex::default(),
            outdating: Notify::new(),
        }
    }

    /// Reads the grants.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Grants) -> T) -> T {
        read(&self.grants.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Grants) -> T) -> T {
        change(&mut self.grants.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of changes from now on.
    pub(super) fn listen(&self) -> mpsc::UnboundedReceiver<Affected> {
        let (sender, receiver) = mpsc::unbounded();
        let mut listeners = lock(&self.listeners);
        // Those who waited only for one thing to be done.
        listeners.retain(|to| !to.is_closed());
        listeners.push(sender);
        drop(listeners);
        receiver
    }

    fn tell(&self, affected: Affected) {
        if !affected.is_empty() {
            // Nobody listens any more only while the operator ends.
            lock(&self.listeners).retain(|to| to.unbounded_send(affected.clone()).is_ok());
        }
    }

    /// Notes which grants serve a resource.
    pub(super) fn serves(&self, desired: &Desired) {
        self.note(&desired.namespace, &desired.name, &desired.granted_by);
    }

    /// Forgets a resource that is gone.
    pub(super) fn forget(&self, namespace: &str, name: &str) {
        self.note(namespace, name, &[]);
    }

    fn note(&self, namespace: &str, name: &str, grants: &[Name]) {
        let changed = lock(&self.roll).note(namespace, name, grants);
        self.outdate(changed.into_iter().map(|name| (name, true)));
    }

    fn outdate(&self, names: impl Iterator<Item = (Name, bool)>) {
        let mut outdated = lock(&self.outdated);
        for (name, serves_others) in names {
            *outdated.entry(name).or_default() |= serves_others;
            self.outdating.notify_one();
        }
    }

    /// Every watch has seen everything.
    pub(super) fn complete(&self) {
        let _ = self.complete.set(());
        self.outdate_all();
    }

    /// Holds the status of every grant for outdated: another leader, or an operator that was told something
    /// else, may have written it.
    pub(super) fn outdate_all(&self) {
        let names = self.read(|grants| grants.names().cloned().collect::<Vec<_>>());
        self.outdate(names.into_iter().map(|name| (name, false)));
    }

    /// The statuses that are to be written. An operator that serves only some namespaces leaves the
    /// grants for others alone.
    pub(super) fn take_outdated(&self, serves_all: bool) -> Vec<(Name, GrantStatus)> {
        let outdated = std::mem::take(&mut *lock(&self.outdated));
        let (roll, statuses) = (lock(&self.roll), lock(&self.statuses));
        self.read(|grants| {
            let ours = |(name, serves_others): &(Name, bool)| {
                serves_all || *serves_others || grants.is_for_any(name)
            };
            let next = |name: Name| {
                let before = statuses.get(&*name)?;
                let state = grants.state(&name)?;
                let next = status(state, roll.count(&name), before, Timestamp::now());
                (next != *before).then_some((name, next))
            };
            outdated.into_iter().filter(ours).filter_map(|(name, _)| next(name)).collect()
        })
    }

    /// Holds the status of a grant for outdated, as it could not be written.
    pub(super) fn not_written(&self, name: Name) {
        lock(&self.outdated).insert(name, true);
    }

    /// Takes note of a grant; of one that cannot be read, that it allows nothing.
    fn set_grant(&self, guard: &GrantGuard) -> Affected {
        match &guard.0 {
            Ok(grant) => {
                let name = grant.name_any();
                lock(&self.statuses).insert(name.clone(), grant.status.clone().unwrap_or_default());
                let observed = grant.status.as_ref().and_then(|status| status.observed_generation);
                if observed != grant.metadata.generation {
                    self.outdate([(Name::from(name), false)].into_iter());
                }
                self.change(|grants| grants.set(grant))
            }
            Err(invalid) => {
                let (name, error) = (guard.name_any(), &invalid.error);
                tracing::warn!(name, error, "this RoleGrant cannot be read and allows nothing");
                self.remove_grant(&name)
            }
        }
    }

    fn remove_grant(&self, name: &str) -> Affected {
        lock(&self.statuses).remove(name);
        self.change(|grants| grants.remove(name))
    }

    /// Follows the grants, for ever.
    pub(super) async fn follow_grants(
        &self,
        events: impl Stream<Item = watcher::Result<Event<GrantGuard>>>,
    ) {
        let (mut seen, mut affected) = (BTreeSet::new(), Affected::new());
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => seen.clear(),
                Ok(Event::InitApply(grant)) => {
                    affected.extend(self.set_grant(&grant));
                    seen.insert(grant.name_any());
                }
                Ok(Event::InitDone) => {
                    lock(&self.statuses).retain(|name, _| seen.contains(name));
                    affected.extend(self.change(|grants| grants.retain(&seen)));
                    // After the first list everything is looked at anyway, each thing in its time.
                    if self.listed.set(()).is_err() {
                        self.tell(std::mem::take(&mut affected));
                    }
                    affected.clear();
                }
                Ok(Event::Apply(grant)) => self.tell(self.set_grant(&grant)),
                Ok(Event::Delete(grant)) => self.tell(self.remove_grant(&grant.name_any())),
                Err(error) => {
                    tracing::warn!(%error, "the watch of RoleGrants failed and is tried again");
                }
            }
        }
    }

    /// Follows the namespaces, for ever; sets `listed` once all have been seen.
    pub(super) async fn follow_namespaces(
        &self,
        events: impl Stream<Item = watcher::Result<Event<NamespaceMeta>>>,
        listed: &Listed,
    ) {
        let (mut known, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut affected = Affected::new();
        let set = |namespace: &NamespaceMeta| {
            let name = namespace.name_any();
            let changed = self.change(|grants| grants.set_namespace(&name, namespace.labels()));
            (name.clone(), changed.then_some(name))
        };
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => seen.clear(),
                Ok(Event::InitApply(namespace)) => {
                    let (name, changed) = set(&namespace);
                    seen.insert(name);
                    affected.extend(changed);
                }
                Ok(Event::InitDone) => {
                    for gone in known.difference(&seen) {
                        self.change(|grants| grants.remove_namespace(gone));
                    }
                    known.clone_from(&seen);
                    if listed.set(()).is_err() {
                        self.tell(std::mem::take(&mut affected));
                    }
                    affected.clear();
                }
                Ok(Event::Apply(namespace)) => {
                    let (name, changed) = set(&namespace);
                    known.insert(name);
                    self.tell(changed.into_iter().collect());
                }
                Ok(Event::Delete(namespace)) => {
                    let name = namespace.name_any();
                    self.change(|grants| grants.remove_namespace(&name));
                    known.remove(&name);
                }
                Err(error) => {
                    tracing::warn!(%error, "the watch of Namespaces failed and is tried again");
                }
            }
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::tests::resource;
    use serde_json::{Value, json};

    fn guard(spec: Value) -> GrantGuard {
        serde_json::from_value(json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
            "metadata": {"name": "any", "generation": 1}, "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn a_grant_that_cannot_be_read_any_more_allows_nothing() {
        let permissions = Permissions::new(String::new());
        permissions.change(|grants| grants.set_namespace("analytics", &BTreeMap::new()));
        let good = json!({
            "namespaces": {"names": ["*"]}, "roleArns": ["arn:aws:iam::123456789012:role/*"],
        });
        let is_denied = || {
            let of = |grants: &Grants| Desired::compile(&resource(json!({})), grants);
            permissions.read(of).unwrap().denied.is_some()
        };
        assert_eq!(permissions.set_grant(&guard(good)).len(), 1);
        assert!(!is_denied());
        let unknown = json!({"namespaces": "all of them", "roleArns": []});
        assert_eq!(permissions.set_grant(&guard(unknown)).len(), 1);
        assert!(is_denied());
    }
}
