//! The order of steps for one resource: observe, plan, act, settle. Nothing is decided here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
use crate::failure;
use crate::leader::Term;
use crate::notice::notices;
use crate::observed::{Content, Held, Look, Observed, SecretState, look};
use crate::operation::Operation;
use crate::plan::{Plan, Source, plan};
use crate::schedule::LEAST_AGE;
use crate::secret::Facts;
use crate::status::{self, Attempt, Known, Round};
use crate::traces;

/// The longest time without a look at a resource. Timers run on the monotonic clock, which stands
/// still while a machine sleeps; expiry is a time of day. A look costs no request.
const LONGEST_NAP: SignedDuration = SignedDuration::from_mins(1);

/// How long to wait when the world changed under a step, before looking again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One look at one resource. Never fails: what goes wrong ends in the status and in the time of the
/// next look.
pub(super) async fn reconcile(
    resource: Arc<TemporaryCredential>,
    scope: Arc<Scope>,
) -> Result<Action, Infallible> {
    // A replica that waits its turn watches, and does nothing. When it leads, it looks at everything.
    let Some(term) = scope.operator.parts.leadership.term() else {
        scope.operator.ledger.let_go(&resource);
        return Ok(Action::await_change());
    };
    // Before the first lists, every Secret would look as if it were missing, and every grant withdrawn.
    let listed = async {
        scope.secrets_listed.wait().await;
        if resource.is_signed_by_operator() {
            scope.namespaces_listed.wait().await;
            scope.operator.permissions.listed.wait().await;
        }
    };
    tokio::select! {
        () = listed => {}
        // The watches end with the signal: the list would never come.
        () = scope.stop.cancelled() => return Ok(Action::requeue(LOOK_AGAIN)),
    }
    let uid = resource.uid().unwrap_or_default();
    let ledger = &scope.operator.ledger;
    let mut memory = ledger.take(&resource, term);
    let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
    let span = tracing::info_span!("credential", namespace, name);
    let begin = Instant::now();
    let step = Step { resource: &resource, scope: &scope, memory: &mut memory, term };
    let action = step.run().instrument(span).await;
    scope.operator.parts.metrics.reconciled(begin.elapsed());
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

/// What a decision may be based on.
#[derive(Clone, Copy)]
enum Trust {
    /// What the watch has seen, where that is enough.
    Watch,
    /// Nothing but what the API server answers now.
    Nothing,
}

/// One look.
pub(super) struct Step<'a> {
    pub(super) resource: &'a TemporaryCredential,
    pub(super) scope: &'a Scope,
    pub(super) memory: &'a mut Memory,
    term: Term,
}

