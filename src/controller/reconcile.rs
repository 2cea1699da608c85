//! The order of steps for one resource: observe, plan, act, settle. Nothing is decided here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tracing::Instrument;

use super::Scope;
use super::ledger::Memory;
use crate::api::TemporaryCredential;
use crate::cluster::Failed;
use crate::cluster::watch::SecretMeta;
use crate::desired::Desired;
use crate::failure::{self, Problem};
use crate::identity::Caller;
use crate::minted::Minted;
use crate::notice::notices;
use crate::observed::{Content, Held, Look, Observed, SecretState, look};
use crate::operation::Operation;
use crate::plan::{Plan, Source, Why, plan};
use crate::schedule::LEAST_AGE;
use crate::secret::{Facts, Manifest};
use crate::status::{self, Attempt, Known, Round};

/// The longest time without a look at a resource. Timers run on the monotonic clock, which stands
/// still while a machine sleeps; expiry is a time of day. A look costs no request.
const LONGEST_NAP: SignedDuration = SignedDuration::from_mins(1);

/// How long to wait when the world changed under a step, before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One look at one resource. Never fails: what goes wrong ends in the status and in the time of the
/// next look.
pub(super) async fn reconcile(
    resource: Arc<TemporaryCredential>,
    scope: Arc<Scope>,
) -> Result<Action, Infallible> {
    // Before the first list, every Secret would look as if it were missing.
    tokio::select! {
        _ = scope.secrets_listed.wait() => {}
        // The watches end with the signal: the list would never come.
        () = scope.stop.cancelled() => return Ok(Action::requeue(LOOK_AGAIN)),
    }
    let uid = resource.uid().unwrap_or_default();
    let ledger = &scope.operator.ledger;
    let mut memory = ledger.take(&resource);
    let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
    let span = tracing::info_span!("credential", namespace, name);
    let action = Step { resource: &resource, scope: &scope, memory: &mut memory }
        .run()
        .instrument(span)
        .await;
    // Gone meanwhile: nothing is left to remember, least of all credentials.
    if scope
        .credentials
        .get(&ObjectRef::from_obj(&*resource))
        .is_some_and(|now| now.uid() == resource.uid())
    {
        ledger.put(&uid, memory);
    }
    Ok(action)
}

struct Step<'a> {
    resource: &'a TemporaryCredential,
    scope: &'a Scope,
    memory: &'a mut Memory,
}

