//! Plans the next step of a reconciliation. The plan is a pure function of the desired state, the observed state and
//! the time.

#[cfg(test)]
mod tests;
mod trusted;
mod types;
mod withdrawn;

use jiff::Timestamp;

use crate::api::CredentialStatus;
use crate::backoff::{BackOff, backing_off, requested_renewal, retried};
use crate::desired::{Desired, SignedRequest};
use crate::observed::{
    Content, KnownSecret, Observed, OwnedSecret, PendingWrite, ReadSecret, SecretView,
    WatchedSecret,
};
use crate::problem::{Class, Problem, Reason};
use crate::schedule::{CALL_INTERVAL, WATCH_LAG};
use crate::secret::{IssueRecord, WriteTarget};
use trusted::{Trusted, trusted};
pub use types::{Decision, Issue, IssueCause, Plan, Rewrite};
use withdrawn::while_it_stays;
pub use withdrawn::{CONFIRM_AGAIN, WithdrawnSecrets, while_unconfirmed};

/// Plans the next step.
///
/// A plan that replaces credentials requires a Secret that was read, or a watch that is known to be current. Otherwise the
/// plan is to read the Secret first. After a read, the plan is never to read again.
pub fn plan<'a>(
    desired: &'a Desired,
    observed: Observed<'_>,
    withdrawn: WithdrawnSecrets,
    now: Timestamp,
) -> Decision<'a> {
    let Observed { secret, verified, record, status, attempted_request, inputs_changed, .. } =
        observed;
    let context = Context {
        desired,
        status,
        withdrawn,
        back_off: backing_off(desired, status, attempted_request, inputs_changed, now),
        requested: requested_renewal(desired, status),
        retried: retried(desired, status, now),
        called_at: observed.called_at,
        was_written: verified
            && record.is_some()
            && status.failure.is_none()
            && !matches!(secret, SecretView::Watched(WatchedSecret::Foreign)),
        now,
    };
    let mut pending = observed.pending.filter(|pending| context.is_usable(pending));
    let secret = if is_first_issue(status, record, pending.as_ref(), &secret) {
        SecretView::Read(ReadSecret::Absent)
    } else {
        secret
    };
    let must_read_first = matches!(secret, SecretView::Watched(_)) && !verified;
    let (plan, known) = match trusted(desired, status, secret, context.back_off) {
        Trusted::Secret(secret) => {
            pending = pending.filter(|pending| !is_superseded(pending, desired, &secret));
            let known = KnownSecret::of(desired, &secret);
            (context.plan(secret, &mut pending), known)
        }
        Trusted::Nothing { read, annotated } => {
            (context.plan_unread(read), KnownSecret::Unread(record.cloned().or(annotated)))
        }
    };
    match plan {
        // A removal needs no read: its precondition is the version that the watch shows.
        Plan::Issue(_) if must_read_first => Decision { plan: Plan::Read, known, pending },
        Plan::WritePending { pending, .. } if must_read_first => {
            Decision { plan: Plan::Read, known, pending: Some(pending) }
        }
        plan => Decision { plan, known, pending },
    }
}

/// Whether nothing was ever written for this resource, and no watch shows a Secret of the name. Then it is not read: the
/// write creates the Secret or conflicts. After a conflict, credentials are pending, and the Secret is read.
fn is_first_issue(
    status: &CredentialStatus,
    record: Option<&IssueRecord>,
    pending: Option<&PendingWrite>,
    secret: &SecretView,
) -> bool {
    matches!(secret, SecretView::Watched(WatchedSecret::Absent))
        && status.secret.is_none()
        && record.is_none()
        && pending.is_none()
}

/// Whether the Secret contains the pending credentials (the reply to their write was lost), or newer ones that match
/// the request (another leader wrote them). Times are whole seconds: of two issues within one second, neither is newer.
fn is_superseded(pending: &PendingWrite, desired: &Desired, secret: &ReadSecret) -> bool {
    let ReadSecret::Owned(owned) = secret else { return false };
    let credentials = &pending.credentials;
    owned.intact_record().is_some_and(|record| {
        record.request_hash == desired.request_hash
            && (record.issued_at > credentials.issued_at
                || record.fingerprint == credentials.fingerprint())
    })
}