impl Step<'_> {
    async fn run(mut self) -> Action {
        // A namespace that comes to be known wakes its resources.
        let Some(desired) = self.desired() else { return nap(None, Timestamp::now()) };
        if desired.deleted && desired.denied.is_none() {
            return Action::await_change();
        }
        self.scope.operator.permissions.serves(&desired);
        let unusable = |held: &Held| {
            desired.denied.is_some()
                || held.request_hash != desired.request_hash
                || held.minted.expiration <= Timestamp::now()
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
        let decided = match self.decide(&desired, Trust::Watch).await {
            // The watch may be behind what another leader wrote last: it is not enough to mint by.
            Ok(Some((plan, _))) if plan.ends_credentials() && !self.memory.verified => {
                self.decide(&desired, Trust::Nothing).await
            }
            decided => decided,
        };
        let (plan, secret) = match decided {
            Ok(Some(decided)) => decided,
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
        tracing::debug!(?plan, "planned");
        if matches!(plan, Plan::Mint(_) | Plan::Write(_) | Plan::Remove(_) | Plan::Report(_)) {
            // Whatever comes of it, the request was heard: from here on the backoff sets the pace.
            self.note_attempt(&desired);
        }
        match plan {
            Plan::Leave => Action::await_change(),
            Plan::Rest => self.settle(&desired, known(&desired, &secret), Attempt::Well).await,
            Plan::Wait => self.settle(&desired, known(&desired, &secret), Attempt::Waiting).await,
            Plan::Report(problem) => {
                self.settle(&desired, Known::NoSecret, Attempt::Failed(problem)).await
            }
            Plan::Remove(problem) => self.remove(&desired, &secret, problem).await,
            Plan::Mint(why) => self.rotate(&desired, secret, why).await,
            Plan::Write(Source::Held) => self.write_held(&desired, &secret).await,
            Plan::Write(Source::Secret) => self.rewrite(&desired, secret).await,
        }
    }

    /// What the resource asks for, by the grants of this moment; `None` if its namespace is not known yet.
    pub(super) fn desired(&self) -> Option<Desired> {
        self.scope.operator.permissions.read(|grants| Desired::compile(self.resource, grants))
    }

    /// Whether the grants are still what they were when it was decided what to do.
    pub(super) fn is_still_granted(&self, desired: &Desired) -> bool {
        self.desired()
            .is_some_and(|now| now.denied.is_none() && now.request_hash == desired.request_hash)
    }

    /// Whether this process still leads, as it did when the look began.
    pub(super) fn leads(&self) -> bool {
        self.scope.operator.parts.leadership.term() == Some(self.term)
    }

    /// What to do, and what it was decided by; `None` if it is not the time to look.
    async fn decide(
        &mut self,
        desired: &Desired,
        trust: Trust,
    ) -> Result<Option<(Plan, SecretState)>, Failed> {
        let Some(secret) = self.observe(desired, trust).await? else { return Ok(None) };
        let seen = Observed {
            secret,
            status: &self.memory.status,
            held: self.memory.held.as_ref(),
            attempted_request: self.memory.attempted_request.as_deref(),
            repaired_at: self.memory.repaired_at,
        };
        Ok(Some((plan(desired, &seen, Timestamp::now()), seen.secret)))
    }

    /// The Secret; `None` if it is not the time to look.
    async fn observe(
        &mut self,
        desired: &Desired,
        trust: Trust,
    ) -> Result<Option<SecretState>, Failed> {
        let cached = self.cached(desired);
        let metadata = cached.as_ref().map(|secret| &secret.metadata);
        let look = look(
            desired,
            &self.memory.status,
            self.memory.attempted_request.as_deref(),
            metadata,
            Timestamp::now(),
        );
        let state = match (look, metadata, trust) {
            (Look::Wait, ..) => return Ok(None),
            (Look::Trust, Some(metadata), Trust::Watch) => {
                SecretState::trusted(metadata, &self.memory.past())
            }
            (Look::Read | Look::Trust, ..) => {
                let cluster = &self.scope.operator.parts.cluster;
                let secret = cluster.read_secret(&desired.namespace, &desired.secret_name).await?;
                let state =
                    SecretState::read(desired, secret, &self.memory.past(), Timestamp::now());
                self.memory.verified = true;
                state
            }
        };
        if let Some(facts) = state.facts() {
            self.memory.facts = Some(facts.clone());
        }
        Ok(Some(state))
    }

    /// The Secret's metadata, as the watch last saw it.
    fn cached(&self, desired: &Desired) -> Option<Arc<SecretMeta>> {
        self.scope.secrets.get(&ObjectRef::new(&desired.secret_name).within(&desired.namespace))
    }

    /// What is left to say of a Secret that cannot be looked at.
    fn unread(&self, desired: &Desired) -> Known {
        let cached = self.cached(desired);
        let annotated = || Facts::read(cached?.metadata.annotations.as_ref()?);
        Known::Nothing(self.memory.facts.clone().or_else(annotated))
    }

    /// Notes that the renew request is being tried: from now on it keeps to the backoff.
    fn note_attempt(&mut self, desired: &Desired) {
        self.memory.attempted_request.clone_from(&desired.renew_request);
    }

    /// Writes the status if it says something new, and says when to look again.
    pub(super) async fn settle(self, desired: &Desired, known: Known, attempt: Attempt) -> Action {
        let now = Timestamp::now();
        if !self.leads() {
            return Action::await_change();
        }
        if let Attempt::Failed(problem) = &attempt {
            let (class, reason) = (problem.class(), problem.reason);
            let operation = desired.operation.as_ref().map_or("none", Operation::action);
            self.scope.operator.parts.metrics.failed(operation, problem);
            let trace_id = traces::id();
            tracing::warn!(?class, %reason, trace_id, "{}", problem.message);
        }
        let settled = attempt == Attempt::Well;
        let round = Round { desired, before: &self.memory.status, known, attempt };
        let next = status::next(round, now);
        if next.failure.is_none() && settled && !desired.suspended {
            // Nothing is left to be written: what was held is older than what the Secret holds.
            self.memory.held = None;
        }
        self.memory.status = next.clone();
        let due = status::next_look(&next, desired, now);
        let mut save_again = None;
        if !status::same(&next, &self.memory.saved) {
            match self.scope.operator.parts.cluster.write_status(desired, &next).await {
                Ok(()) => {
                    self.memory.unreachable = 0;
                    let about = self.resource.object_ref(&());
                    for notice in notices(&self.memory.saved, &next) {
                        self.scope.operator.parts.cluster.publish(&about, notice).await;
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
pub(super) fn known(desired: &Desired, secret: &SecretState) -> Known {
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
    // What could not be tidied up yet is looked at again; what is suspended stays as it is.
    let settled =
        desired.suspended || !matches!(holding.content, Content::Read { tidy: false, .. });
    Known::Secret {
        resource_version: settled.then(|| holding.resource_version.clone()),
        facts: Box::new(facts.clone()),
        details,
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
