//! The status of a grant.

use jiff::Timestamp;

use super::invalid::InvalidGrant;
use crate::api::GrantStatus;
use crate::api::condition::{ConditionDraft, READY, conditions};
use crate::problem::Reason;

/// Computes the next status of a grant from its generation, its error if it is invalid, and the number of resources
/// that use it. `before` is the previous status.
pub fn status(
    (generation, invalid): (Option<i64>, Option<&InvalidGrant>),
    credentials: u32,
    before: &GrantStatus,
    now: Timestamp,
) -> GrantStatus {
    let (reason, message) = match invalid {
        None => ("InEffect", "The grant is in effect.".to_owned()),
        Some(invalid) => {
            let message = format!(
                "The grant is invalid, so it allows nothing and blocks what it matches: {invalid}."
            );
            (Reason::GrantInvalid.as_str(), message)
        }
    };
    let ready = ConditionDraft { type_: READY, is_true: invalid.is_none(), reason, message };
    GrantStatus {
        observed_generation: generation,
        conditions: conditions([ready], &before.conditions, generation, now),
        credentials: Some(credentials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    #[test]
    fn shows_whether_the_grant_is_in_effect_and_since_when() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let good = status((Some(1), None), 3, &GrantStatus::default(), at(10));
        assert_eq!((good.credentials, good.conditions[0].status.as_str()), (Some(3), "True"));
        let later = status((Some(2), None), 4, &good, at(20));
        assert_eq!(later.conditions[0].last_transition_time, Time(at(10)));
        let bad = status((Some(3), Some(&InvalidGrant::NoClusterName)), 0, &later, at(30));
        assert_eq!(bad.conditions[0].last_transition_time, Time(at(30)));
        assert_eq!(bad.conditions[0].reason, "GrantInvalid");
        assert!(bad.conditions[0].message.contains("--cluster-name"));
    }
}
