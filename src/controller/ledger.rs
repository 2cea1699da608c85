//! What this process remembers of each resource between two looks at it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::{CredentialStatus, TemporaryCredential};
use crate::leader::Term;
use crate::observed::{Held, Past};
use crate::secret::Facts;

/// What is remembered of one resource.
pub(super) struct Memory {
    /// When this was begun: in a later term somebody else may have done more.
    term: Term,
    /// Whether the watch is known to be no longer behind what others wrote last, as the Secret was read from
    /// the API server, or written, in this term and since the last conflict.
    pub(super) verified: bool,
    /// What the Secret was last written with, or believed to say.
    pub(super) facts: Option<Facts>,
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
    fn of(resource: &TemporaryCredential, term: Term) -> Self {
        let status = resource.status.clone().unwrap_or_default();
        let current = status.observed_generation == resource.metadata.generation;
        // Where something fails, what was asked for has been tried: a restart does not try it again
        // before its time.
        let attempted = resource.renew_request().filter(|_| current && status.failure.is_some());
        Self {
            term,
            verified: term.is_sole(),
            facts: None,
            saved: status.clone(),
            status,
            held: None,
            attempted_request: attempted,
            repaired_at: None,
            unreachable: 0,
        }
    }

    /// What is remembered of the credentials in the Secret.
    pub(super) fn past(&self) -> Past<'_> {
        Past {
            facts: self.facts.as_ref(),
            certain: self.verified,
            held: self.held.as_ref(),
            status: &self.status,
        }
    }
}

/// Memories by UID.
#[derive(Default)]
pub(super) struct Ledger(Mutex<HashMap<String, Memory>>);

impl Ledger {
    /// Takes out what is remembered; without a memory of this term, the resource in the cluster is the
    /// memory, but for credentials that were issued and not yet written.
    pub(super) fn take(&self, resource: &TemporaryCredential, term: Term) -> Memory {
        let uid = resource.uid().unwrap_or_default();
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match memories.remove(&uid) {
            Some(memory) if memory.term == term => memory,
            former => {
                Memory { held: former.and_then(|former| former.held), ..Memory::of(resource, term) }
            }
        }
    }

    /// Lets go of what is held for a resource that another leader has looked after since.
    pub(super) fn let_go(&self, resource: &TemporaryCredential) {
        let uid = resource.uid().unwrap_or_default();
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let issued_at = resource.status.as_ref().and_then(|status| status.issued_at.as_ref());
        let outdated = |held: &Held| {
            held.minted.expiration <= Timestamp::now()
                || issued_at.is_some_and(|at| at.0 > held.minted.issued_at)
        };
        if let Some(memory) = memories.get_mut(&uid)
            && memory.held.as_ref().is_some_and(outdated)
        {
            memory.held = None;
        }
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
