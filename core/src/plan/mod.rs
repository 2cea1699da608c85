//! What to do next: a pure decision over what is desired, what is observed, and the time.

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::api::CredentialStatus;
use crate::backoff::{BackOff, backing_off, requested_renewal};
use crate::credentials::Credentials;
use crate::desired::{Desired, SignedRequest};
use crate::observed::{
    Content, KnownSecret, Observed, OwnedSecret, PendingWrite, ReadSecret, SecretView,
    WatchedSecret,
};
use crate::problem::{Problem, Reason};
use crate::schedule::LEAST_AGE;
use crate::secret::{IssueRecord, SecretVersion, WriteTarget};

/// What to do next.
pub enum Plan<'a> {
    /// Nothing: the resource is being deleted, and its Secret with it.
    Ignore,
    /// Read the Secret from the API server, and plan again.
    Read,
    /// Wait for the next renewal: the Secret is as desired.
    UpToDate,
    /// Wait for the next attempt after a failure.
    BackOff,
    /// Ask STS for credentials, then write them.
    Issue(Issue<'a>),
    /// Write credentials that were issued earlier.
    WritePending {
        /// The credentials.
        pending: PendingWrite,
        /// What the write replaces.
        target: WriteTarget,
    },
    /// Write the credentials in the Secret again, in the desired shape.
    Rewrite(Box<Rewrite>),
    /// Remove the Secret, and report why.
    Remove {
        /// The version to remove.
        version: SecretVersion,
        /// Why.
        problem: Problem,
    },
    /// Report what is wrong: there is nothing else to do.
    Report(Problem),
    /// Report that no grant allows the request.
    ReportDenied(Problem),
}

/// New credentials to ask STS for.
pub struct Issue<'a> {
    /// Why they are needed.
    pub cause: IssueCause,
    /// The request to make.
    pub request: &'a SignedRequest,
    /// When the credentials that they replace expire.
    pub deadline: Option<Timestamp>,
    /// What the write replaces.
    pub target: WriteTarget,
}

/// A Secret to write again.
pub struct Rewrite {
    /// The record of the issue.
    pub record: IssueRecord,
    /// The credentials, as they were read from the Secret.
    pub credentials: Credentials,
    /// The version that they were read from.
    pub version: SecretVersion,
}

impl Plan<'_> {
    /// Whether it attempts something: then a failure decides when the next attempt is made.
    pub fn is_attempt(&self) -> bool {
        match self {
            Self::Issue(_)
            | Self::WritePending { .. }
            | Self::Rewrite(_)
            | Self::Remove { .. }
            | Self::Report(_)
            | Self::ReportDenied(_) => true,
            Self::Ignore | Self::Read | Self::UpToDate | Self::BackOff => false,
        }
    }
}

/// Why new credentials are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueCause {
    /// There is no Secret.
    Missing,
    /// The Secret does not hold what was written.
    Damaged,
    /// The spec asks for other credentials than the Secret holds.
    RequestChanged,
    /// The credentials have expired.
    Expired,
    /// A renewal is requested by annotation.
    Requested,
    /// The renewal time has come.
    Due,
}

impl IssueCause {
    /// The name, as logs and traces carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Damaged => "Damaged",
            Self::RequestChanged => "RequestChanged",
            Self::Expired => "Expired",
            Self::Requested => "Requested",
            Self::Due => "Due",
        }
    }

    /// Whether the new credentials replace a missing or damaged Secret.
    pub fn is_repair(self) -> bool {
        matches!(self, Self::Missing | Self::Damaged)
    }
}

/// A plan, and what belongs to it.
pub struct Decision<'a> {
    /// What to do.
    pub plan: Plan<'a>,
    /// What the status says about the Secret, unless the plan changes it.
    pub known: KnownSecret,
    /// Credentials that are not written yet and that the plan does not write: they are kept.
    pub pending: Option<PendingWrite>,
}

