//! Plans for a request that the grants deny, and what becomes of the Secret that they allowed before.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Plan};
use crate::observed::{OwnedSecret, ReadSecret};
use crate::problem::Problem;

/// What happens to the Secret of a resource whose grant was withdrawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WithdrawnSecrets {
    /// It stays until its credentials expire, and is removed then. Removing it earlier would revoke nothing at AWS, and
    /// would turn the deletion of one grant into an outage.
    #[default]
    Expire,
    /// It is removed immediately.
    Remove,
}

/// Longest lifetime of credentials that need a grant: the limit of AssumeRole. Users may edit the times in the
/// annotations of a Secret, but a withdrawn Secret never stays for longer than this after its issue.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_hours(12);

impl<'a> Context<'a, '_> {
    /// The plan for a request that the grants deny. It also applies to suspended resources, and to deleted resources
    /// that a finalizer keeps: workloads could still use the Secret.
    pub(super) fn denied(&self, secret: ReadSecret, problem: &Problem) -> Plan<'a> {
        match secret {
            ReadSecret::Owned(owned) => self.withdrawn(owned, problem),
            ReadSecret::Absent | ReadSecret::Foreign(_) if self.desired.deleted => Plan::Ignore,
            ReadSecret::Absent | ReadSecret::Foreign(_) => Plan::ReportDenied(problem.clone()),
        }
    }

    fn withdrawn(&self, owned: OwnedSecret, problem: &Problem) -> Plan<'a> {
        let stays_until = self.stays_until(&owned).filter(|until| *until > self.now);
        match stays_until {
            Some(until) if !owned.terminating => {
                let (denial, name) =
                    (problem.message.trim_end_matches('.'), &self.desired.secret_name);
                let message = format!(
                    "{denial}. Secret {name} stays until its credentials expire at {until}, and is removed then."
                );
                Plan::ReportDenied(Problem::new(problem.reason, message))
            }
            Some(_) | None if self.waits_for_secret() => Plan::BackOff,
            Some(_) | None if owned.terminating => Plan::ReportDenied(problem.clone()),
            Some(_) | None => Plan::Remove { version: owned.version, problem: problem.clone() },
        }
    }

    /// When the credentials in the Secret expire. Damaged data and annotations do not shorten this time: a program may
    /// use the part that is intact. `None` if nothing is known about credentials in the Secret.
    ///
    /// The duration in the spec does not limit it, because the credentials may be of an earlier spec.
    fn stays_until(&self, owned: &OwnedSecret) -> Option<Timestamp> {
        let recorded = owned.record.as_ref().map(|record| (record.issued_at, record.expiration));
        let reported = self.status.issued_at.as_ref().zip(self.status.expiration.as_ref());
        let reported = reported.map(|(issued, expires)| (issued.0, expires.0));
        let (issued, expires) = match self.withdrawn {
            WithdrawnSecrets::Expire => recorded.or(reported)?,
            WithdrawnSecrets::Remove => return None,
        };
        // Saturating: the annotation of a Secret may contain any time.
        Some(issued.saturating_add(LONGEST_LIFETIME).unwrap_or(expires).min(expires))
    }
}
