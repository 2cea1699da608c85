//! Plans for a request that no grant allows.

use super::*;
use crate::testing::denial;

/// A case with this setting, whose Secret holds credentials until 3600.
fn denied(withdrawn: WithdrawnSecrets, patch: Value) -> Case {
    Case::new(patch).with(|c| {
        c.desired.denied = Some(denial());
        c.withdrawn = withdrawn;
    })
}

fn deleted() -> Value {
    json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
}

const MESSAGE: &str = "ReportDenied(not for this namespace)";

const STAYS: &str = "ReportDenied(not for this namespace. Secret reports stays until its credentials expire at 1970-01-01T01:00:00Z, and is removed then.)";

#[test]
fn an_owned_secret_is_removed_once_and_a_foreign_one_never() {
    let case = |patch| denied(WithdrawnSecrets::Remove, patch);
    let plain = || case(json!({}));
    for (row, case, expected) in [
        ("owned", plain(), "Remove"),
        ("owned, from a watch that may be behind", plain().with(|c| c.verified = false), "Remove"),
        ("suspended", case(json!({"spec": {"suspend": true}})), "Remove"),
        ("the resource is being deleted, and a finalizer keeps it", case(deleted()), "Remove"),
        ("absent", plain().absent(), MESSAGE),
        ("absent, and the resource is being deleted", case(deleted()).absent(), "Ignore"),
        ("foreign", plain().foreign(), MESSAGE),
        ("while AWS refuses", plain().failing("AccessDenied", 200), "Remove"),
        ("reported already", plain().failing("NotGranted", 200).absent(), MESSAGE),
        ("reported already, and the Secret is back", plain().failing("NotGranted", 200), "Remove"),
        (
            "reported already, and a finalizer keeps the Secret",
            plain().failing("NotGranted", 200).with(|c| c.secret().terminating = true),
            MESSAGE,
        ),
        ("it could not be removed yet", plain().failing("ApiServerUnavailable", 200), "BackOff"),
        (
            "granted again",
            Case::new(json!({})).failing("NotGranted", 200).absent(),
            "Issue(Missing)",
        ),
    ] {
        assert_eq!(case.plan(100), expected, "{row}");
    }
}

#[test]
fn a_secret_stays_until_its_credentials_expire() {
    let case = |patch| denied(WithdrawnSecrets::Expire, patch);
    let plain = || case(json!({}));
    let status = |mut case: Case| {
        let times = json!({"issuedAt": at(0).to_string(), "expiration": at(3600).to_string()});
        let times: CredentialStatus = serde_json::from_value(times).unwrap();
        case.status.issued_at = times.issued_at;
        case.status.expiration = times.expiration;
        case
    };
    let without_record = || plain().read(Content::Damaged).with(|c| c.secret().record = None);
    let issued_at = |case: Case, issued, expires| {
        case.with(|c| {
            (c.record().issued_at, c.record().expiration) = (at(issued), at(expires));
        })
    };
    let half_a_day = 12 * 3600;
    for (row, case, now, expected) in [
        ("valid", plain(), 100, STAYS),
        ("valid, in a watch that may be behind", plain().with(|c| c.verified = false), 100, STAYS),
        ("for one second more", plain(), 3599, STAYS),
        ("expired", plain(), 3600, "Remove"),
        (
            "expired, in a watch that may be behind",
            plain().with(|c| c.verified = false),
            3600,
            "Remove",
        ),
        ("suspended", case(json!({"spec": {"suspend": true}})), 100, STAYS),
        ("suspended and expired", case(json!({"spec": {"suspend": true}})), 3600, "Remove"),
        (
            "not owned by the resource",
            case(json!({"spec": {"secret": {"deletionPolicy": "Retain"}}})),
            100,
            STAYS,
        ),
        ("the resource is being deleted, and a finalizer keeps it", case(deleted()), 100, STAYS),
        ("in another shape", plain().read(intact(false)), 100, STAYS),
        (
            "of another request",
            plain().with(|c| c.desired.request_hash = "other".to_owned()),
            100,
            STAYS,
        ),
        (
            "of an earlier spec with a longer duration",
            case(json!({"spec": {"assumeRole": {"duration": "15m"}}})),
            2000,
            STAYS,
        ),
        ("due", plain(), 2500, STAYS),
        ("a write failed before", plain().failing("ApiServerUnavailable", 200), 100, STAYS),
        (
            "it could not be removed yet",
            plain().failing("ApiServerUnavailable", 3700),
            3650,
            "BackOff",
        ),
        ("edited values", plain().read(Content::Damaged), 100, STAYS),
        ("edited values, and the annotations are gone", status(without_record()), 100, STAYS),
        ("the same, expired", status(without_record()), 3600, "Remove"),
        ("nothing is known about its credentials", without_record(), 100, "Remove"),
        ("being deleted by a user", plain().with(|c| c.secret().terminating = true), 100, MESSAGE),
        ("no Secret", plain().absent(), 100, MESSAGE),
        ("foreign", plain().foreign(), 100, MESSAGE),
        (
            "annotations that no lifetime allows",
            issued_at(plain(), 0, 1_000_000),
            half_a_day,
            "Remove",
        ),
        ("annotations out of range", issued_at(plain(), 253_402_000_000, 3600), 100, STAYS),
    ] {
        assert_eq!(case.plan(now), expected, "{row}");
    }
}

