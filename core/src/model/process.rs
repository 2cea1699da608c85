//! The process: the real decisions, in the order of steps of the controller.

use std::sync::Arc;

use jiff::Timestamp;

use super::actions::Fault;
use super::bugs::Bug;
use super::properties::check_status;
use super::snapshot::Snapshot;
use super::world::World;
use super::writes::Written;
use crate::api::CredentialStatus;
use crate::backoff::wait_unreachable;
use crate::credentials::Credentials;
use crate::desired::Desired;
use crate::observed::{KnownSecret, Memory, PendingWrite, SecretView};
use crate::plan::{Decision, Issue, IssueCause, Plan, Rewrite, WithdrawnSecrets, plan};
use crate::problem::{Problem, Reason};
use crate::schedule::CALL_INTERVAL;
use crate::secret::{IssueRecord, SecretVersion, WriteTarget};
use crate::status::{self, Outcome};
use crate::testing::at;

/// What is in the memory of the process that leads.
#[derive(Clone, PartialEq, Hash)]
pub(super) struct Process {
    pub(super) memory: Snapshot<Memory>,
    /// The status that the API server has, as far as the process knows.
    pub(super) saved: Snapshot<CredentialStatus>,
    /// When it reconciles next.
    pub(super) timer: Option<i64>,
    /// Whether no other process ever leads.
    pub(super) sole: bool,
    /// Whether it has not reconciled yet, so that it remembers nothing.
    pub(super) fresh: bool,
    /// What the last reconciliation was for.
    pub(super) desired_request_hash: String,
    pub(super) was_granted: bool,
}

impl Process {
    pub(super) fn new(memory: Memory, saved: Snapshot<CredentialStatus>, sole: bool) -> Self {
        Self {
            memory: Snapshot::memory(memory),
            saved,
            timer: None,
            sole,
            fresh: true,
            desired_request_hash: String::new(),
            was_granted: false,
        }
    }
}

/// What goes wrong in one reconciliation.
#[derive(Clone, Copy)]
pub(super) struct Script {
    pub(super) fault: Option<Fault>,
    pub(super) bug: Option<Bug>,
}

impl Script {
    pub(super) fn faultless(bug: Option<Bug>) -> Self {
        Self { fault: None, bug }
    }
}

/// One reconciliation; `None` if the fault of the script did not happen.
pub(super) fn reconcile(world: &World, script: Script) -> Option<World> {
    let mut world = world.clone();
    world.requests = 0;
    world.could_fail.clear();
    world.begin_reconciliation();
    let desired = Arc::clone(&world.desired);
    world.process.desired_request_hash.clone_from(&desired.request_hash);
    world.process.was_granted = desired.denied.is_none();
    let memory = (*world.process.memory).clone();
    let mut run = Run { world, memory, script, happened: script.fault.is_none() };
    let end = run.run(&desired);
    let Run { mut world, memory, happened, .. } = run;
    world.process.memory = Snapshot::memory(memory);
    match end {
        End::Done => {}
        End::Again => world.process.timer = Some(world.now),
        End::Crashed => world.restart(),
    }
    happened.then_some(world)
}

/// How a reconciliation ends.
pub(super) enum End {
    /// The status was computed.
    Done,
    /// Something changed under it: it starts again at once.
    Again,
    /// The process stopped.
    Crashed,
}

/// A reconciliation that is under way.
pub(super) struct Run {
    pub(super) world: World,
    pub(super) memory: Memory,
    pub(super) script: Script,
    /// Whether the fault happened.
    pub(super) happened: bool,
}

