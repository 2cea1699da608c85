//! Reconciles one resource: observes it, plans the next step, and executes the plan.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kube::Resource;
use tempcred_core::api::{CachedCredential, TemporaryCredential};
use tempcred_core::backoff;
use tempcred_core::desired::Desired;
use tempcred_core::observed::{KnownSecret, SecretView};
use tempcred_core::plan::{Decision, Plan, plan};
use tempcred_core::problem::Problem;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::schedule::CALL_INTERVAL;
use tempcred_core::status::{self, Outcome};
use tracing::Instrument;

use super::action::Action;
use super::audit;
use super::memories::Entry;
use super::queue::TakenTurn;
use super::shared::{Scope, Shared};
use crate::cluster::Failed;
use crate::cluster::lease::Term;
use crate::cluster::watch::Key;
use crate::planted;
use crate::telemetry::traces;

/// Longest time between two reconciliations of a resource. The system clock may be adjusted slowly, by up to 1.8 s in this
/// time, and timers use the monotonic clock. A reconciliation without changes makes no requests.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// Wait before the next reconciliation if a change made this one obsolete.
pub(super) const RETRY: Duration = Duration::from_millis(100);

/// What a reconciliation begins with.
pub(super) struct Begun {
    pub(super) term: Term,
    /// The turn to call STS, if it has come.
    pub(super) turn: Option<TakenTurn>,
    /// The slot of a reconciliation without a turn.
    pub(super) slot: Option<TakenTurn>,
}

/// Reconciles one resource. A failure is written to the status, and decides when the resource is requeued.
pub(super) async fn reconcile(
    cached: Arc<CachedCredential>,
    scope: Arc<Scope>,
    Begun { term, turn, slot }: Begun,
) -> Action {
    let Some(resource) = cached.resource() else { return Action::await_change() };
    let (memories, key) = (&scope.shared.indexes.memories, &cached.key);
    let exists = || scope.current(&resource).is_some();
    let Some(mut entry) = memories.take(&resource, term, exists) else {
        return Action::await_change();
    };
    if let Some(status) = &cached.status {
        entry.share(status);
    }
    let Key { namespace, name } = key;
    let span = tracing::info_span!("reconcile", namespace, credential = name);
    let begin = Instant::now();
    let mut step = Step { resource: &resource, scope: &scope, key, entry, term, turn, slot };
    // Boxed, because this future is large.
    let action = Box::pin(step.run().instrument(span)).await;
    scope.shared.parts.metrics.reconciled(begin.elapsed());
    if !memories.put(&cached.uid, step.entry) {
        // Removed meanwhile, perhaps before this reconciliation recorded its grants.
        scope.shared.indexes.grants.remove_usage(key);
    }
    action
}

/// Whether the calls of a request may be made.
pub(super) enum MayIssue {
    /// Now, with these inputs.
    Now(Inputs),
    /// After a turn that the resource has waited for this long.
    After(Duration),
}

/// One reconciliation.
pub(super) struct Step<'a> {
    pub(super) resource: &'a TemporaryCredential,
    pub(super) scope: &'a Scope,
    pub(super) key: &'a Key,
    pub(super) entry: Box<Entry>,
    term: Term,
    /// The turn to call STS, if it has come.
    pub(super) turn: Option<TakenTurn>,
    /// The slot of a reconciliation without a turn.
    pub(super) slot: Option<TakenTurn>,
}

