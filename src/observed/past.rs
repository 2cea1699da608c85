//! What is remembered of the credentials in a Secret, and how far its own annotations are believed.

use jiff::{SignedDuration, Timestamp};

use super::Held;
use crate::api::CredentialStatus;
use crate::desired::Desired;
use crate::minted::Minted;
use crate::secret::Facts;

/// What is known of a Secret's credentials from elsewhere than the Secret.
///
/// Whoever may edit a Secret can write any date and any hash on it. So its annotations are believed only
/// by a process that knows nothing yet, and then within limits.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    /// What it was last written with, or believed to say, in this term.
    pub facts: Option<&'a Facts>,
    /// Whether nobody else can have written it since: not until it was read or written in this term, and not
    /// after a conflict.
    pub certain: bool,
    /// What may have been written without an answer.
    pub held: Option<&'a Held>,
    /// The last status.
    pub status: &'a CredentialStatus,
}

/// How far the clock of whoever wrote a Secret may have been ahead of ours.
const TOLERATED_LEAD: SignedDuration = SignedDuration::from_mins(5);

impl Past<'_> {
    /// What is known without the Secret to have been written to it, if it was.
    pub(super) fn written(&self, desired: &Desired) -> Vec<Facts> {
        let held = self.held.map(|held| Facts::of(desired, &held.request_hash, &held.minted));
        self.facts.cloned().into_iter().chain(held).collect()
    }

    /// Whether the annotations may tell something that is not known.
    pub(super) fn may_tell(&self, annotated: &Facts, now: Timestamp) -> bool {
        let known = self.facts.is_some() && self.certain;
        !known && annotated.issued_at <= now + TOLERATED_LEAD
    }

    /// What annotations tell that fit these credentials, as far as the status does not know better; `None`
    /// if the credentials are older than those of the status. The status may be behind by one rotation, as
    /// after a crash, but never ahead.
    pub(super) fn dated(&self, mut facts: Facts, mut minted: Minted) -> Option<(Facts, Minted)> {
        let Some((issued, expires)) = self.dates() else { return Some((facts, minted)) };
        let keys = minted.access_key_id().zip(self.status.access_key_id.as_deref());
        // Tokens have no key.
        if keys.map_or(facts.issued_at == issued, |(one, other)| one == other) {
            (facts.issued_at, facts.expiration) = (issued, expires);
            (minted.issued_at, minted.expiration) = (issued, expires);
        } else if facts.issued_at < issued {
            // Of two of one second, either may be the newer.
            return None;
        }
        Some((facts, minted))
    }

    /// When the credentials of the status were issued, and when they expire.
    pub(super) fn dates(&self) -> Option<(Timestamp, Timestamp)> {
        let dates = self.status.issued_at.as_ref().zip(self.status.expiration.as_ref());
        dates.map(|(issued, expires)| (issued.0, expires.0))
    }
}
