//! What a look at a resource does: asks STS, and writes the Secret.

use futures::StreamExt;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tracing::{Instrument, Span};

use super::reconcile::{LOOK_AGAIN, Step, known};
use crate::cluster::Failed;
use crate::desired::Desired;
use crate::failure::Problem;
use crate::identity::Caller;
use crate::minted::Minted;
use crate::observed::{Content, Held, SecretState};
use crate::operation::Operation;
use crate::plan::Why;
use crate::secret::{Facts, Manifest};
use crate::status::{Attempt, Known};
use crate::traces;

impl Step<'_> {
    /// Asks STS for new credentials, keeps them in memory, and writes them.
    pub(super) async fn rotate(self, desired: &Desired, secret: SecretState, why: Why) -> Action {
        let (Ok(operation), Ok(caller)) = (&desired.operation, &desired.caller) else {
            return Action::requeue(LOOK_AGAIN);
        };
        let span = traces::rotation(desired, operation.action(), why);
        self.issue(desired, (caller, operation), secret, why).instrument(span).await
    }

    async fn issue(
        self,
        desired: &Desired,
        (caller, operation): (&Caller, &Operation),
        secret: SecretState,
        why: Why,
    ) -> Action {
        let calls = caller.calls() + operation.calls();
        let operator = &self.scope.operator;
        let deadline = expiration(&secret).unwrap_or_else(Timestamp::now);
        let turn = operator.gate.admit(deadline, calls).instrument(traces::queue());
        let Some(_turn) = turn.await else {
            return Action::requeue(LOOK_AGAIN);
        };
        if !self.leads() || self.is_outdated() || !self.is_still_granted(desired) {
            return Action::requeue(LOOK_AGAIN);
        }
        let had_some = self.memory.status.issued_at.is_some();
        if had_some && matches!(why, Why::Missing | Why::Damaged) {
            self.memory.repaired_at = Some(Timestamp::now());
        }
        // Boxed: most of a reconciliation's size is this call, and most never make it.
        let minted = tokio::select! {
            minted = Box::pin(self.mint(desired, caller, operation)) => minted,
            // Of a chain of roles, the next one is not assumed any more.
            () = self.until_no_longer_granted(desired) => return Action::requeue(LOOK_AGAIN),
        };
        match minted {
            Ok(minted) => {
                operator.parts.metrics.issued(operation.action(), why);
                let trace_id = traces::id();
                tracing::info!(?why, principal = minted.principal_arn, expiration = %minted.expiration, trace_id, "issued");
                self.memory.held =
                    Some(Held { request_hash: desired.request_hash.clone(), minted });
                self.write_held(desired, &secret).await
            }
            Err(problem) => {
                traces::failed(&Span::current(), problem.reason);
                self.settle(desired, known(desired, &secret), Attempt::Failed(problem)).await
            }
        }
    }

    /// Fetches what the request is made with, and asks STS.
    async fn mint(
        &self,
        desired: &Desired,
        caller: &Caller,
        operation: &Operation,
    ) -> Result<Minted, Problem> {
        let operator = &self.scope.operator;
        operator.references.check(&desired.namespace, &desired.name)?;
        let sources = [caller.sources(), operation.sources()].concat();
        let materials = operator.parts.cluster.materials(&desired.namespace, sources).await?;
        let session = operator.parts.sts.session(desired.region.as_deref())?;
        let minted = async {
            let session = caller.sign(session, &materials).await?;
            operation.call(&session, &materials).await
        };
        let hide =
            |problem: Problem| Problem::new(problem.reason, materials.hide(&problem.message));
        minted.await.map_err(hide)
    }

    /// Returns once the grants are no longer what they were when it was decided what to do.
    async fn until_no_longer_granted(&self, desired: &Desired) {
        let mut changes = self.scope.operator.permissions.listen();
        while self.is_still_granted(desired) {
            if changes.next().await.is_none() {
                return std::future::pending().await;
            }
        }
    }

    /// Whether the resource changed or went away while it waited for its turn.
    fn is_outdated(&self) -> bool {
        let now = self.scope.credentials.get(&ObjectRef::from_obj(self.resource));
        now.is_none_or(|now| {
            now.uid() != self.resource.uid()
                || now.meta().generation != self.resource.meta().generation
                || now.meta().deletion_timestamp.is_some()
        })
    }

    /// Writes credentials that were issued and are held.
    pub(super) async fn write_held(mut self, desired: &Desired, secret: &SecretState) -> Action {
        let Some(mut held) = self.memory.held.take() else {
            return Action::requeue(LOOK_AGAIN);
        };
        // On the Secret itself: if the status is lost, the request is not served again.
        held.minted.renew_request.clone_from(&desired.renew_request);
        match self.write(desired, secret, &held.request_hash, &held.minted).await {
            Ok(known) => self.settle(desired, known, Attempt::Well).await,
            Err(failed) => {
                self.memory.held = Some(held);
                self.could_not_write(desired, secret, failed).await
            }
        }
    }

    /// Writes anew what the Secret holds, in the shape that is wanted.
    pub(super) async fn rewrite(mut self, desired: &Desired, secret: SecretState) -> Action {
        let SecretState::Ours(holding) = &secret else { return Action::requeue(LOOK_AGAIN) };
        let (Some(facts), Content::Read { credentials: Some(minted), .. }) =
            (&holding.facts, &holding.content)
        else {
            return Action::requeue(LOOK_AGAIN);
        };
        match self.write(desired, &secret, &facts.request_hash, minted).await {
            // A renewal that fails meanwhile goes on failing; the next look will tell.
            Ok(known) => self.settle(desired, known, Attempt::Waiting).await,
            Err(failed) => self.could_not_write(desired, &secret, failed).await,
        }
    }

    /// Takes the Secret away.
    pub(super) async fn remove(
        self,
        desired: &Desired,
        secret: &SecretState,
        problem: Problem,
    ) -> Action {
        let SecretState::Ours(holding) = secret else { return Action::requeue(LOOK_AGAIN) };
        if !self.leads() || self.desired().is_none_or(|now| now.denied.is_none()) {
            return Action::requeue(LOOK_AGAIN);
        }
        let (namespace, name) = (&desired.namespace, &desired.secret_name);
        let version = (holding.uid.as_str(), holding.resource_version.as_str());
        match self.scope.operator.parts.cluster.delete_secret(namespace, name, version).await {
            Ok(()) => {
                tracing::info!(secret = name, "removed");
                self.settle(desired, Known::NoSecret, Attempt::Failed(problem)).await
            }
            Err(Failed::Problem(failed)) => {
                let message =
                    format!("{} Its Secret is still there: {}", problem.message, failed.message);
                let attempt = Attempt::Failed(Problem::new(failed.reason, message));
                self.settle(desired, known(desired, secret), attempt).await
            }
            Err(failed) => self.could_not_write(desired, secret, failed).await,
        }
    }

    async fn write(
        &mut self,
        desired: &Desired,
        secret: &SecretState,
        request_hash: &str,
        minted: &Minted,
    ) -> Result<Known, Failed> {
        if !self.leads() || !self.is_still_granted(desired) {
            // Whoever leads by now may have written something newer; and what was granted when it was
            // asked for may be so no longer.
            return Err(Failed::Conflict);
        }
        let manifest = Manifest::render(desired, request_hash, minted);
        let manifest = match secret {
            SecretState::Ours(holding) => {
                manifest.only_if_unchanged(&holding.uid, &holding.resource_version)
            }
            SecretState::Absent | SecretState::Foreign(_) => manifest.only_if_absent(),
        };
        let resource_version =
            self.scope.operator.parts.cluster.apply_secret(&desired.namespace, &manifest).await?;
        self.memory.verified = true;
        self.memory.facts = Some(Facts::of(desired, request_hash, minted));
        tracing::info!(secret = manifest.name(), access_key_id = minted.access_key_id(), "written");
        Ok(Known::Secret {
            resource_version: Some(resource_version),
            facts: Box::new(Facts::of(desired, request_hash, minted)),
            details: Some((minted.access_key_id().map(str::to_owned), minted.packed_policy_size)),
        })
    }

    async fn could_not_write(
        self,
        desired: &Desired,
        secret: &SecretState,
        failed: Failed,
    ) -> Action {
        match failed {
            Failed::Conflict => {
                // The watch may be behind whatever changed it: the next look asks the API server.
                self.memory.verified = false;
                Action::requeue(LOOK_AGAIN)
            }
            Failed::Problem(problem) => {
                self.settle(desired, known(desired, secret), Attempt::Failed(problem)).await
            }
        }
    }
}

fn expiration(secret: &SecretState) -> Option<Timestamp> {
    match secret {
        SecretState::Ours(holding) => holding.facts.as_ref().map(|facts| facts.expiration),
        SecretState::Absent | SecretState::Foreign(_) => None,
    }
}
