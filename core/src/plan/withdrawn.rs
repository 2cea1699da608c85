//! What becomes of the Secret of a request that the grants no longer allow.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::api::CredentialStatus;
use crate::observed::OwnedSecret;
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

impl WithdrawnSecrets {
    /// Until when a Secret stays: until its credentials expire. Damaged data and annotations do not shorten this time: a
    /// program may use the part that is intact. `None` if the Secret is to be removed immediately, or if nothing is known
    /// about credentials in it.
    ///
    /// The duration in the spec does not limit it, because the credentials may be of an earlier spec.
    pub(super) fn stays_until(
        self,
        owned: &OwnedSecret,
        status: &CredentialStatus,
    ) -> Option<Timestamp> {
        let recorded = owned.record.as_ref().map(|record| (record.issued_at, record.expiration));
        let reported = status.issued_at.as_ref().zip(status.expiration.as_ref());
        let reported = reported.map(|(issued, expires)| (issued.0, expires.0));
        let (issued, expires) = match self {
            Self::Expire => recorded.or(reported)?,
            Self::Remove => return None,
        };
        // Saturating: the annotation of a Secret may contain any time.
        Some(issued.saturating_add(LONGEST_LIFETIME).unwrap_or(expires).min(expires))
    }
}

/// Wait before an unconfirmed denial is confirmed again, if the caches do not change before.
pub const CONFIRM_AGAIN: Duration = Duration::from_secs(10);

/// The denial of a resource whose Secret stays until this time.
pub(super) fn while_it_stays(denial: &Problem, secret_name: &str, until: Timestamp) -> Problem {
    let stays = format!("until its credentials expire at {until}, and is removed then.");
    that_stays(denial, secret_name, &stays)
}

/// The denial of a resource whose Secret would be removed, if the API server confirmed the denial.
pub fn while_unconfirmed(denial: &Problem, secret_name: &str) -> Problem {
    let stays = format!(
        "for now: the API server does not confirm this, so the operator may not have seen the last change of the grants, the \
         labels of the namespace or the spec. It asks again every {} seconds.",
        CONFIRM_AGAIN.as_secs()
    );
    that_stays(denial, secret_name, &stays)
}

fn that_stays(denial: &Problem, secret_name: &str, stays: &str) -> Problem {
    let why = denial.message.trim_end_matches('.');
    Problem::new(denial.reason, format!("{why}. Secret {secret_name} stays {stays}"))
}
