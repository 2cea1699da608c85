//! What to do next: a pure decision over what is desired, what is there, and the time.

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::desired::Desired;
use crate::failure::Problem;
use crate::minted::Minted;
use crate::observed::{Content, Observed, SecretState, is_about_secret, requested, waiting_for};
use crate::reason::Reason;
use crate::schedule::LEAST_AGE;

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Plan {
    /// The resource is being deleted, and its Secret goes with it: touch nothing.
    Leave,
    /// All is as it should be until the next renewal.
    Rest,
    /// Something is to be done, but a failure waits for its next attempt.
    Wait,
    /// Ask STS, then write.
    Mint(Why),
    /// Write credentials that are at hand.
    Write(Source),
    /// Take the Secret away, and say why.
    Remove(Problem),
    /// Nothing can be done: say why.
    Report(Problem),
}

impl Plan {
    /// Whether it does away with the credentials in the Secret.
    pub fn ends_credentials(&self) -> bool {
        match self {
            Self::Mint(_) | Self::Write(Source::Held) | Self::Remove(_) => true,
            Self::Leave
            | Self::Rest
            | Self::Wait
            | Self::Report(_)
            | Self::Write(Source::Secret) => false,
        }
    }
}

/// Why new credentials are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no Secret.
    Missing,
    /// The Secret no longer holds what was written.
    Damaged,
    /// The spec asks for something else than what the Secret holds.
    RequestChanged,
    /// The credentials have expired.
    Expired,
    /// Somebody asked for a renewal by annotation.
    Requested,
    /// It is time.
    Due,
}

/// Where credentials that need no call to STS come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Issued earlier, and not written yet.
    Held,
    /// Read from the Secret itself.
    Secret,
}

/// Decides.
pub fn plan(desired: &Desired, seen: &Observed<'_>, now: Timestamp) -> Plan {
    let waiting = waiting_for(desired, seen.status, seen.attempted_request, now);
    let must_wait = waiting.is_some();
    let unless_waiting = |plan| if must_wait { Plan::Wait } else { plan };

    if let Some(problem) = &desired.denied {
        // Also what is suspended, or kept from ending by a finalizer: what stays there would still be used.
        return match &seen.secret {
            // Told already, and back since: that waits for nothing.
            SecretState::Ours(holding)
                if !holding.ending && !waiting.is_some_and(is_about_secret) =>
            {
                Plan::Remove(problem.clone())
            }
            SecretState::Ours(_) => unless_waiting(Plan::Remove(problem.clone())),
            SecretState::Absent | SecretState::Foreign(_) if desired.deleted => Plan::Leave,
            SecretState::Absent | SecretState::Foreign(_) => {
                unless_waiting(Plan::Report(problem.clone()))
            }
        };
    }
    if desired.deleted {
        return Plan::Leave;
    }
    if desired.suspended {
        return Plan::Rest;
    }
    if let SecretState::Foreign(holder) = &seen.secret {
        return unless_waiting(Plan::Report(conflict(desired, holder)));
    }
    if let Some(invalid) = desired.operation.as_ref().err().or(desired.caller.as_ref().err()) {
        return unless_waiting(Plan::Report(Problem::new(
            Reason::InvalidSpec,
            invalid.to_string(),
        )));
    }
    let held = seen.held.filter(|held| {
        held.request_hash == desired.request_hash
            && held.minted.expiration > now
            && !holds_as_new(desired, &seen.secret, &held.minted)
    });
    if held.is_some() {
        return unless_waiting(Plan::Write(Source::Held));
    }
    let may_write = !waiting.is_some_and(is_about_secret);
    match need(desired, seen, now) {
        Some(why) if !must_wait && !is_hasty(why, seen, now) => Plan::Mint(why),
        Some(_) | None if is_untidy(&seen.secret) && may_write => Plan::Write(Source::Secret),
        Some(_) => Plan::Wait,
        None if is_untidy(&seen.secret) => Plan::Wait,
        None => Plan::Rest,
    }
}

/// Whether the Secret holds what is held, or something newer that answers the request too: written by a write
/// of ours whose answer was lost, or by another leader. Times are whole seconds: of two credentials of
/// one second, neither is newer.
fn holds_as_new(desired: &Desired, secret: &SecretState, held: &Minted) -> bool {
    let SecretState::Ours(holding) = secret else { return false };
    let intact = !matches!(holding.content, Content::Read { credentials: None, .. });
    let facts = holding.facts.as_ref().filter(|_| intact);
    facts.is_some_and(|facts| {
        facts.request_hash == desired.request_hash
            && (facts.issued_at > held.issued_at || facts.fingerprint == held.fingerprint())
    })
}

/// Whether it would be the second repair within seconds: something keeps deleting or editing the
/// Secret, and STS shall not pay for it at the speed of a loop.
fn is_hasty(why: Why, seen: &Observed<'_>, now: Timestamp) -> bool {
    let repairs = matches!(why, Why::Missing | Why::Damaged);
    repairs && seen.repaired_at.is_some_and(|at| now < at + LEAST_AGE)
}

fn need(desired: &Desired, seen: &Observed<'_>, now: Timestamp) -> Option<Why> {
    let SecretState::Ours(holding) = &seen.secret else {
        return Some(Why::Missing);
    };
    let Some(facts) = &holding.facts else {
        return Some(Why::Damaged);
    };
    if matches!(holding.content, Content::Read { credentials: None, .. }) {
        Some(Why::Damaged)
    } else if facts.request_hash != desired.request_hash {
        Some(Why::RequestChanged)
    } else if desired.expires_here(facts.issued_at, facts.expiration) <= now {
        Some(Why::Expired)
    } else if requested(desired, seen.status)
        .is_some_and(|request| Some(request) != facts.renew_request.as_deref())
    {
        Some(Why::Requested)
    } else if desired.schedule(facts.issued_at, facts.expiration).renew_at <= now {
        Some(Why::Due)
    } else {
        None
    }
}

/// Whether the Secret holds good credentials in a shape that is not what it should be.
fn is_untidy(secret: &SecretState) -> bool {
    let SecretState::Ours(holding) = secret else { return false };
    matches!(holding.content, Content::Read { credentials: Some(_), tidy: false })
}

fn conflict(desired: &Desired, holder: &str) -> Problem {
    let name = &desired.secret_name;
    Problem::new(
        Reason::SecretConflict,
        format!(
            "Secret {name} exists and is not this resource's: {holder}. It was not touched. \
             Delete that Secret if nobody needs it, or use another spec.secret.name in a new TemporaryCredential"
        ),
    )
}