impl Step<'_> {
    async fn run(&mut self) -> Action {
        // When the namespace appears in the cache, the resource is requeued.
        let Some(desired) = self.desired() else { return requeue_at(None, Timestamp::now()) };
        let mut secret = self.watched(&desired);
        loop {
            let mut observed = self.entry.memory.observed(secret);
            planted::trust_the_watch(&mut observed);
            let withdrawn = self.scope.shared.withdrawn_secrets;
            let Decision { plan, known, pending } =
                planted::renew_late(plan(&desired, observed, withdrawn, Timestamp::now()));
            self.entry.memory.keep(pending);
            tracing::debug!(plan = plan.as_str(), "planned");
            if !matches!(plan, Plan::Read | Plan::Issue(_)) {
                self.shared().queue.remove(self.key);
                if plan.is_attempt() {
                    self.entry.memory.attempt(&desired);
                }
            }
            let outcome = match plan {
                Plan::Ignore => return Action::await_change(),
                Plan::Delay(until) => return requeue_at(Some(until), Timestamp::now()),
                Plan::Read => match self.read(&desired).await {
                    Ok(read) => {
                        secret = read;
                        continue;
                    }
                    Err(failed) => return self.could_not_read(&desired, known, failed).await,
                },
                Plan::Issue(issue) => match self.may_issue(&desired, &issue).await {
                    Ok(MayIssue::Now(inputs)) => {
                        self.entry.memory.attempt(&desired);
                        return self.issue(&desired, known, issue, inputs).await;
                    }
                    Ok(MayIssue::After(waited)) => {
                        return self.wait_for_turn(&desired, &known, &issue, waited).await;
                    }
                    Err(problem) => {
                        self.shared().queue.remove(self.key);
                        self.entry.memory.attempt(&desired);
                        Outcome::Failed(problem)
                    }
                },
                Plan::WritePending { pending, target } => {
                    return self.write_pending(&desired, known, pending, &target).await;
                }
                Plan::Rewrite(rewrite) => return self.rewrite(&desired, known, *rewrite).await,
                Plan::Remove { version, problem, expired } => {
                    if let Some(unconfirmed) =
                        self.unconfirmed(&desired, &known, &problem, expired).await
                    {
                        return unconfirmed;
                    }
                    return self.remove(&desired, known, &version, problem).await;
                }
                Plan::UpToDate => Outcome::Succeeded,
                Plan::BackOff => Outcome::BackingOff,
                Plan::Report(problem) => Outcome::Failed(problem),
                Plan::ReportDenied(problem) => Outcome::Denied(problem),
            };
            return self.report(&desired, &known, outcome).await;
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.scope.shared
    }

    /// The desired state with the current grants. `None` if the namespace of the resource is not in the cache yet.
    pub(super) fn desired(&self) -> Option<Desired> {
        let shared = self.shared();
        let desired = shared.indexes.grants.read(|grants| Desired::compile(self.resource, grants));
        let desired = desired?.in_regions(shared.parts.sts.regions());
        Some(desired.limited(&shared.key_prefixes))
    }

    /// Whether this process is still the leader in the term in which the reconciliation began.
    pub(super) fn leads(&self) -> bool {
        self.shared().parts.leadership.term() == Some(self.term)
    }

    /// The Secret in the cache.
    fn watched(&mut self, desired: &Desired) -> SecretView {
        let indexes = &self.scope.shared.indexes;
        indexes.grants.set_usage(desired);
        if indexes.references.take_changed(self.key) {
            self.entry.memory.inputs_changed();
        }
        let key = Key { namespace: desired.namespace.clone(), name: desired.secret_name.clone() };
        let secret = self.scope.secrets.get(&key);
        let exists = self.scope.other_secrets.contains(&key);
        self.entry.memory.watched(desired, secret.as_ref(), exists)
    }

    /// Reads the Secret from the API server.
    async fn read(&mut self, desired: &Desired) -> Result<SecretView, Failed> {
        let cluster = &self.scope.shared.parts.cluster;
        let mut secret = cluster.read_secret(&desired.namespace, &desired.secret_name).await?;
        planted::forget_the_record(&mut secret);
        Ok(self.entry.memory.read(desired, secret, Timestamp::now()))
    }

    async fn could_not_read(
        &mut self,
        desired: &Desired,
        known: KnownSecret,
        failed: Failed,
    ) -> Action {
        self.entry.memory.attempt(desired);
        match failed {
            Failed::Conflict => Action::requeue(RETRY),
            Failed::Problem(problem) => {
                self.report(desired, &known, Outcome::Failed(problem)).await
            }
        }
    }

    /// Writes the status if it changed, and returns when to requeue the resource.
    pub(super) async fn report(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        outcome: Outcome,
    ) -> Action {
        let now = Timestamp::now();
        if !self.leads() {
            return Action::await_change();
        }
        let before = Arc::clone(self.entry.memory.status());
        let mut next = status::next(desired, &before, known, &outcome, now);
        let restart = self.restart(desired, known, &mut next, now).await;
        // An idle resource keeps the status that it shares with the cache.
        let next = if next == *before { Arc::clone(&before) } else { Arc::new(next) };
        if let Outcome::Failed(problem) | Outcome::Denied(problem) = &outcome
            && next.failure != before.failure
        {
            self.log(desired, problem);
        }
        if status::has_lost_grant(&before, &next) {
            self.shared().parts.metrics.withdrawn();
        }
        let due = status::next_reconciliation(&next, desired, now);
        self.entry.memory.set_status(Arc::clone(&next));
        let mut save_again = None;
        if next != self.entry.saved || planted::never_idle() {
            match self.scope.shared.parts.cluster.write_status(desired, &next).await {
                Ok(()) => {
                    self.entry.unreachable = 0;
                    for event in status::events(&self.entry.saved, &next) {
                        let about = self.resource.object_ref(&());
                        self.shared().parts.cluster.events.publish(about, event);
                    }
                    self.entry.saved = next;
                }
                Err(failed) => {
                    // After a conflict, the resource was deleted, or created again with the same name, and the watch
                    // will show it. Or the API server gave up, because other writes came first.
                    if let Failed::Problem(problem) = failed {
                        tracing::warn!(reason = %problem.reason, "{}", problem.message);
                    }
                    self.entry.unreachable = self.entry.unreachable.saturating_add(1);
                    let wait = backoff::wait_unreachable(self.entry.unreachable, &desired.uid);
                    save_again = Some(now + wait);
                }
            }
        }
        if planted::never_idle() || planted::retry_at_once(&outcome, &mut self.entry.memory) {
            return Action::requeue(RETRY);
        }
        // A call that was delayed because the last one was only seconds ago.
        let delayed = self.entry.memory.called_at().map(|at| at + CALL_INTERVAL);
        let delayed = delayed.filter(|at| *at > now && matches!(outcome, Outcome::BackingOff));
        requeue_at([due, save_again, delayed, restart].into_iter().flatten().min(), now)
    }

    fn log(&self, desired: &Desired, problem: &Problem) {
        let (class, reason) = (problem.class(), problem.reason);
        let action = desired.request.as_ref().map_or("none", |request| request.operation.action());
        self.shared().parts.metrics.failed(action, problem);
        let (request_id, trace_id) = (audit::request_ids(problem), traces::id());
        tracing::warn!(?class, %reason, request_id, trace_id, "{}", problem.message);
    }
}

pub(super) fn requeue_at(until: Option<Timestamp>, now: Timestamp) -> Action {
    let wait = until.map_or(LONGEST_WAIT, |until| until.duration_since(now)).min(LONGEST_WAIT);
    // Timers have a resolution of one millisecond. The added millisecond prevents a reconciliation just before the
    // time.
    let wait = Duration::try_from(wait.max(SignedDuration::ZERO)).unwrap_or_default();
    Action::requeue(wait + Duration::from_millis(1))
}