#[test]
fn granted_again_before_the_expiration_nothing_is_issued() {
    // A watched Secret may have been edited while it was left as it was, so it is verified first.
    let granted = |content| Case::new(json!({})).failing("NotGranted", 200).read(content);
    assert_eq!(granted(intact(true)).plan(100), "UpToDate");
    assert_eq!(granted(intact(false)).plan(100), "Rewrite");
    assert_eq!(granted(Content::Damaged).plan(100), "Issue(Damaged)");
    let condition = json!({"conditions": [{"type": "Ready", "status": "False", "reason": "NotGranted",
        "message": "", "lastTransitionTime": at(0).to_string()}]});
    let conditions: CredentialStatus = serde_json::from_value(condition).unwrap();
    let was_denied =
        |case: Case| case.with(|c| c.status.conditions = conditions.conditions.clone());
    assert_eq!(was_denied(Case::new(json!({}))).plan(100), "Read");
    let suspended = json!({"spec": {"suspend": true}});
    assert_eq!(was_denied(Case::new(suspended)).plan(100), "Read");
}

#[test]
fn a_denied_resource_without_a_secret_is_not_read_again_before_its_next_attempt() {
    let mut case = Case::new(json!({})).failing("NotGranted", 200).with(|c| {
        c.desired.denied = Some(denial());
        c.secret = SecretView::Watched(WatchedSecret::Unknown);
        c.status.secret = None;
    });
    assert_eq!(in_words(&case.decide(100).plan), "ReportDenied(not for this namespace)");
    case.secret = SecretView::Watched(WatchedSecret::Unknown);
    assert_eq!(in_words(&case.decide(200).plan), "Read");
}

#[test]
fn a_denied_resource_whose_secret_cannot_be_read_backs_off() {
    let case = Case::new(json!({})).failing("ApiServerUnavailable", 200).with(|c| {
        c.desired.denied = Some(denial());
        c.secret = SecretView::Watched(WatchedSecret::Unknown);
    });
    assert_eq!(case.plan(100), "BackOff");
}

#[test]
fn pending_credentials_are_dropped_once_the_grant_is_withdrawn() {
    let mut case =
        Case::new(json!({})).pending(3600).with(|c| c.desired.denied = Some(denial())).absent();
    assert!(case.decide(100).pending.is_none());
}

#[test]
fn a_removal_must_be_confirmed_unless_the_credentials_are_known_to_have_expired() {
    use WithdrawnSecrets::{Expire, Remove};
    let case = |withdrawn| denied(withdrawn, json!({}));
    let unknown =
        |withdrawn| case(withdrawn).read(Content::Damaged).with(|c| c.secret().record = None);
    for (row, mut case, now, expected) in [
        ("valid", case(Remove), 3599, false),
        ("expired", case(Remove), 3600, true),
        ("expired, and kept until then", case(Expire), 3600, true),
        ("nothing is known about them", unknown(Remove), 3600, false),
        ("nothing is known about them", unknown(Expire), 3600, false),
    ] {
        let plan = case.decide(now).plan;
        assert!(matches!(plan, Plan::Remove { expired, .. } if expired == expected), "{row}");
    }
}
