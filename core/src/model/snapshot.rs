//! Values that many states share, compared by a hash that is computed once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::secret::StoredSecret;
use crate::api::CredentialStatus;
use crate::observed::{Memory, PendingWrite, SecretView, WatchedSecret};

/// A shared value, and its hash.
pub(super) struct Snapshot<T> {
    value: Arc<T>,
    hash: u64,
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), hash: self.hash }
    }
}

impl<T> Deref for Snapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> PartialEq for Snapshot<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl<T> Hash for Snapshot<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl<T> Snapshot<T> {
    fn new(value: T, hash: impl FnOnce(&T, &mut DefaultHasher)) -> Self {
        let mut hasher = DefaultHasher::new();
        hash(&value, &mut hasher);
        Self { value: Arc::new(value), hash: hasher.finish() }
    }
}

impl Snapshot<StoredSecret> {
    pub(super) fn secret(secret: StoredSecret) -> Self {
        Self::new(secret, |secret, hasher| {
            let metadata = &secret.secret.metadata;
            (&metadata.uid, &metadata.resource_version, &metadata.labels).hash(hasher);
            (&metadata.annotations, secret.number, secret.is_edited()).hash(hasher);
            secret.secret.data.iter().flatten().for_each(|(_, value)| value.0.hash(hasher));
        })
    }
}

impl Snapshot<CredentialStatus> {
    /// A status as the API server has it, with times in whole seconds. Messages and transition times decide
    /// nothing, so they do not tell two states apart.
    pub(super) fn status(status: CredentialStatus) -> Self {
        Self::new(status, |status, hasher| hash_status(status, |time| time.0.as_second(), hasher))
    }
}

impl Snapshot<PendingWrite> {
    pub(super) fn pending(pending: PendingWrite) -> Self {
        Self::new(pending, hash_pending)
    }
}

impl Snapshot<Memory> {
    pub(super) fn memory(memory: Memory) -> Self {
        Self::new(memory, |memory, hasher| {
            let mut copy = memory.clone();
            let observed = copy.observed(SecretView::Watched(WatchedSecret::Unknown));
            hash_status(observed.status, |time| time.0, hasher);
            if let Some(record) = observed.record {
                record.annotations().hash(hasher);
            }
            if let Some(pending) = &observed.pending {
                hash_pending(pending, hasher);
            }
            (observed.verified, observed.attempted_request).hash(hasher);
            (observed.inputs_changed, observed.called_at).hash(hasher);
        })
    }
}

fn hash_pending(pending: &PendingWrite, hasher: &mut DefaultHasher) {
    (&pending.request_hash, &pending.renew_request).hash(hasher);
    pending.credentials.access_key_id().hash(hasher);
}

fn hash_status<T: Hash>(
    status: &CredentialStatus,
    time: impl Fn(&Time) -> T,
    hasher: &mut DefaultHasher,
) {
    (status.observed_generation, &status.last_renew_request, &status.access_key_id).hash(hasher);
    let times = [&status.issued_at, &status.expiration, &status.renewal_time];
    times.map(|at| at.as_ref().map(&time)).hash(hasher);
    if let Some(secret) = &status.secret {
        (&secret.name, &secret.resource_version).hash(hasher);
    }
    if let Some(failure) = &status.failure {
        (&failure.reason, failure.count).hash(hasher);
        (time(&failure.since), time(&failure.next_attempt)).hash(hasher);
    }
    for condition in &status.conditions {
        (&condition.type_, &condition.status, &condition.reason).hash(hasher);
    }
}
