//! Processes the changes of the watches: updates the indexes, and requeues the resources that a change affects.

use std::future::pending;

use futures::{Stream, StreamExt};
use tempcred_core::api::{CachedCredential, TemporaryCredential};
use tempcred_core::secret::labelled_owner;
use tokio::time::{Instant, sleep_until};

use super::debounce::Debounce;
use super::grants::Affected;
use super::shared::{Indexes, Shared};
use super::waker::Waker;
use crate::cluster::watch::{Change, Key, NamespaceMeta, SecretMeta, Synced};
use crate::planted::Bug;

/// Processes the changes of resources.
pub(super) async fn credentials(
    shared: &Shared,
    waker: &Waker,
    synced: &Synced,
    changes: impl Stream<Item = Change<TemporaryCredential>>,
) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        if let Change::Removed(key, _) | Change::Undecodable(key, _) = &change {
            shared.leave_queues(key);
        }
        if let Some(key) = on_credential(&shared.indexes, synced, change) {
            waker.wake(&key);
        }
    }
}

/// Processes one change of a resource. Returns the resource to reconcile, if there is one.
fn on_credential(
    indexes: &Indexes,
    synced: &Synced,
    change: Change<TemporaryCredential>,
) -> Option<Key> {
    match change {
        Change::Applied(resource) => {
            indexes.references.set(&resource);
            indexes.targets.set(&resource);
            Some(Key::of(&resource.metadata))
        }
        Change::Undecodable(key, _) => {
            indexes.references.remove(&key);
            indexes.targets.remove(&key);
            indexes.grants.remove_usage(&key);
            None
        }
        Change::Removed(key, uid) => {
            indexes.references.remove(&key);
            indexes.targets.remove(&key);
            indexes.grants.remove_usage(&key);
            indexes.memories.remove(&uid);
            None
        }
        Change::Synced => {
            let _ = synced.set(());
            None
        }
    }
}

/// Processes the changes of Secrets, those of tempcred or others: requeues the resources that read or write them.
pub(super) async fn secrets(
    indexes: &Indexes,
    waker: &Waker,
    synced: &Synced,
    changes: impl Stream<Item = Change<SecretMeta>>,
) {
    let mut changes = std::pin::pin!(changes);
    let mut debounce = Debounce::default();
    loop {
        let end = async {
            match debounce.next_end() {
                Some(end) => sleep_until(end).await,
                None => pending().await,
            }
        };
        let change = tokio::select! {
            change = changes.next() => change,
            () = end => {
                let changed_again = debounce.pop(Instant::now());
                changed_again.iter().for_each(|secret| wake_others(indexes, waker, secret));
                continue;
            }
        };
        let secret = match change {
            Some(Change::Applied(secret)) => {
                let key = Key::of(&secret.metadata);
                if let Some(uid) = labelled_owner(&secret.metadata) {
                    indexes.references.set_holder(key.clone(), uid);
                }
                indexes.references.holder(&key).iter().for_each(|holder| waker.wake(holder));
                key
            }
            Some(Change::Removed(..)) if Bug::IgnoresDeletedSecrets.is_planted() => continue,
            Some(Change::Removed(key, uid)) => {
                indexes.references.holder(&key).iter().for_each(|holder| waker.wake(holder));
                indexes.references.remove_holder(&key, &uid);
                key
            }
            // The metadata of a Secret can always be decoded.
            Some(Change::Undecodable(..)) => continue,
            Some(Change::Synced) => {
                let _ = synced.set(());
                continue;
            }
            None => return,
        };
        if indexes.references.is_used(&secret) && debounce.change(&secret, Instant::now()) {
            wake_others(indexes, waker, &secret);
        }
    }
}

/// Requeues the resources that read a Secret, or would write it.
fn wake_others(indexes: &Indexes, waker: &Waker, secret: &Key) {
    let holder = indexes.references.holder(secret);
    let writers = indexes.references.writers(secret).into_iter();
    for other in indexes.references.readers(secret).into_iter().chain(writers) {
        // An input changed, or a Secret of another owner that prevented the write. So the attempt is repeated
        // immediately.
        if Some(&other) != holder.as_ref() {
            indexes.references.mark_changed(&other);
        }
        waker.wake(&other);
    }
}

/// Processes the changes of namespaces in one scope.
pub(super) async fn namespaces(
    indexes: &Indexes,
    synced: &Synced,
    changes: impl Stream<Item = Change<NamespaceMeta>>,
) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        // Before the cache is synced, resources that need a grant are not reconciled.
        let syncing = !synced.initialized();
        let affected = indexes.grants.on_namespace(change, synced);
        if !syncing {
            wake_affected(indexes, &affected);
        }
    }
}

/// Requeues the resources in these namespaces that need a grant.
pub(super) fn wake_affected(indexes: &Indexes, affected: &Affected) {
    if affected.is_empty() {
        return;
    }
    let needs_grant = |resource: &CachedCredential| {
        resource.is_signed_by_operator && affected.contains(&resource.key.namespace)
    };
    for waker in indexes.wakers() {
        for key in waker.wake_all(needs_grant) {
            // A failed attempt may succeed now, so it does not back off.
            indexes.references.mark_changed(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::lease::Term;
    use serde_json::json;
    use tempcred_core::desired::Desired;
    use tempcred_core::grant::GrantName;

    #[test]
    fn a_removed_resource_is_removed_from_all_indexes_even_if_it_cannot_be_decoded() {
        for undecodable in [false, true] {
            let indexes = Indexes::new(String::new());
            let synced = Synced::default();
            let grant = json!({"metadata": {"name": "g"}});
            indexes.grants.on_grant(Change::Applied(serde_json::from_value(grant).unwrap()));
            let resource: TemporaryCredential = serde_json::from_value(json!({
                "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
                "metadata": {"name": "a", "namespace": "n", "uid": "u"},
                "spec": {
                    "assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"},
                    "identity": {"accessKeySecretRef": {"name": "key"}},
                    "restart": [{"kind": "Deployment", "name": "web"}],
                },
            }))
            .unwrap();
            let key = on_credential(&indexes, &synced, Change::Applied(resource.clone())).unwrap();
            let entry = indexes.memories.take(&resource, Term::SOLE, || true).unwrap();
            assert!(indexes.memories.put("u", entry));
            let desired =
                indexes.grants.read(|grants| Desired::compile(&resource, grants)).unwrap();
            let granted = Desired { grants: vec![GrantName::from("g")], ..desired };
            indexes.grants.set_usage(&granted);
            indexes.references.mark_changed(&key);
            assert_eq!(indexes.grants.figures()[0].used, 1);
            if undecodable {
                let change = Change::Undecodable(key.clone(), "no".to_owned());
                assert_eq!(on_credential(&indexes, &synced, change), None);
            }
            let change = Change::Removed(key, "u".to_owned());
            assert_eq!(on_credential(&indexes, &synced, change), None);
            assert!(indexes.references.is_empty() && indexes.targets.is_empty());
            assert!(indexes.memories.is_empty());
            assert_eq!(indexes.grants.figures()[0].used, 0);
        }
    }
}