/// Decides.
///
/// A plan that replaces or removes credentials is made only from a Secret that was read, or from a watch that is
/// known not to be behind; otherwise the plan is to read first. After a read, the plan is never to read again.
pub fn plan<'a>(desired: &'a Desired, observed: Observed<'_>, now: Timestamp) -> Decision<'a> {
    let Observed { secret, verified, record, status, pending, .. } = observed;
    let back_off =
        backing_off(desired, status, observed.attempted_request, observed.inputs_changed, now);
    let must_read_first = matches!(secret, SecretView::Watched(_)) && !verified;
    let pending = pending.filter(|pending| is_usable(pending, desired, now));
    let secret = match trusted(desired, status, secret, back_off) {
        Trusted::Secret(secret) => secret,
        Trusted::Nothing { read, annotated } => {
            let known = KnownSecret::Unread(record.cloned().or(annotated));
            let plan = match &desired.denied {
                _ if desired.deleted && desired.denied.is_none() => Plan::Ignore,
                _ if read => Plan::Read,
                Some(problem) if !back_off.is_some_and(|b| b.about_secret) => {
                    Plan::ReportDenied(problem.clone())
                }
                Some(_) | None => Plan::BackOff,
            };
            return Decision { plan, known, pending };
        }
    };
    let known = KnownSecret::of(desired, &secret);
    let pending = pending.filter(|pending| !is_superseded(pending, desired, &secret));
    let plan = match &desired.denied {
        Some(problem) => {
            let plan = denied(desired, secret, problem, back_off);
            return Decision { plan: read_first(plan, must_read_first), known, pending };
        }
        None if desired.deleted => Plan::Ignore,
        None if desired.suspended => Plan::UpToDate,
        None => {
            let needs = Needs {
                desired,
                back_off,
                requested: requested_renewal(desired, status),
                repaired_at: observed.repaired_at,
                now,
            };
            return match (pending, writable(desired, &secret)) {
                (pending, Err(problem)) => {
                    let plan = needs.unless_backing_off(Plan::Report(problem));
                    Decision { plan, known, pending }
                }
                (Some(pending), Ok(_)) if back_off.is_some() => {
                    Decision { plan: Plan::BackOff, known, pending: Some(pending) }
                }
                (Some(pending), Ok(_)) if must_read_first => {
                    Decision { plan: Plan::Read, known, pending: Some(pending) }
                }
                (Some(pending), Ok((_, target))) => {
                    Decision { plan: Plan::WritePending { pending, target }, known, pending: None }
                }
                (None, Ok((request, target))) => {
                    let plan = needs.plan(secret, request, target);
                    Decision { plan: read_first(plan, must_read_first), known, pending: None }
                }
            };
        }
    };
    Decision { plan, known, pending }
}

/// A plan that replaces or removes credentials, unless the Secret must be read first.
fn read_first(plan: Plan<'_>, must_read_first: bool) -> Plan<'_> {
    match plan {
        Plan::Issue(_) | Plan::WritePending { .. } | Plan::Remove { .. } if must_read_first => {
            Plan::Read
        }
        other => other,
    }
}

/// What is known of the Secret for certain.
enum Trusted {
    /// This.
    Secret(ReadSecret),
    /// Nothing yet.
    Nothing {
        /// Whether to read the Secret now; otherwise a failure waits for its next attempt, and reading is part of
        /// that attempt.
        read: bool,
        /// The record that the watch knows of.
        annotated: Option<IssueRecord>,
    },
}

/// In steady state the watch is enough: it shows the version that was last written or verified. Any other version
/// is read, because an edit shows only in the data.
fn trusted(
    desired: &Desired,
    status: &CredentialStatus,
    secret: SecretView,
    back_off: Option<BackOff>,
) -> Trusted {
    // Each failed read is written to the status, and that write triggers a reconciliation: without waiting here,
    // reads would repeat endlessly.
    let read = !back_off.is_some_and(|back_off| back_off.about_secret);
    let recorded = status.secret.as_ref().filter(|secret| secret.name == desired.secret_name);
    match secret {
        SecretView::Read(secret) => Trusted::Secret(secret),
        SecretView::Watched(WatchedSecret::Unknown) => {
            let nothing_written = back_off.is_some() && recorded.is_none();
            Trusted::Nothing { read: read && !nothing_written, annotated: None }
        }
        SecretView::Watched(WatchedSecret::Foreign) => Trusted::Nothing { read, annotated: None },
        SecretView::Watched(WatchedSecret::Owned(owned)) => {
            let recorded = recorded.map(|secret| &secret.resource_version);
            let same_version = recorded == Some(&owned.version.resource_version);
            let render_hash = owned.record.as_ref().map(|record| &record.render_hash);
            // A suspended Secret stays in its shape. Edits while it was suspended were not repaired.
            let in_shape = desired.suspended
                || (render_hash == Some(&desired.render_hash) && !was_suspended(status));
            if same_version && in_shape {
                Trusted::Secret(ReadSecret::Owned(owned))
            } else {
                Trusted::Nothing { read, annotated: owned.record }
            }
        }
    }
}

fn was_suspended(status: &CredentialStatus) -> bool {
    status.readiness().is_some_and(|ready| ready.reason == Some(Reason::Suspended))
}

/// What to do with a Secret that no grant allows any more. Also applies to suspended resources, and to deleted
/// ones that a finalizer keeps: workloads could still use the Secret.
fn denied<'a>(
    desired: &Desired,
    secret: ReadSecret,
    problem: &Problem,
    back_off: Option<BackOff>,
) -> Plan<'a> {
    match secret {
        ReadSecret::Owned(_) if back_off.is_some_and(|back_off| back_off.about_secret) => {
            Plan::BackOff
        }
        ReadSecret::Owned(owned) if !owned.terminating => {
            Plan::Remove { version: owned.version, problem: problem.clone() }
        }
        ReadSecret::Absent | ReadSecret::Foreign(_) if desired.deleted => Plan::Ignore,
        ReadSecret::Owned(_) | ReadSecret::Absent | ReadSecret::Foreign(_) => {
            Plan::ReportDenied(problem.clone())
        }
    }
}

