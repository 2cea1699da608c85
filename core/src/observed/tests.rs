//! Tests of what is observed.

use super::*;
use crate::credentials::{AccessKey, Values};
use crate::desired::tests::desired;
use crate::secret::{CREDENTIAL_UID, annotation};
use serde_json::json;

#[test]
fn reads_the_secret_only_when_something_may_have_changed() {
    let desired = desired(json!({}));
    let cached = |version: &str, render: &str| -> ObjectMeta {
        serde_json::from_value(json!({
            "uid": "s", "resourceVersion": version, "labels": {CREDENTIAL_UID: "uid-1"},
            "annotations": {
                annotation::REQUEST_HASH: "h", annotation::RENDER_HASH: render, annotation::FINGERPRINT: "f",
                annotation::ISSUED_AT: "2026-01-01T00:00:00Z", annotation::EXPIRATION: "2026-01-01T01:00:00Z",
            },
        }))
        .unwrap()
    };
    let written = |version: &str| -> CredentialStatus {
        serde_json::from_value(json!({"secret": {"name": "reports", "resourceVersion": version}}))
            .unwrap()
    };
    let failing = |reason: &str, version: Option<&str>| -> CredentialStatus {
        let mut status = version.map(&written).unwrap_or_default();
        status.observed_generation = Some(1);
        let failure = json!({
            "class": "Blocked", "reason": reason, "message": "", "count": 1,
            "since": "2026-01-01T00:00:00Z", "nextAttempt": "2026-01-01T00:10:00Z",
        });
        status.failure = serde_json::from_value(failure).unwrap();
        status
    };
    let none = CredentialStatus::default();
    let same = Some(cached("10", &desired.render_hash));
    let rows = [
        ("as written", &same, written("10"), Look::Trust),
        ("the watch is behind our own write", &same, written("12"), Look::Read),
        ("edited", &same, written("9"), Look::Read),
        ("nothing recorded", &same, none.clone(), Look::Read),
        ("another shape is wanted", &Some(cached("10", "other")), written("10"), Look::Read),
        ("not seen", &None, none, Look::Read),
        ("gone", &None, written("10"), Look::Read),
        (
            "in somebody else's hand, and waiting",
            &None,
            failing("SecretConflict", None),
            Look::Wait,
        ),
        ("edited, while STS refuses", &same, failing("AccessDenied", Some("9")), Look::Read),
        (
            "edited, while Secrets are refused",
            &same,
            failing("SecretRejected", Some("9")),
            Look::Wait,
        ),
        (
            "gone, while the API server is away",
            &None,
            failing("ApiServerUnavailable", Some("10")),
            Look::Wait,
        ),
    ];
    let now = "2026-01-01T00:05:00Z".parse().unwrap();
    for (row, cached, status, expected) in rows {
        assert_eq!(look(&desired, &status, None, cached.as_ref(), now), expected, "{row}");
    }
}

#[test]
fn believes_no_more_of_the_annotations_than_can_be_true() {
    let desired = desired(json!({}));
    let at = |second| Timestamp::from_second(second).unwrap();
    let minted = |id: &str| Credentials {
        values: Values::AccessKey(AccessKey {
            access_key_id: id.to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: "token".to_owned().into(),
        }),
        issued_at: at(1000),
        expiration: at(4600),
        principal_arn: None,
        packed_policy_size: None,
        renew_request: None,
    };
    let stored = |id: &str, issued: i64, expires: i64| -> Secret {
        let dated = Credentials { issued_at: at(issued), expiration: at(expires), ..minted(id) };
        let manifest = Manifest::render(&desired, &desired.request_hash, &dated);
        serde_json::from_value(serde_json::to_value(&manifest).unwrap()).unwrap()
    };
    let true_facts = IssueRecord::of(&desired, &desired.request_hash, &minted("mine"));
    let held = Held { request_hash: desired.request_hash.clone(), minted: minted("held") };
    let status: CredentialStatus = serde_json::from_value(json!({
        "accessKeyId": "mine", "issuedAt": at(1000).to_string(), "expiration": at(4600).to_string(),
    }))
    .unwrap();
    let none = CredentialStatus::default();
    let remembering = Past { facts: Some(&true_facts), certain: true, held: None, status: &status };
    // A standby that has just begun to lead, and whose watch is behind.
    let behind = Past { certain: false, ..remembering };
    let started = Past { facts: None, certain: true, held: None, status: &status };
    let fresh = Past { facts: None, certain: true, held: None, status: &none };
    let writing = Past { held: Some(&held), ..remembering };
    for (row, past, secret, expected) in [
        ("untouched", &remembering, stored("mine", 1000, 4600), Some((1000, 4600))),
        ("dates changed", &remembering, stored("mine", 1000, 99_999), Some((1000, 4600))),
        ("other keys, and all fits", &remembering, stored("other", 1100, 4700), None),
        ("written without an answer", &writing, stored("held", 1000, 4600), Some((1000, 4600))),
        ("the same, and dates changed", &writing, stored("held", 1100, 99_999), Some((1000, 4600))),
        ("after a start", &started, stored("mine", 1000, 4600), Some((1000, 4600))),
        ("after a start, dates changed", &started, stored("mine", 1900, 9000), Some((1000, 4600))),
        (
            "after a crash, issued in the same second",
            &started,
            stored("other", 1000, 4600),
            Some((1000, 4600)),
        ),
        ("after a start, put back", &started, stored("other", 900, 9000), None),
        ("at a takeover", &behind, stored("other", 1100, 4700), Some((1100, 4700))),
        ("at a takeover, put back", &behind, stored("other", 900, 9000), None),
        ("at a takeover, dates changed", &behind, stored("mine", 1100, 99_999), Some((1000, 4600))),
        ("after a crash, issued later", &started, stored("other", 1100, 4700), Some((1100, 4700))),
        ("after a start, issued in the future", &started, stored("mine", 9000, 9900), None),
        ("with no status", &fresh, stored("mine", 1100, 4700), Some((1100, 4700))),
        ("with no status, in the future", &fresh, stored("mine", 9000, 9900), None),
    ] {
        let state = SecretState::read(&desired, Some(secret), past, at(2000));
        let SecretState::Ours(holding) = state else { panic!("{row}: not ours") };
        let Content::Read { credentials, tidy } = holding.content else { panic!("{row}") };
        let dates =
            credentials.map(|minted| (minted.issued_at.as_second(), minted.expiration.as_second()));
        assert_eq!(dates, expected, "{row}");
        assert_eq!(
            tidy,
            [
                "untouched",
                "written without an answer",
                "after a start",
                "after a crash, issued later",
                "after a crash, issued in the same second",
                "at a takeover",
                "with no status"
            ]
            .contains(&row),
            "{row}"
        );
    }
}

#[test]
fn a_new_request_to_renew_looks_at_once_and_once_tried_waits() {
    let desired = desired(json!({
        "metadata": {"annotations": {"tempcred.dev/renew-requested-at": "now"}},
    }));
    let status: CredentialStatus = serde_json::from_value(json!({
        "observedGeneration": 1,
        "failure": {"class": "Blocked", "reason": "SecretConflict", "message": "", "count": 1,
                    "since": "2026-01-01T00:00:00Z", "nextAttempt": "2026-01-01T00:10:00Z"},
    }))
    .unwrap();
    let now = "2026-01-01T00:05:00Z".parse().unwrap();
    let look = |attempted| look(&desired, &status, attempted, None, now);
    assert_eq!(look(None), Look::Read);
    assert_eq!(look(Some("earlier")), Look::Read);
    assert_eq!(look(Some("now")), Look::Wait);
}
