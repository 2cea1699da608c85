//! Processes the changes of the watches: updates the indexes, and requeues the resources that a change affects.

use futures::{Stream, StreamExt};
use kube::ResourceExt;
use tempcred_core::api::{StoredGrant, TemporaryCredential};

use super::grants::Affected;
use super::shared::Indexes;
use super::waker::Waker;
use crate::cluster::watch::{Change, Key, NamespaceMeta, SecretMeta, Synced};

/// Processes the changes of resources.
pub(super) async fn credentials(
    indexes: &Indexes,
    waker: &Waker,
    synced: &Synced,
    changes: impl Stream<Item = Change<TemporaryCredential>>,
) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        if let Some(key) = on_credential(indexes, synced, change) {
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
            Some(Key::of(&resource.metadata))
        }
        Change::Undecodable(key, _) => {
            indexes.references.remove(&key);
            indexes.grants.remove_usage(&key);
            None
        }
        Change::Removed(key, uid) => {
            indexes.references.remove(&key);
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
    while let Some(change) = changes.next().await {
        match change {
            Change::Applied(secret) => {
                let key = Key::of(&secret.metadata);
                wake_readers(indexes, waker, &key);
                indexes.references.writers(&key).iter().for_each(|key| waker.wake(key));
            }
            Change::Removed(key, owner) => {
                wake_readers(indexes, waker, &key);
                for writer in indexes.references.writers(&key) {
                    // A Secret of another owner prevented the write. It is gone, so the write is retried immediately.
                    let uid = waker.get(&writer).and_then(|resource| resource.uid());
                    if uid.as_deref() != Some(&owner) {
                        indexes.references.mark_changed(&writer);
                    }
                    waker.wake(&writer);
                }
            }
            // The metadata of a Secret can always be decoded.
            Change::Undecodable(..) => {}
            Change::Synced => {
                let _ = synced.set(());
            }
        }
    }
}

fn wake_readers(indexes: &Indexes, waker: &Waker, secret: &Key) {
    for reader in indexes.references.readers(secret) {
        indexes.references.mark_changed(&reader);
        waker.wake(&reader);
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

/// Processes the changes of grants.
pub(super) async fn grants(indexes: &Indexes, changes: impl Stream<Item = Change<StoredGrant>>) {
    let mut changes = std::pin::pin!(changes);
    while let Some(change) = changes.next().await {
        let syncing = !indexes.grants.synced.initialized();
        let affected = indexes.grants.on_grant(change);
        if !syncing {
            wake_affected(indexes, &affected);
        }
    }
}

/// Requeues the resources in these namespaces that need a grant.
fn wake_affected(indexes: &Indexes, affected: &Affected) {
    if affected.is_empty() {
        return;
    }
    let needs_grant = |resource: &TemporaryCredential| {
        resource.is_signed_by_operator()
            && resource.namespace().is_some_and(|namespace| affected.contains(&namespace))
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
            assert!(indexes.references.is_empty() && indexes.memories.is_empty());
            assert_eq!(indexes.grants.figures()[0].used, 0);
        }
    }
}
