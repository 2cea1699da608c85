//! What this process remembers of one resource from one reconciliation to the next.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::read::Remembered;
use super::secret::{Observed, PendingWrite, ReadSecret, SecretView};
use crate::api::{CredentialStatus, TemporaryCredential};
use crate::desired::Desired;
use crate::secret::IssueRecord;

/// What this process remembers of one resource.
#[cfg_attr(test, derive(Clone))]
pub struct Memory {
    verified: bool,
    record: Option<IssueRecord>,
    status: CredentialStatus,
    pending: Option<PendingWrite>,
    attempted_request: Option<String>,
    inputs_changed: bool,
    repaired_at: Option<Timestamp>,
}

impl Memory {
    /// What the resource itself says, at the beginning of a term of leadership.
    ///
    /// `sole` says that no other process ever leads: then the watch cannot be behind the writes of another one.
    pub fn of(resource: &TemporaryCredential, sole: bool) -> Self {
        let status = resource.status.clone().unwrap_or_default();
        let current = status.observed_generation == resource.metadata.generation;
        // A request that is failing has been tried: a restart does not try it again before its time.
        let attempted = resource.renew_request().filter(|_| current && status.failure.is_some());
        Self {
            verified: sole,
            record: None,
            status,
            pending: None,
            attempted_request: attempted,
            inputs_changed: false,
            repaired_at: None,
        }
    }

    /// The same, with credentials that are not written yet from an earlier term.
    pub fn with_pending(self, pending: Option<PendingWrite>) -> Self {
        Self { pending, ..self }
    }

    /// The last status that was computed, whether or not its write succeeded.
    pub fn status(&self) -> &CredentialStatus {
        &self.status
    }

    /// Takes out the credentials that are not written yet.
    pub fn take_pending(&mut self) -> Option<PendingWrite> {
        self.pending.take()
    }

    /// Credentials that are not written yet.
    pub fn pending(&self) -> Option<&PendingWrite> {
        self.pending.as_ref()
    }

    /// The Secret with this metadata, as the watch knows it.
    pub fn watched(&self, desired: &Desired, metadata: Option<&ObjectMeta>) -> SecretView {
        let secret = self.remembered().watched(desired, metadata);
        SecretView::Watched(secret)
    }

    /// The Secret, as it was read from the API server.
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

    /// Everything to make a plan from. Takes the pending credentials out: [`keep`](Self::keep) puts them back.
    pub fn observed(&mut self, secret: SecretView) -> Observed<'_> {
        Observed {
            secret,
            verified: self.verified,
            record: self.record.as_ref(),
            status: &self.status,
            pending: self.pending.take(),
            attempted_request: self.attempted_request.as_deref(),
            inputs_changed: self.inputs_changed,
            repaired_at: self.repaired_at,
        }
    }

    /// Keeps credentials that are not written yet.
    pub fn keep(&mut self, pending: Option<PendingWrite>) {
        self.pending = pending;
    }

    /// Drops pending credentials that have expired, or that are older than `issued_at` in the status of
    /// another leader.
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

    /// An input of the request changed: what failed may succeed now.
    pub fn inputs_changed(&mut self) {
        self.inputs_changed = true;
    }

    /// An attempt begins: from now on, its failure decides when the next one is made.
    pub fn attempt(&mut self, desired: &Desired) {
        self.attempted_request.clone_from(&desired.renew_request);
        self.inputs_changed = false;
    }

    /// STS is asked to replace a missing or damaged Secret.
    pub fn repair(&mut self, now: Timestamp) {
        // The first issue of a resource is not a repair.
        if self.status.issued_at.is_some() {
            self.repaired_at = Some(now);
        }
    }

    /// When this process last asked STS to replace a missing or damaged Secret.
    pub fn repaired_at(&self) -> Option<Timestamp> {
        self.repaired_at
    }

    /// The Secret was written.
    pub fn written(&mut self, record: IssueRecord) {
        self.verified = true;
        self.record = Some(record);
    }

    /// A write of the Secret did not succeed. The watch may be behind the write that caused a conflict, or behind this
    /// write, if only its reply was lost.
    pub fn not_written(&mut self) {
        self.verified = false;
    }

    /// A status was computed.
    pub fn set_status(&mut self, status: CredentialStatus) {
        self.status = status;
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
