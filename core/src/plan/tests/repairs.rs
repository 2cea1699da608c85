//! Repairs of a Secret that is deleted or damaged again and again.

use super::*;

#[test]
fn a_repair_may_follow_the_last_one_after_some_seconds_and_not_before() {
    for (repaired, expected) in [(94, "Issue(Missing)"), (95, "BackOff")] {
        let case = Case::new(json!({})).absent().with(|c| c.repaired_at = Some(at(repaired)));
        assert_eq!(case.plan(100), expected, "repaired at {repaired}");
    }
}