/// The inputs of a plan other than the Secret.
struct Context<'a, 'b> {
    desired: &'a Desired,
    status: &'b CredentialStatus,
    withdrawn: WithdrawnSecrets,
    back_off: Option<BackOff>,
    requested: Option<&'b str>,
    /// The failure of the last call, if the time of the next attempt has come.
    retried: Option<Class>,
    called_at: Option<Timestamp>,
    /// Whether the last write of the Secret by this process succeeded, so the watch will show it.
    was_written: bool,
    now: Timestamp,
}

impl<'a> Context<'a, '_> {
    fn waits_for_secret(&self) -> bool {
        self.back_off.is_some_and(|back_off| back_off.about_secret)
    }

    /// Whether pending credentials may still be written.
    fn is_usable(&self, pending: &PendingWrite) -> bool {
        self.desired.denied.is_none()
            && pending.request_hash == self.desired.request_hash
            && pending.credentials.expiration > self.now
    }

    /// The plan while the Secret is not known. `read` says whether it may be read now.
    fn plan_unread(&self, read: bool) -> Plan<'a> {
        match &self.desired.denied {
            None if self.desired.deleted => Plan::Ignore,
            Some(_) | None if read => match self.watch_is_behind_until() {
                Some(until) => Plan::Delay(until),
                None => Plan::Read,
            },
            None if self.desired.suspended && self.back_off.is_none() => Plan::UpToDate,
            Some(problem) if !self.waits_for_secret() => Plan::ReportDenied(problem.clone()),
            Some(_) | None => Plan::BackOff,
        }
    }

    fn plan(&self, secret: ReadSecret, pending: &mut Option<PendingWrite>) -> Plan<'a> {
        let desired = self.desired;
        match &desired.denied {
            Some(problem) => return self.denied(secret, problem),
            None if desired.deleted => return Plan::Ignore,
            None if desired.suspended => return Plan::UpToDate,
            None => {}
        }
        let (request, target) = match writable(desired, &secret) {
            Ok(writable) => writable,
            Err(_) if self.back_off.is_some() => return Plan::BackOff,
            Err(problem) => return Plan::Report(problem),
        };
        match pending.take() {
            None => self.issue_or_rewrite(secret, request, target),
            Some(mut pending) if self.back_off.is_none() => {
                // No workload has used these credentials yet, so they also satisfy a newer renewal request.
                pending.renew_request.clone_from(&desired.renew_request);
                Plan::WritePending { pending, target }
            }
            waiting => {
                *pending = waiting;
                Plan::BackOff
            }
        }
    }

    /// The plan for a request that the grants deny. It also applies to suspended resources, and to deleted resources
    /// that a finalizer keeps: workloads could still use the Secret.
    fn denied(&self, secret: ReadSecret, problem: &Problem) -> Plan<'a> {
        let owned = match secret {
            ReadSecret::Owned(owned) => owned,
            ReadSecret::Absent | ReadSecret::Foreign(_) | ReadSecret::Adoptable(_)
                if self.desired.deleted =>
            {
                return Plan::Ignore;
            }
            ReadSecret::Absent | ReadSecret::Foreign(_) | ReadSecret::Adoptable(_) => {
                return Plan::ReportDenied(problem.clone());
            }
        };
        let stays_until = self.withdrawn.stays_until(&owned, self.status);
        match stays_until.filter(|until| *until > self.now) {
            Some(until) if !owned.terminating => {
                Plan::ReportDenied(while_it_stays(problem, &self.desired.secret_name, until))
            }
            Some(_) | None if self.waits_for_secret() => Plan::BackOff,
            Some(_) | None if owned.terminating => Plan::ReportDenied(problem.clone()),
            Some(_) | None => {
                let expiration = WithdrawnSecrets::Expire.stays_until(&owned, self.status);
                let expired = expiration.is_some_and(|at| at <= self.now);
                Plan::Remove { version: owned.version, problem: problem.clone(), expired }
            }
        }
    }

    fn issue_or_rewrite(
        &self,
        secret: ReadSecret,
        request: &'a SignedRequest,
        target: WriteTarget,
    ) -> Plan<'a> {
        let cause = self.cause(&secret);
        let delayed = cause.filter(|_| self.back_off.is_none()).and_then(|c| self.delayed_until(c));
        if let Some(cause) = cause.filter(|_| self.back_off.is_none() && delayed.is_none()) {
            let due = self.due(cause, &secret);
            let refused = self.retried.is_some_and(|class| match class {
                Class::Blocked | Class::Refused => true,
                Class::Throttled | Class::Transient => false,
            });
            return Plan::Issue(Issue { cause, request, due, refused, target });
        }
        match secret {
            ReadSecret::Owned(OwnedSecret {
                content: Content::Intact { credentials, in_shape: false },
                record: Some(record),
                version,
                ..
            }) if !self.waits_for_secret() => {
                Plan::Rewrite(Box::new(Rewrite { record, credentials, version }))
            }
            ReadSecret::Owned(OwnedSecret {
                content: Content::Intact { in_shape: false, .. },
                ..
            }) => Plan::BackOff,
            ReadSecret::Owned(_)
            | ReadSecret::Absent
            | ReadSecret::Foreign(_)
            | ReadSecret::Adoptable(_) => match (delayed, cause) {
                (Some(until), _) => Plan::Delay(until),
                (None, Some(_)) => Plan::BackOff,
                (None, None) => Plan::UpToDate,
            },
        }
    }

    fn cause(&self, secret: &ReadSecret) -> Option<IssueCause> {
        let ReadSecret::Owned(owned) = secret else { return Some(IssueCause::Missing) };
        let Some(record) = owned.intact_record() else { return Some(IssueCause::Damaged) };
        let (issued, expires) = (record.issued_at, record.expiration);
        if record.request_hash != self.desired.request_hash {
            Some(IssueCause::RequestChanged)
        } else if self.desired.expires_here(issued, expires) <= self.now {
            Some(IssueCause::Expired)
        } else if self.requested.is_some() && self.requested != record.renew_request.as_deref() {
            Some(IssueCause::Requested)
        } else if self.desired.schedule(issued, expires).renew_at <= self.now {
            Some(IssueCause::Due)
        } else {
            None
        }
    }

    /// Since when, or until when, new credentials are needed. A resource that fails begins to wait again with each
    /// attempt, so its expired credentials do not stay more urgent than all others. A resource that STS throttled does
    /// not fail by itself, so it is as urgent as before.
    fn due(&self, cause: IssueCause, secret: &ReadSecret) -> Timestamp {
        let expiration = match secret {
            ReadSecret::Owned(owned) => owned.record.as_ref().map(|record| record.expiration),
            ReadSecret::Absent | ReadSecret::Foreign(_) | ReadSecret::Adoptable(_) => None,
        };
        let due = match cause {
            IssueCause::Due | IssueCause::Expired => expiration,
            IssueCause::Missing if self.status.issued_at.is_none() => self.desired.created,
            IssueCause::Missing
            | IssueCause::Damaged
            | IssueCause::RequestChanged
            | IssueCause::Requested => None,
        };
        let due = due.unwrap_or(self.now);
        let failure = self.status.failure.as_ref();
        let fails = failure.is_some_and(|failure| failure.class != Class::Throttled);
        if fails { due.max(self.now) } else { due }
    }

    /// Until when the watch may be behind the write that followed the last call.
    fn watch_is_behind_until(&self) -> Option<Timestamp> {
        let until = self.called_at? + WATCH_LAG;
        (self.was_written && self.now < until).then_some(until)
    }

    /// Until when to delay a call that a user causes, because the last one was only seconds ago. The retry of a failed
    /// call has its own backoff.
    fn delayed_until(&self, cause: IssueCause) -> Option<Timestamp> {
        let until = self.called_at? + CALL_INTERVAL;
        (cause != IssueCause::Due && self.retried.is_none() && self.now < until).then_some(until)
    }
}

/// The request to make, and the object to write its credentials to.
fn writable<'a>(
    desired: &'a Desired,
    secret: &ReadSecret,
) -> Result<(&'a SignedRequest, WriteTarget), Problem> {
    let target = match secret {
        ReadSecret::Foreign(holder) => return Err(conflict(desired, holder)),
        ReadSecret::Absent => WriteTarget::New,
        ReadSecret::Adoptable(version) => WriteTarget::Existing(version.clone()),
        ReadSecret::Owned(owned) => WriteTarget::Existing(owned.version.clone()),
    };
    let request = desired.request.as_ref();
    let request = request.map_err(|invalid| Problem::new(Reason::InvalidSpec, invalid.to_string()));
    Ok((request?, target))
}

fn conflict(desired: &Desired, holder: &str) -> Problem {
    let name = &desired.secret_name;
    Problem::new(
        Reason::SecretConflict,
        format!(
            "Secret {name} exists and does not belong to this resource: {holder}. It was not changed. \
             Delete that Secret if it is not needed, or use another spec.secret.name in a new TemporaryCredential"
        ),
    )
}