/// The request to make and where to write its credentials.
fn writable<'a>(
    desired: &'a Desired,
    secret: &ReadSecret,
) -> Result<(&'a SignedRequest, WriteTarget), Problem> {
    let target = match secret {
        ReadSecret::Foreign(holder) => return Err(conflict(desired, holder)),
        ReadSecret::Absent => WriteTarget::New,
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

/// Whether pending credentials may still be written.
fn is_usable(pending: &PendingWrite, desired: &Desired, now: Timestamp) -> bool {
    desired.denied.is_none()
        && pending.request_hash == desired.request_hash
        && pending.credentials.expiration > now
}

/// Whether the Secret holds the pending credentials, or newer ones that match the request: from a write whose
/// reply was lost, or from another leader. Times are whole seconds: of two issues within one second, neither is
/// newer.
fn is_superseded(pending: &PendingWrite, desired: &Desired, secret: &ReadSecret) -> bool {
    let ReadSecret::Owned(owned) = secret else { return false };
    let credentials = &pending.credentials;
    owned.intact_record().is_some_and(|record| {
        record.request_hash == desired.request_hash
            && (record.issued_at > credentials.issued_at
                || record.fingerprint == credentials.fingerprint())
    })
}

/// What decides whether new credentials are needed, besides the Secret.
struct Needs<'a> {
    desired: &'a Desired,
    back_off: Option<BackOff>,
    requested: Option<&'a str>,
    repaired_at: Option<Timestamp>,
    now: Timestamp,
}

impl<'a> Needs<'a> {
    fn plan(
        &self,
        secret: ReadSecret,
        request: &'a SignedRequest,
        target: WriteTarget,
    ) -> Plan<'a> {
        let cause = self.cause(&secret);
        match cause {
            Some(cause) if self.back_off.is_none() && !self.is_hasty(cause) => {
                let deadline = match &secret {
                    ReadSecret::Owned(owned) => owned.record.as_ref().map(|r| r.expiration),
                    ReadSecret::Absent | ReadSecret::Foreign(_) => None,
                };
                return Plan::Issue(Issue { cause, request, deadline, target });
            }
            Some(_) | None => {}
        }
        match secret {
            ReadSecret::Owned(OwnedSecret {
                content: Content::Intact { credentials, in_shape: false },
                record: Some(record),
                version,
                ..
            }) if !self.back_off.is_some_and(|back_off| back_off.about_secret) => {
                Plan::Rewrite(Box::new(Rewrite { record, credentials, version }))
            }
            ReadSecret::Owned(OwnedSecret {
                content: Content::Intact { in_shape: false, .. },
                ..
            }) => Plan::BackOff,
            ReadSecret::Owned(_) | ReadSecret::Absent | ReadSecret::Foreign(_) => {
                if cause.is_some() { Plan::BackOff } else { Plan::UpToDate }
            }
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

    /// Whether this would be the second repair within seconds: a user or program keeps deleting or editing the
    /// Secret, and each repair costs an STS call.
    fn is_hasty(&self, cause: IssueCause) -> bool {
        cause.is_repair() && self.repaired_at.is_some_and(|at| self.now < at + LEAST_AGE)
    }

    fn unless_backing_off(&self, plan: Plan<'a>) -> Plan<'a> {
        if self.back_off.is_some() { Plan::BackOff } else { plan }
    }
}