impl Run {
    fn run(&mut self, desired: &Desired) -> End {
        let metadata = self.world.watched.as_ref().map(|secret| &secret.secret.metadata);
        let view = self.memory.watched(desired, metadata, self.world.watched_name);
        let (mut plan, mut known) = self.decide(desired, view);
        if let Plan::Read = plan {
            self.world.requests += 1;
            if self.is_at(Fault::ReadUnavailable) {
                self.memory.attempt(desired);
                return self.finish(desired, &known, Outcome::Failed(unavailable()));
            }
            let view = self.read(desired);
            (plan, known) = self.decide(desired, view);
        }
        match &plan {
            Plan::Issue { .. }
            | Plan::WritePending { .. }
            | Plan::Rewrite { .. }
            | Plan::Remove { .. }
            | Plan::Report(_)
            | Plan::ReportDenied(_) => self.memory.attempt(desired),
            Plan::Ignore | Plan::Read | Plan::UpToDate | Plan::BackOff | Plan::Delay(_) => {}
        }
        match plan {
            Plan::Ignore => End::Done,
            // After a read, the plan is never to read again.
            Plan::Read => unreachable!(),
            Plan::Delay(until) => {
                self.world.process.timer = Some(whole_second(until));
                End::Done
            }
            Plan::UpToDate => self.finish(desired, &known, Outcome::Succeeded),
            Plan::BackOff => self.finish(desired, &known, Outcome::BackingOff),
            Plan::Issue(Issue { cause, target, .. }) => self.issue(desired, &known, cause, &target),
            Plan::WritePending { pending, target } => {
                self.world.attempt();
                self.write_pending(desired, &known, pending, &target)
            }
            Plan::Rewrite(_) if self.script.bug == Some(Bug::NeverRewrites) => {
                self.finish(desired, &known, Outcome::BackingOff)
            }
            Plan::Rewrite(rewrite) => {
                let Rewrite { record, credentials, version } = *rewrite;
                let record = record.reshaped(desired);
                self.rewrite(desired, &known, record, &credentials, version)
            }
            Plan::Remove { version, problem, .. } => {
                self.remove(desired, &known, &version, problem)
            }
            Plan::Report(problem) => self.finish(desired, &known, Outcome::Failed(problem)),
            Plan::ReportDenied(problem) => self.finish(desired, &known, Outcome::Denied(problem)),
        }
    }

