//! What this process remembers of each resource between two looks at it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::api::CredentialStatus;
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
    /// How many times in a row the API server could not be reached.
    pub(super) unreachable: u32,
}

/// Memories by UID.
#[derive(Default)]
pub(super) struct Ledger(Mutex<HashMap<String, Memory>>);

impl Ledger {
    /// Takes out what is remembered; without a memory, the status in the cluster is the memory.
    pub(super) fn take(&self, uid: &str, status: Option<&CredentialStatus>) -> Memory {
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memories.remove(uid).unwrap_or_else(|| Memory {
            status: status.cloned().unwrap_or_default(),
            saved: status.cloned().unwrap_or_default(),
            ..Memory::default()
        })
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
