//! The conditions of both kinds.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Type of the condition that every resource has.
pub const READY: &str = "Ready";

/// A condition without its transition time.
pub struct ConditionDraft {
    /// The type.
    pub type_: &'static str,
    /// Whether it is `True` or `False`.
    pub is_true: bool,
    /// The reason, in UpperCamelCase.
    pub reason: &'static str,
    /// The message for people.
    pub message: String,
}

/// Converts drafts to conditions. The transition time changes only with the status of the condition.
///
/// `before` are the conditions of the previous status.
pub fn conditions(
    drafts: impl IntoIterator<Item = ConditionDraft>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |draft: ConditionDraft| {
        let status = if draft.is_true { "True" } else { "False" };
        let same = before.iter().find(|c| c.type_ == draft.type_ && c.status == status);
        Condition {
            type_: draft.type_.to_owned(),
            status: status.to_owned(),
            reason: draft.reason.to_owned(),
            message: draft.message,
            observed_generation: generation,
            last_transition_time: same.map_or(Time(now), |c| c.last_transition_time.clone()),
        }
    };
    drafts.into_iter().map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(is_true: bool) -> ConditionDraft {
        ConditionDraft { type_: READY, is_true, reason: "R", message: "m".to_owned() }
    }

    #[test]
    fn the_transition_time_changes_only_with_the_status() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = conditions([draft(true)], &[], Some(1), at(10));
        let same = conditions([draft(true)], &first, Some(2), at(20));
        let other = conditions([draft(false)], &same, Some(3), at(30));
        let seen = [&first, &same, &other].map(|all| {
            let c = &all[0];
            (c.status.as_str(), c.observed_generation, c.last_transition_time.0.as_second())
        });
        assert_eq!(seen, [("True", Some(1), 10), ("True", Some(2), 10), ("False", Some(3), 30)]);
    }
}
