//! The memory of this process about one resource, which is kept between reconciliations.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::read::Remembered;
use super::secret::{Observed, PendingWrite, ReadSecret, SecretView, WatchedSecret};
use crate::api::{CredentialStatus, TemporaryCredential};
use crate::desired::Desired;
use crate::secret::IssueRecord;

/// What this process remembers of one resource.
#[cfg_attr(test, derive(Clone))]
pub struct Memory {
    verified: bool,
    record: Option<IssueRecord>,
    status: Arc<CredentialStatus>,
    pending: Option<PendingWrite>,
    attempted_request: Option<String>,
    inputs_changed: bool,
    called_at: Option<Timestamp>,
}

impl Memory {
    /// The memory at the beginning of a leadership term, from the status of the resource. The watch is not verified: its
    /// first list may be older than the writes of an earlier term or process, if an API server is behind.
    pub fn of(resource: &TemporaryCredential) -> Self {
        let status = resource.status.clone().unwrap_or_default();
        let current = status.observed_generation == resource.metadata.generation;
        // A renewal request whose attempt failed was already tried: a restart does not retry it before its next
        // attempt.
        let attempted = resource.renew_request().filter(|_| current && status.failure.is_some());
        Self {
            verified: false,
            record: None,
            status: Arc::new(status),
            pending: None,
            attempted_request: attempted,
            inputs_changed: false,
            called_at: None,
        }
    }

    /// Adds credentials of an earlier term that are not written yet.
    pub fn with_pending(self, pending: Option<PendingWrite>) -> Self {
        Self { pending, ..self }
    }

    /// The last computed status, whether or not its write succeeded.
    pub fn status(&self) -> &Arc<CredentialStatus> {
        &self.status
    }

    /// Removes and returns the credentials that are not written yet.
    pub fn take_pending(&mut self) -> Option<PendingWrite> {
        self.pending.take()
    }

    /// The credentials that are not written yet.
    #[cfg(test)]
    pub(crate) fn pending(&self) -> Option<&PendingWrite> {
        self.pending.as_ref()
    }

    /// The view of a watched Secret with this metadata. `exists` says whether the watches show any Secret of the name,
    /// with or without tempcred's label.
    pub fn watched(
        &self,
        desired: &Desired,
        metadata: Option<&ObjectMeta>,
        exists: bool,
    ) -> SecretView {
        SecretView::Watched(match metadata {
            Some(metadata) => self.remembered().watched(desired, metadata),
            None if exists => WatchedSecret::Unknown,
            None => WatchedSecret::Absent,
        })
    }

    /// The view of a Secret that was read from the API server. Remembers its record.
    pub fn read(
        &mut self,
        desired: &Desired,
        secret: Option<Secret>,
        now: Timestamp,
    ) -> SecretView {
        let secret = self.remembered().read(desired, secret, now);
        self.verified = true;
        if let ReadSecret::Owned(owned) = &secret
            && let Some(record) = owned.intact_record()
        {
            self.record = Some(record.clone());
        }
        SecretView::Read(secret)
    }

    /// The inputs of a plan. Removes the pending credentials; [`keep`](Self::keep) restores them.
    pub fn observed(&mut self, secret: SecretView) -> Observed<'_> {
        Observed {
            secret,
            verified: self.verified,
            record: self.record.as_ref(),
            status: &self.status,
            pending: self.pending.take(),
            attempted_request: self.attempted_request.as_deref(),
            inputs_changed: self.inputs_changed,
            called_at: self.called_at,
        }
    }

    /// Keeps credentials that are not written yet.
    pub fn keep(&mut self, pending: Option<PendingWrite>) {
        self.pending = pending;
    }

    /// Drops pending credentials that have expired, or that are older than `issuedAt` in a status that another leader
    /// wrote.
    pub fn drop_outdated(&mut self, status: Option<&CredentialStatus>, now: Timestamp) {
        let issued_at = status.and_then(|status| status.issued_at.as_ref());
        let outdated = |pending: &PendingWrite| {
            let credentials = &pending.credentials;
            credentials.expiration <= now
                || issued_at.is_some_and(|at| at.0 > credentials.issued_at)
        };
        if self.pending.as_ref().is_some_and(outdated) {
            self.pending = None;
        }
    }

    /// Records that an input of the request changed: the next attempt does not back off.
    pub fn inputs_changed(&mut self) {
        self.inputs_changed = true;
    }

    /// Records that an attempt begins. If it fails, the failure decides when the next attempt is made.
    pub fn attempt(&mut self, desired: &Desired) {
        self.attempted_request.clone_from(&desired.renew_request);
        self.inputs_changed = false;
    }

    /// Records that credentials are requested from STS.
    pub fn called(&mut self, now: Timestamp) {
        self.called_at = Some(now);
    }

    /// When this process last requested credentials from STS.
    pub fn called_at(&self) -> Option<Timestamp> {
        self.called_at
    }

    /// Records that the Secret was written.
    pub fn written(&mut self, record: IssueRecord) {
        self.verified = true;
        self.record = Some(record);
    }

    /// A write of the Secret did not succeed. The watch may be behind the write that caused a conflict, or behind this
    /// write, if only its reply was lost.
    pub fn not_written(&mut self) {
        self.verified = false;
    }

    /// Stores a computed status.
    pub fn set_status(&mut self, status: impl Into<Arc<CredentialStatus>>) {
        self.status = status.into();
    }

    fn remembered(&self) -> Remembered<'_> {
        Remembered {
            record: self.record.as_ref(),
            verified: self.verified,
            pending: self.pending.as_ref(),
            status: &self.status,
        }
    }
}
