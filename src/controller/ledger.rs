//! What this process remembers of each resource between two looks at it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{CredentialStatus, RENEW_REQUESTED_AT, TemporaryCredential};
use crate::observed::Held;

/// What is remembered of one resource.
#[derive(Default)]
pub(super) struct Memory {
    /// The last status that was decided. The one in the watch may be older.
    pub(super) status: CredentialStatus,
    /// The last status that reached the API server.
    pub(super) saved: CredentialStatus,
    /// Credentials that were issued and not yet written: minted once, written when it can be.
    pub(super) held: Option<Held>,
    /// The renew request that was last tried.
    pub(super) attempted_request: Option<String>,
    /// When STS was last asked for what was missing or damaged.
    pub(super) repaired_at: Option<Timestamp>,
    /// How many times in a row the API server could not be reached.
    pub(super) unreachable: u32,
}

impl Memory {
    /// What the resource itself tells.
    fn of(resource: &TemporaryCredential) -> Self {
        let status = resource.status.clone().unwrap_or_default();
        let current = status.observed_generation == resource.metadata.generation;
        // Where something fails, what was asked for has been tried: a restart does not try it again
        // before its time.
        let attempted = resource.annotations().get(RENEW_REQUESTED_AT);
        let attempted = attempted.filter(|_| current && status.failure.is_some());
        Self {
            saved: status.clone(),
            status,
            attempted_request: attempted.cloned(),
            ..Self::default()
        }
    }
}

/// Memories by UID.
#[derive(Default)]
pub(super) struct Ledger(Mutex<HashMap<String, Memory>>);

impl Ledger {
    /// Takes out what is remembered; without a memory, the resource in the cluster is the memory.
    pub(super) fn take(&self, resource: &TemporaryCredential) -> Memory {
        let uid = resource.uid().unwrap_or_default();
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memories.remove(&uid).unwrap_or_else(|| Memory::of(resource))
    }

    /// Puts it back.
    pub(super) fn put(&self, uid: &str, memory: Memory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), memory);
    }

    /// Forgets a resource that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
