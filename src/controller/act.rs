//! Executes the plans that change something: calls STS, and writes or deletes the Secret.

use jiff::Timestamp;
use kube::runtime::controller::Action;
use tempcred_core::credentials::Credentials;
use tempcred_core::desired::{Desired, SignedRequest};
use tempcred_core::observed::{KnownSecret, PendingWrite};
use tempcred_core::plan::{Issue, Rewrite};
use tempcred_core::problem::Problem;
use tempcred_core::secret::{IssueRecord, Manifest, SecretVersion, WriteTarget};
use tempcred_core::status::Outcome;
use tracing::{Instrument, Span};

use super::audit;
use super::reconcile::{RETRY, Step};
use crate::aws::{self, CallRecord};
use crate::cluster::Failed;
use crate::cluster::watch::Key;
use crate::telemetry::traces;

impl Step<'_> {
    /// Requests credentials from STS and writes them. If the write fails, they are kept in memory.
    pub(super) async fn issue(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        issue: Issue<'_>,
    ) -> Action {
        let action = issue.request.operation.action();
        let (cause, grants) = (issue.cause.as_str(), audit::grants(desired));
        let span =
            traces::rotation(&desired.namespace, &desired.name, action, cause, grants.as_deref());
        self.issue_in_span(desired, known, issue).instrument(span).await
    }

    async fn issue_in_span(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        Issue { cause, request, deadline, target }: Issue<'_>,
    ) -> Action {
        let deadline = deadline.unwrap_or_else(Timestamp::now);
        let permit = self.scope.shared.queue.admit(deadline, request.calls());
        let Some(_permit) = permit.instrument(traces::queue()).await else {
            return Action::requeue(RETRY);
        };
        if !self.is_current() || !self.may_write(desired) {
            return Action::requeue(RETRY);
        }
        if cause.is_repair() {
            self.entry.memory.repair(Timestamp::now());
        }
        // Boxed, because this future is large, and most reconciliations do not need it.
        let issued = tokio::select! {
            issued = Box::pin(self.call_sts(desired, request)) => issued,
            // If the grant is withdrawn during a chain of roles, the next role is not assumed.
            () = self.until_revoked(desired) => return Action::requeue(RETRY),
        };
        match issued {
            Ok((credentials, calls)) => {
                self.shared().parts.metrics.issued(request.operation.action(), cause);
                audit::issued(desired, cause, &calls, &credentials);
                let pending = PendingWrite {
                    request_hash: desired.request_hash.clone(),
                    renew_request: desired.renew_request.clone(),
                    credentials,
                };
                self.write_pending(desired, known, pending, &target).await
            }
            Err(problem) => {
                traces::failed(&Span::current(), problem.reason.as_str());
                self.report(desired, &known, Outcome::Failed(problem)).await
            }
        }
    }

    /// Fetches the inputs of the request, and makes it. Returns the calls that were made too.
    async fn call_sts(
        &self,
        desired: &Desired,
        SignedRequest { caller, operation }: &SignedRequest,
    ) -> Result<(Credentials, Vec<CallRecord>), Problem> {
        let shared = self.shared();
        shared.indexes.references.check(&Key::of(&self.resource.metadata))?;
        let inputs = [caller.inputs(), operation.inputs()].concat();
        let inputs = shared.parts.cluster.inputs(&desired.namespace, inputs).await?;
        let session = shared.parts.sts.session(desired.region.as_deref())?;
        let records = session.records();
        let issued = async {
            let session = aws::sign(caller, session, &inputs).await?;
            aws::call(operation, &session, &inputs).await
        };
        match issued.await {
            Ok(credentials) => Ok((credentials, records.all())),
            Err(problem) => {
                let message = inputs.redact(&problem.message);
                Err(Problem::new(problem.reason, message).of_requests(records.request_ids()))
            }
        }
    }

    /// Returns when the grants do not allow the planned request any more.
    async fn until_revoked(&self, desired: &Desired) {
        let mut changes = self.shared().indexes.grants.changes();
        while self.is_still_granted(desired) {
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Whether the resource still has the generation of this reconciliation, and is not being deleted.
    fn is_current(&self) -> bool {
        self.scope.current(self.resource).is_some_and(|now| {
            now.metadata.generation == self.resource.metadata.generation
                && now.metadata.deletion_timestamp.is_none()
        })
    }

    fn is_still_granted(&self, desired: &Desired) -> bool {
        self.desired()
            .is_some_and(|now| now.denied.is_none() && now.request_hash == desired.request_hash)
    }

    /// Whether this process is still the leader, and the grants still allow the request. Otherwise another leader may
    /// have written newer credentials.
    fn may_write(&self, desired: &Desired) -> bool {
        self.leads() && self.is_still_granted(desired)
    }

    /// Writes issued credentials. If the write fails, they are kept in memory.
    pub(super) async fn write_pending(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        pending: PendingWrite,
        target: &WriteTarget,
    ) -> Action {
        let record = pending.record(desired);
        let written = self.write(desired, record, &pending.credentials, target).await;
        if written.is_err() {
            self.entry.memory.keep(Some(pending));
        }
        self.report_write(desired, known, written, Outcome::Succeeded).await
    }

    /// Writes the credentials of the Secret again, in the desired format.
    pub(super) async fn rewrite(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        Rewrite { record, credentials, version }: Rewrite,
    ) -> Action {
        let (record, target) = (record.reshaped(desired), WriteTarget::Existing(version));
        let written = self.write(desired, record, &credentials, &target).await;
        // The rewrite does not end the failure of a renewal.
        self.report_write(desired, known, written, Outcome::BackingOff).await
    }

    /// Deletes the Secret of a request that no grant allows.
    pub(super) async fn remove(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        version: &SecretVersion,
        problem: Problem,
    ) -> Action {
        if !self.leads() || self.desired().is_none_or(|now| now.denied.is_none()) {
            return Action::requeue(RETRY);
        }
        let (namespace, name) = (&desired.namespace, &desired.secret_name);
        let failed = match self.shared().parts.cluster.delete_secret(namespace, name, version).await
        {
            Ok(()) => {
                tracing::info!(secret = name, "removed");
                return self.report(desired, &KnownSecret::Absent, Outcome::Denied(problem)).await;
            }
            Err(Failed::Conflict) => Failed::Conflict,
            Err(Failed::Problem(failed)) => {
                let message = format!(
                    "{} The Secret could not be removed: {}",
                    problem.message, failed.message
                );
                Failed::Problem(Problem::new(failed.reason, message))
            }
        };
        self.report_write(desired, known, Err(failed), Outcome::BackingOff).await
    }

    async fn write(
        &mut self,
        desired: &Desired,
        record: IssueRecord,
        credentials: &Credentials,
        target: &WriteTarget,
    ) -> Result<KnownSecret, Failed> {
        if !self.may_write(desired) {
            return Err(Failed::Conflict);
        }
        let manifest = Manifest::render(desired, &record, credentials).only_if(target);
        let cluster = &self.scope.shared.parts.cluster;
        let resource_version = cluster.apply_secret(&desired.namespace, &manifest).await?;
        let access_key_id = credentials.access_key_id();
        tracing::info!(secret = manifest.name(), access_key_id, "written");
        self.entry.memory.written(record.clone());
        Ok(KnownSecret::Holds {
            record: Box::new(record),
            resource_version: Some(resource_version),
        })
    }

    /// Reports the result of a write: the outcome `succeeded`, or the failure with the knowledge `known` about the
    /// unchanged Secret.
    async fn report_write(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        written: Result<KnownSecret, Failed>,
        succeeded: Outcome,
    ) -> Action {
        if written.is_err() {
            self.entry.memory.not_written();
        }
        match written {
            Ok(holds) => self.report(desired, &holds, succeeded).await,
            Err(Failed::Conflict) => Action::requeue(RETRY),
            Err(Failed::Problem(problem)) => {
                self.report(desired, &known, Outcome::Failed(problem)).await
            }
        }
    }
}