impl Step<'_> {
    async fn run(mut self) -> Action {
        let desired = Desired::compile(self.resource);
        if desired.deleted {
            return Action::await_change();
        }
        let unusable = |held: &Held| {
            held.request_hash != desired.request_hash || held.minted.expiration <= Timestamp::now()
        };
        if self.memory.held.as_ref().is_some_and(unusable) {
            self.memory.held = None;
        }
        // What it is made from changed: whatever failed may work by now.
        if self.scope.operator.references.take_changed(&desired.namespace, &desired.name)
            && let Some(failure) = &mut self.memory.status.failure
        {
            failure.next_attempt.0 = Timestamp::now();
        }
        let secret = match self.observe(&desired).await {
            Ok(Some(secret)) => secret,
            Ok(None) => {
                let known = self.unread(&desired);
                return self.settle(&desired, known, Attempt::Waiting).await;
            }
            Err(Failed::Conflict) => return Action::requeue(LOOK_AGAIN),
            Err(Failed::Problem(problem)) => {
                self.note_attempt(&desired);
                let known = self.unread(&desired);
                return self.settle(&desired, known, Attempt::Failed(problem)).await;
            }
        };
        let seen = Observed {
            secret,
            status: &self.memory.status,
            held: self.memory.held.as_ref(),
            attempted_request: self.memory.attempted_request.as_deref(),
            repaired_at: self.memory.repaired_at,
        };
        let plan = plan(&desired, &seen, Timestamp::now());
        let secret = seen.secret;
        tracing::debug!(?plan, "planned");
        if matches!(plan, Plan::Mint(_) | Plan::Write(_) | Plan::Report(_)) {
            // Whatever comes of it, the request was heard: from here on the backoff sets the pace.
            self.note_attempt(&desired);
        }
        match plan {
            Plan::Leave => Action::await_change(),
            Plan::Rest => self.settle(&desired, known(&secret), Attempt::Well).await,
            Plan::Wait => self.settle(&desired, known(&secret), Attempt::Waiting).await,
            Plan::Report(problem) => {
                self.settle(&desired, Known::NoSecret, Attempt::Failed(problem)).await
            }
            Plan::Mint(why) => self.rotate(&desired, secret, why).await,
            Plan::Write(Source::Held) => self.write_held(&desired, &secret).await,
            Plan::Write(Source::Secret) => self.rewrite(&desired, secret).await,
        }
    }

    /// The Secret; `None` if it is not the time to look.
    async fn observe(&self, desired: &Desired) -> Result<Option<SecretState>, Failed> {
        let cached = self.cached(desired);
        let metadata = cached.as_ref().map(|secret| &secret.metadata);
        let look = look(
            desired,
            &self.memory.status,
            self.memory.attempted_request.as_deref(),
            metadata,
            Timestamp::now(),
        );
        match (look, metadata) {
            (Look::Wait, _) => Ok(None),
            (Look::Trust, Some(metadata)) => Ok(Some(SecretState::trusted(metadata))),
            (Look::Read | Look::Trust, _) => {
                let cluster = &self.scope.operator.cluster;
                let secret = cluster.read_secret(&desired.namespace, &desired.secret_name).await?;
                Ok(Some(SecretState::read(desired, secret)))
            }
        }
    }

    /// The Secret's metadata, as the watch last saw it.
    fn cached(&self, desired: &Desired) -> Option<Arc<SecretMeta>> {
        self.scope.secrets.get(&ObjectRef::new(&desired.secret_name).within(&desired.namespace))
    }

    /// What is left to say of a Secret that cannot be looked at.
    fn unread(&self, desired: &Desired) -> Known {
        let cached = self.cached(desired);
        Known::Nothing(cached.and_then(|secret| Facts::read(secret.metadata.annotations.as_ref()?)))
    }

    /// Notes that the renew request is being tried: from now on it keeps to the backoff.
    fn note_attempt(&mut self, desired: &Desired) {
        self.memory.attempted_request.clone_from(&desired.renew_request);
    }

    /// Asks STS for new credentials, keeps them in memory, and writes them.
    async fn rotate(self, desired: &Desired, secret: SecretState, why: Why) -> Action {
        let (Ok(operation), Ok(caller)) = (&desired.operation, &desired.caller) else {
            return Action::requeue(LOOK_AGAIN);
        };
        let calls = caller.calls() + operation.calls();
        let operator = &self.scope.operator;
        let deadline = expiration(&secret).unwrap_or_else(Timestamp::now);
        let Some(_turn) = operator.gate.admit(deadline, calls).await else {
            return Action::requeue(LOOK_AGAIN);
        };
        if self.is_outdated() {
            return Action::requeue(LOOK_AGAIN);
        }
        let had_some = self.memory.status.issued_at.is_some();
        if had_some && matches!(why, Why::Missing | Why::Damaged) {
            self.memory.repaired_at = Some(Timestamp::now());
        }
        // Boxed: most of a reconciliation's size is this call, and most never make it.
        let minted = Box::pin(self.mint(desired, caller, operation)).await;
        match minted {
            Ok(minted) => {
                tracing::info!(?why, principal = minted.principal_arn, expiration = %minted.expiration, "issued");
                self.memory.held =
                    Some(Held { request_hash: desired.request_hash.clone(), minted });
                self.write_held(desired, &secret).await
            }
            Err(problem) => self.settle(desired, known(&secret), Attempt::Failed(problem)).await,
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
        operator.references.check(desired)?;
        let sources = [caller.sources(), operation.sources()].concat();
        let materials = operator.cluster.materials(&desired.namespace, sources).await?;
        let session = operator.sts.session(desired.region.as_deref())?;
        let session = caller.sign(session, &materials).await?;
        operation.call(&session, &materials).await
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
    async fn write_held(self, desired: &Desired, secret: &SecretState) -> Action {
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
    async fn rewrite(self, desired: &Desired, secret: SecretState) -> Action {
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

    async fn write(
        &self,
        desired: &Desired,
        secret: &SecretState,
        request_hash: &str,
        minted: &Minted,
    ) -> Result<Known, Failed> {
        let manifest = Manifest::render(desired, request_hash, minted);
        let manifest = match secret {
            SecretState::Ours(holding) => manifest.only_if_uid(&holding.uid),
            SecretState::Absent | SecretState::Foreign(_) => manifest.only_if_absent(),
        };
        let resource_version =
            self.scope.operator.cluster.apply_secret(&desired.namespace, &manifest).await?;
        tracing::info!(secret = manifest.name(), access_key_id = minted.access_key_id(), "written");
        Ok(Known::Secret {
            resource_version,
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
            Failed::Conflict => Action::requeue(LOOK_AGAIN),
            Failed::Problem(problem) => {
                self.settle(desired, known(secret), Attempt::Failed(problem)).await
            }
        }
    }

    /// Writes the status if it says something new, and says when to look again.
    async fn settle(self, desired: &Desired, known: Known, attempt: Attempt) -> Action {
        let now = Timestamp::now();
        if let Attempt::Failed(problem) = &attempt {
            let (class, reason) = (problem.class(), problem.reason);
            tracing::warn!(?class, %reason, "{}", problem.message);
        }
        let round = Round { desired, before: &self.memory.status, known, attempt };
        let next = status::next(round, now);
        self.memory.status = next.clone();
        let due = status::next_look(&next, desired, now);
        let mut save_again = None;
        if !status::same(&next, &self.memory.saved) {
            match self.scope.operator.cluster.write_status(desired, &next).await {
                Ok(()) => {
                    self.memory.unreachable = 0;
                    let about = self.resource.object_ref(&());
                    for notice in notices(&self.memory.saved, &next) {
                        self.scope.operator.cluster.publish(&about, notice).await;
                    }
                    self.memory.saved = next;
                }
                // Deleted, or made anew under its name: the watch will tell.
                Err(Failed::Conflict) => {}
                Err(Failed::Problem(problem)) => {
                    tracing::warn!(reason = %problem.reason, "{}", problem.message);
                    self.memory.unreachable = self.memory.unreachable.saturating_add(1);
                    let wait = failure::wait_unreachable(self.memory.unreachable, &desired.uid);
                    save_again = Some(now + wait);
                }
            }
        }
        // A repair that came too soon after another one.
        let repair = self.memory.repaired_at.map(|at| at + LEAST_AGE).filter(|at| *at > now);
        nap([due, save_again, repair].into_iter().flatten().min(), now)
    }
}

/// What the status can say of a Secret that was looked at.
fn known(secret: &SecretState) -> Known {
    let SecretState::Ours(holding) = secret else {
        return Known::NoSecret;
    };
    let Some(facts) = &holding.facts else {
        return Known::NoSecret;
    };
    let details = match &holding.content {
        Content::AsWritten => None,
        Content::Read { credentials: Some(minted), .. } => {
            Some((minted.access_key_id().map(str::to_owned), minted.packed_policy_size))
        }
        Content::Read { credentials: None, .. } => return Known::NoSecret,
    };
    Known::Secret {
        resource_version: holding.resource_version.clone(),
        facts: Box::new(facts.clone()),
        details,
    }
}

fn expiration(secret: &SecretState) -> Option<Timestamp> {
    match secret {
        SecretState::Ours(holding) => holding.facts.as_ref().map(|facts| facts.expiration),
        SecretState::Absent | SecretState::Foreign(_) => None,
    }
}

fn nap(until: Option<Timestamp>, now: Timestamp) -> Action {
    let wait = until.map_or(LONGEST_NAP, |until| until.duration_since(now)).min(LONGEST_NAP);
    // A millisecond more: timers count in them, and waking just before the time would be in vain.
    Action::requeue(
        Duration::try_from(wait.max(SignedDuration::ZERO)).unwrap_or_default()
            + Duration::from_millis(1),
    )
}
