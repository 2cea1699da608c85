//! Executes the plans that change something: calls STS, and writes or deletes the Secret.

use std::time::Duration;

use jiff::Timestamp;
use tempcred_core::credentials::Credentials;
use tempcred_core::desired::{Desired, SignedRequest};
use tempcred_core::observed::{KnownSecret, PendingWrite};
use tempcred_core::plan::{Issue, Rewrite};
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::queue::{BudgetKey, Calls, Demand, Reply};
use tempcred_core::request::inputs::Inputs;
use tempcred_core::secret::{IssueRecord, Manifest, SecretVersion, WriteTarget};
use tempcred_core::status::Outcome;
use tracing::{Instrument, Span};

use super::action::Action;
use super::audit;
use super::queue::TakenTurn;
use super::reconcile::{MayIssue, RETRY, Step, requeue_at};
use crate::aws::{self, CallRecords};
use crate::cluster::Failed;
use crate::planted;
use crate::telemetry::traces;

/// A wait for a turn after which the status is updated, if it would otherwise be wrong.
const NOTICEABLE_WAIT: Duration = Duration::from_secs(5);

impl Step<'_> {
    /// Whether the calls of a request may be made now. The inputs are fetched first: a resource whose inputs are missing
    /// takes no turn. They are not kept while the resource waits, and are fetched again in its turn.
    ///
    /// # Errors
    /// The problem with the references to other Secrets, or with the inputs.
    pub(super) async fn may_issue(
        &mut self,
        desired: &Desired,
        issue: &Issue<'_>,
    ) -> Result<MayIssue, Problem> {
        self.shared().indexes.references.check(self.key)?;
        let own_region = self.shared().parts.sts.regions().own();
        let demand = Demand {
            due: planted::urgency(issue.due),
            budget: BudgetKey::of(desired, issue.request, own_region),
            calls: issue.request.calls(),
            refused: issue.refused,
        };
        let queue = &self.scope.shared.queue;
        if self.turn.is_none()
            && let Some(waited) = queue.wait_on(self.key, &demand)
        {
            return Ok(MayIssue::After(waited));
        }
        let inputs = self.inputs(desired, issue.request).await?;
        if self.turn.is_none() {
            match queue.begin(self.key, demand) {
                Ok(turn) => self.turn = Some(turn),
                Err(waited) => return Ok(MayIssue::After(waited)),
            }
            self.slot = None;
        }
        Ok(MayIssue::Now(inputs))
    }

    async fn inputs(&self, desired: &Desired, request: &SignedRequest) -> Result<Inputs, Problem> {
        let inputs = [request.caller.inputs(), request.operation.inputs()].concat();
        self.shared().parts.cluster.inputs(&desired.namespace, inputs).await
    }

    /// Waits in the queue for turns at STS. When the turn comes, the resource is requeued.
    pub(super) async fn wait_for_turn(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        issue: &Issue<'_>,
        waited: Duration,
    ) -> Action {
        let says_ready = self.entry.saved.readiness().is_some_and(|ready| ready.ready);
        if says_ready && waited >= NOTICEABLE_WAIT {
            // The credentials may expire, or stop matching the spec, before the turn comes.
            self.report(desired, known, Outcome::BackingOff).await;
        }
        let now = Timestamp::now();
        let soon = waited < NOTICEABLE_WAIT || self.entry.unreachable > 0;
        let again = if soon { now + NOTICEABLE_WAIT } else { issue.due };
        requeue_at(Some(again).filter(|at| *at > now), now)
    }

    /// Requests credentials from STS and writes them. If the write fails, they are kept in memory.
    pub(super) async fn issue(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        issue: Issue<'_>,
        inputs: Inputs,
    ) -> Action {
        let action = issue.request.operation.action();
        let waited = self.turn.as_ref().map_or(0.0, TakenTurn::waited);
        let (cause, grants) = (issue.cause.as_str(), audit::grants(desired));
        let (namespace, name) = (&desired.namespace, &desired.name);
        let span = traces::rotation(namespace, name, action, cause, grants.as_deref(), waited);
        self.issue_in_span(desired, known, issue, inputs).instrument(span).await
    }

    async fn issue_in_span(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        Issue { cause, request, target, .. }: Issue<'_>,
        inputs: Inputs,
    ) -> Action {
        if !self.is_current() || !self.may_write(desired) {
            return Action::requeue(RETRY);
        }
        let begin = Timestamp::now();
        let records = CallRecords::default();
        // Boxed, because this future is large, and most reconciliations do not need it.
        let issued = tokio::select! {
            issued = Box::pin(self.call_sts(desired, request, &inputs, &records)) => Some(issued),
            // If the grant is withdrawn during a chain of roles, the next role is not assumed.
            () = self.until_revoked(desired) => None,
        };
        let calls = records.all();
        if !calls.is_empty() {
            self.entry.memory.called(begin);
        }
        if let Some(turn) = &mut self.turn {
            let made = u32::try_from(calls.len()).unwrap_or(u32::MAX);
            turn.calls = Calls { made, reply: Reply::of(issued.as_ref()) };
        }
        let Some(issued) = issued else {
            audit::outdated(desired, &calls);
            return Action::requeue(RETRY);
        };
        match issued {
            Ok(credentials) => {
                planted::log_values(&credentials);
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

    /// Makes the request, and records the calls that are made.
    async fn call_sts(
        &self,
        desired: &Desired,
        SignedRequest { caller, operation }: &SignedRequest,
        inputs: &Inputs,
        records: &CallRecords,
    ) -> Result<Credentials, Problem> {
        let shared = self.shared();
        let session = shared.parts.sts.session(desired.region.as_deref(), records.clone())?;
        let issued = async {
            let session = aws::sign(caller, session, inputs).await?;
            aws::call(operation, &session, inputs).await
        };
        issued.await.map_err(|problem| {
            let message = inputs.redact(&problem.message);
            Problem::new(problem.reason, message).of_requests(records.request_ids())
        })
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
        self.scope.current(self.resource).is_some_and(|now| now.is_current(self.resource))
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
        if written.is_err() && !planted::forgets_credentials() {
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
        match self.shared().parts.cluster.delete_secret(namespace, name, version).await {
            Ok(()) => {
                tracing::info!(secret = name, "removed");
                self.report(desired, &KnownSecret::Absent, Outcome::Denied(problem)).await
            }
            Err(failed) => self.could_not_remove(desired, known, &problem, failed).await,
        }
    }

    /// Reports that the Secret of a request that no grant allows could not be removed.
    pub(super) async fn could_not_remove(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        denial: &Problem,
        failed: Failed,
    ) -> Action {
        let failed = match failed {
            Failed::Conflict => Failed::Conflict,
            Failed::Problem(failed) => {
                // Only failures about the Secret back off while the resource is denied.
                let reason = match failed.reason {
                    Reason::ClusterRefused => Reason::SecretRejected,
                    other => other,
                };
                let (why, failure) = (&denial.message, failed.message);
                let message = format!("{why} The Secret could not be removed: {failure}");
                Failed::Problem(Problem::new(reason, message))
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
        let mut manifest = Manifest::render(desired, &record, credentials)
            .map_err(|invalid| Problem::new(Reason::InvalidSpec, invalid.to_string()))
            .map_err(Failed::Problem)?;
        if !planted::ignores_ownership() {
            manifest = manifest.only_if(target);
        }
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
        planted::die_of(matches!(written, Err(Failed::Conflict)));
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