    /// Decides, and keeps the pending credentials that the plan does not write.
    fn decide<'a>(&mut self, desired: &'a Desired, view: SecretView) -> (Plan<'a>, KnownSecret) {
        let now = at(self.world.now);
        let mut observed = self.memory.observed(view);
        let without_failure = CredentialStatus { failure: None, ..observed.status.clone() };
        if let Some(bug) = self.script.bug {
            bug.change(&mut observed, &without_failure);
        }
        let withdrawn = match self.script.bug {
            Some(Bug::RemovesAtOnce) => WithdrawnSecrets::Remove,
            _ => self.world.spec.withdrawn,
        };
        let Decision { plan, known, pending } = plan(desired, observed, withdrawn, now);
        self.memory.keep(pending);
        match plan {
            Plan::Remove { problem, .. } if self.script.bug == Some(Bug::NeverRemoves) => {
                (Plan::ReportDenied(problem), known)
            }
            plan => (plan, known),
        }
    }

    /// Reads the Secret from the API server.
    fn read(&mut self, desired: &Desired) -> SecretView {
        let secret = self.world.secret.as_ref().map(|secret| secret.secret.clone());
        let now = at(self.world.now);
        if self.script.bug == Some(Bug::TrustsAnnotations) {
            let mut fresh = Memory::of(&self.world.spec.resource(None));
            let view = fresh.read(desired, secret, now);
            let record =
                fresh.observed(SecretView::Watched(crate::observed::WatchedSecret::Unknown));
            if let Some(record) = record.record {
                self.memory.written(record.clone());
            }
            return view;
        }
        self.memory.read(desired, secret, now)
    }

    fn issue(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        cause: IssueCause,
        target: &WriteTarget,
    ) -> End {
        self.world.call_sts(cause);
        self.memory.called(at(self.world.now));
        for (fault, reason) in
            [(Fault::StsRefuses, Reason::AccessDenied), (Fault::StsThrottles, Reason::Throttled)]
        {
            if self.is_at(fault) {
                let problem = Problem::new(reason, "no");
                return self.finish(desired, known, Outcome::Failed(problem));
            }
        }
        let mut pending = self.world.issue(desired);
        if self.script.bug == Some(Bug::ForgetsTheRequest) {
            pending.renew_request = None;
        }
        if self.is_at(Fault::CrashAfterIssue) {
            return End::Crashed;
        }
        self.write_pending(desired, known, pending, target)
    }

    fn write_pending(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        pending: PendingWrite,
        target: &WriteTarget,
    ) -> End {
        let record = pending.record(desired);
        let written = self.write(desired, &record, &pending.credentials, target);
        if !matches!(written, Written::As(_)) && self.script.bug != Some(Bug::ForgetsPending) {
            self.memory.keep(Some(pending));
        }
        self.after_write(desired, known, written, record, Outcome::Succeeded)
    }

    fn rewrite(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        record: IssueRecord,
        credentials: &Credentials,
        version: SecretVersion,
    ) -> End {
        let target = WriteTarget::Existing(version);
        let written = self.write(desired, &record, credentials, &target);
        // A renewal that fails meanwhile goes on failing.
        self.after_write(desired, known, written, record, Outcome::BackingOff)
    }

    fn after_write(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        written: Written,
        record: IssueRecord,
        outcome: Outcome,
    ) -> End {
        match written {
            Written::As(version) => {
                self.memory.written(record.clone());
                let known = KnownSecret::Holds {
                    record: Box::new(record),
                    resource_version: Some(version),
                };
                self.finish(desired, &known, outcome)
            }
            Written::Conflict => self.conflict(),
            Written::Failed(problem) => {
                self.memory.not_written();
                self.finish(desired, known, Outcome::Failed(problem))
            }
            Written::Crashed => End::Crashed,
        }
    }

    pub(super) fn conflict(&mut self) -> End {
        self.memory.not_written();
        End::Again
    }

    /// Computes the status, writes it if it says something new, and says when to reconcile again.
    pub(super) fn finish(
        &mut self,
        desired: &Desired,
        known: &KnownSecret,
        outcome: Outcome,
    ) -> End {
        let (world, bug) = (&mut self.world, self.script.bug);
        let now = at(world.now);
        let before = self.memory.status().clone();
        let mut next = status::next(desired, &before, known, &outcome, now);
        let failed = matches!(outcome, Outcome::Failed(_) | Outcome::Denied(_));
        let succeeded = matches!(outcome, Outcome::Succeeded);
        if bug == Some(Bug::CountsTwice) && failed {
            next = status::next(desired, &next, known, &outcome, now);
        }
        if bug == Some(Bug::KeepsTheFailure) && succeeded {
            next.failure.clone_from(&before.failure);
        }
        check_status(world, &before, &next, (succeeded, failed));
        if failed {
            let failure = next.failure.as_ref();
            world.ghost.backoff_until =
                failure.filter(|_| world.spec.granted).map(|failure| failure.next_attempt.0);
        } else if succeeded {
            world.ghost.backoff_until = None;
        }
        let mut wake = vec![status::next_reconciliation(&next, desired, now)];
        self.memory.set_status(next.clone());
        let stored = Snapshot::status(next);
        if stored != world.process.saved {
            world.requests += 1;
            if self.is_at(Fault::StatusUnavailable) {
                wake.push(Some(now + wait_unreachable(1, &desired.uid)));
            } else {
                let json = serde_json::to_value(&*stored).unwrap();
                let stored = Snapshot::status(serde_json::from_value(json).unwrap());
                self.world.process.saved = stored.clone();
                self.world.status = stored;
            }
        }
        wake.push(self.memory.called_at().map(|at| at + CALL_INTERVAL).filter(|at| *at > now));
        self.world.process.timer = wake.into_iter().flatten().min().map(whole_second);
        End::Done
    }

    pub(super) fn is_at(&mut self, fault: Fault) -> bool {
        self.world.could_fail.push(fault);
        let here = self.script.fault == Some(fault) && !self.happened;
        self.happened |= here;
        here
    }
}

/// The first whole second that is not before this time.
fn whole_second(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}

pub(super) fn unavailable() -> Problem {
    Problem::new(Reason::ApiServerUnavailable, "no")
}
