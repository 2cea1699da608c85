//! Plans for a request that no grant allows.

use super::*;
use crate::testing::denial;

#[test]
fn an_owned_secret_is_removed_once_and_a_foreign_one_never() {
    let denied = |patch| Case::new(patch).with(|c| c.desired.denied = Some(denial()));
    let plain = || denied(json!({}));
    let deleted = || denied(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    let message = "ReportDenied(not for this namespace)";
    for (row, case, expected) in [
        ("owned", plain(), "Remove"),
        ("owned, from a watch that may be behind", plain().with(|c| c.verified = false), "Read"),
        ("suspended", denied(json!({"spec": {"suspend": true}})), "Remove"),
        ("the resource is being deleted, and a finalizer keeps it", deleted(), "Remove"),
        ("absent", plain().absent(), message),
        ("absent, and the resource is being deleted", deleted().absent(), "Ignore"),
        ("foreign", plain().foreign(), message),
        ("while AWS refuses", plain().failing("AccessDenied", 200), "Remove"),
        ("reported already", plain().failing("NotGranted", 200).absent(), message),
        ("reported already, and the Secret is back", plain().failing("NotGranted", 200), "Remove"),
        (
            "reported already, and a finalizer keeps the Secret",
            plain().failing("NotGranted", 200).with(|c| c.secret().terminating = true),
            message,
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
