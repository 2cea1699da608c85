//! The status of a grant.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Flaw;
use crate::api::GrantStatus;

/// The type of the condition that says whether a grant holds.
const READY: &str = "Ready";

/// Makes the next status of a grant of this generation, with this flaw, that serves so many resources.
pub fn status(
    (generation, flaw): (Option<i64>, Option<&Flaw>),
    credentials: u32,
    before: &GrantStatus,
    now: Timestamp,
) -> GrantStatus {
    let (status, reason, message) = match flaw {
        None => ("True", "InEffect", "The grant holds.".to_owned()),
        Some(flaw) => ("False", "Invalid", format!("The grant allows nothing: {flaw}.")),
    };
    let same = before.conditions.iter().find(|c| c.type_ == READY && c.status == status);
    let ready = Condition {
        type_: READY.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: generation,
        last_transition_time: same.map_or(Time(now), |same| same.last_transition_time.clone()),
    };
    GrantStatus {
        observed_generation: generation,
        conditions: vec![ready],
        credentials: Some(credentials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_whether_the_grant_holds_and_since_when() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let good = status((Some(1), None), 3, &GrantStatus::default(), at(10));
        assert_eq!((good.credentials, good.conditions[0].status.as_str()), (Some(3), "True"));
        let later = status((Some(2), None), 4, &good, at(20));
        assert_eq!(later.conditions[0].last_transition_time, Time(at(10)));
        let bad = status((Some(3), Some(&Flaw::NoClusterName)), 0, &later, at(30));
        assert_eq!(bad.conditions[0].last_transition_time, Time(at(30)));
        assert!(bad.conditions[0].message.contains("--cluster-name"));
    }
}
