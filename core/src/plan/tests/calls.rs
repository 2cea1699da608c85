//! What a call to STS replaces, how urgent it is, and how soon it may follow the last one.

use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

#[test]
fn an_issue_is_as_urgent_as_what_it_replaces() {
    let plain = || Case::new(json!({"metadata": {"creationTimestamp": "1970-01-01T00:00:50Z"}}));
    let never_issued = |c: &mut Case| c.status = CredentialStatus::default();
    let issued = |c: &mut Case| c.status.issued_at = Some(Time(at(0)));
    let failing = |until| {
        move |c: &mut Case| {
            c.status = CredentialStatus { ..with_secret(failing("StsTimeout", 1, until)) }
        }
    };
    let rows = [
        ("due", plain(), 2400, 3600),
        ("due, and failing", plain().with(failing(2300)), 2400, 3600),
        ("expired", plain(), 4000, 3600),
        ("expired, and failing", plain().with(failing(3900)), 4000, 4000),
        ("a first issue", plain().absent().with(never_issued), 100, 50),
        (
            "a first issue that failed",
            plain().absent().with(|c| c.status = crate::testing::failing("StsTimeout", 1, 90)),
            100,
            100,
        ),
        ("deleted", plain().absent().with(issued), 100, 100),
        ("damaged", plain().read(Content::Damaged), 100, 100),
    ];
    for (row, mut case, now, expected) in rows {
        let Plan::Issue(Issue { due, .. }) = case.decide(now).plan else { panic!("{row}") };
        assert_eq!(due, at(expected), "{row}");
    }
}

#[test]
fn a_repair_may_follow_the_last_call_after_some_seconds_and_not_before() {
    for (called, expected) in [(95, "Issue(Missing)"), (96, "Delay")] {
        let case = Case::new(json!({})).absent().with(|c| c.called_at = Some(at(called)));
        assert_eq!(case.plan(100), expected, "called at {called}");
    }
}

#[test]
fn an_issue_replaces_exactly_the_version_that_was_observed() {
    let version = SecretVersion { uid: "s".to_owned(), resource_version: "10".to_owned() };
    let rows = [
        ("a new Secret", Case::new(json!({})).absent(), WriteTarget::New),
        ("an owned one", Case::new(json!({})), WriteTarget::Existing(version)),
    ];
    for (row, mut case, expected) in rows {
        let Plan::Issue(Issue { target, .. }) = case.decide(2400).plan else { panic!("{row}") };
        assert_eq!(target, expected, "{row}");
    }
}
