//! Tests of the status.

use super::*;
use crate::api::FailureStatus;
use crate::problem::Reason;
use crate::testing::{at, desired};
use serde_json::json;

fn record(desired: &Desired) -> IssueRecord {
    IssueRecord {
        request_hash: desired.request_hash.clone(),
        render_hash: desired.render_hash.clone(),
        fingerprint: "f".into(),
        issued_at: at(0),
        expiration: at(3600),
        principal_arn: Some("arn:p".into()),
        access_key_id: Some("ASIA1".into()),
        packed_policy_size: Some(5),
        renew_request: Some("now".into()),
    }
}

fn holds(record: IssueRecord) -> KnownSecret {
    KnownSecret::Holds { record: Box::new(record), resource_version: Some("10".into()) }
}

fn failed(reason: Reason) -> Outcome {
    Outcome::Failed(Problem::new(reason, "no"))
}

fn refused() -> Outcome {
    failed(Reason::AccessDenied)
}

/// The status after a first issue at 0.
fn issued(desired: &Desired) -> CredentialStatus {
    let before = CredentialStatus::default();
    next(desired, &before, &holds(record(desired)), &Outcome::Succeeded, at(0))
}

/// The conditions that are true, with their reasons.
fn truths(status: &CredentialStatus) -> Vec<(&str, &str)> {
    let is_true = status.conditions.iter().filter(|c| c.status == "True");
    is_true.map(|c| (c.type_.as_str(), c.reason.as_str())).collect()
}

fn ready(status: &CredentialStatus) -> (bool, &str, &str) {
    let ready = status.readiness().unwrap();
    (ready.ready, ready.reason.unwrap().as_str(), ready.message)
}

#[test]
fn follows_credentials_from_a_refusal_to_their_expiry() {
    let desired = desired(json!({}));
    let (holds, nothing) = (holds(record(&desired)), CredentialStatus::default());

    let refused_first = next(&desired, &nothing, &KnownSecret::Absent, &refused(), at(0));
    assert_eq!(truths(&refused_first), [("Stalled", "AccessDenied")]);
    assert_eq!(ready(&refused_first), (false, "AccessDenied", "no"));

    let issued = next(&desired, &refused_first, &holds, &Outcome::Succeeded, at(10));
    assert_eq!(truths(&issued), [("Ready", "Issued")]);
    assert_eq!(issued.failure, None);
    assert_eq!(issued.access_key_id.as_deref(), Some("ASIA1"));
    assert_eq!(issued.packed_policy_size, Some(5));
    assert_eq!(issued.last_renew_request.as_deref(), Some("now"));

    let message = "Secret reports holds credentials of arn:p, valid until 1970-01-01T01:00:00Z.";
    assert_eq!(ready(&issued), (true, "Issued", message));

    let failing = next(&desired, &issued, &holds, &refused(), at(3000));
    assert_eq!(truths(&failing), [("Ready", "Issued"), ("RenewalFailing", "AccessDenied")]);
    assert_eq!(failing.conditions[0].last_transition_time, Time(at(10)), "Ready did not change");

    let expired = next(&desired, &failing, &holds, &Outcome::BackingOff, at(3600));
    assert_eq!(truths(&expired), [("Stalled", "AccessDenied"), ("RenewalFailing", "AccessDenied")]);
    let message =
        "Secret reports holds credentials of arn:p that expired at 1970-01-01T01:00:00Z. no";
    assert_eq!(ready(&expired), (false, "Expired", message));
    assert_eq!(expired.failure, failing.failure);

    let deleted = next(&desired, &expired, &KnownSecret::Absent, &Outcome::BackingOff, at(3700));
    assert_eq!(
        (&deleted.expiration, &deleted.secret, &deleted.access_key_id),
        (&None, &None, &None)
    );
}

#[test]
fn conditions_other_than_ready_are_present_only_while_they_are_true() {
    let desired = desired(json!({}));
    let issued = issued(&desired);
    let types = |status: &CredentialStatus| -> Vec<String> {
        status.conditions.iter().map(|c| c.type_.clone()).collect()
    };
    assert_eq!(types(&issued), ["Ready"]);
    let failing = next(&desired, &issued, &holds(record(&desired)), &refused(), at(3000));
    assert_eq!(types(&failing), ["Ready", "RenewalFailing"]);
    let recovered =
        next(&desired, &failing, &holds(record(&desired)), &Outcome::Succeeded, at(3010));
    assert_eq!(types(&recovered), ["Ready"]);
    let absent = next(&desired, &issued, &KnownSecret::Absent, &Outcome::BackingOff, at(10));
    assert_eq!(types(&absent), ["Ready"]);
    assert!(!ready(&absent).0);
}

#[test]
fn a_temporary_failure_is_reconciling_and_not_stalled() {
    let desired = desired(json!({}));
    let before = CredentialStatus::default();
    let status = next(&desired, &before, &KnownSecret::Absent, &failed(Reason::Throttled), at(0));
    assert_eq!(truths(&status), [("Reconciling", "Retrying")]);
}

#[test]
fn credentials_of_an_earlier_spec_are_not_ready() {
    let old = desired(json!({}));
    let new =
        desired(json!({"metadata": {"generation": 2}, "spec": {"assumeRole": {"duration": "2h"}}}));
    let status = next(&new, &issued(&old), &holds(record(&old)), &refused(), at(10));
    assert_eq!(ready(&status), (false, "AccessDenied", "no"));
    assert_eq!(status.expiration, Some(Time(at(3600))), "the Secret still holds them");
}

#[test]
fn a_new_spec_counts_failures_from_one() {
    let (old, new) = (desired(json!({})), desired(json!({"metadata": {"generation": 2}})));
    let fail = |desired: &Desired, before: &CredentialStatus, now| {
        next(desired, before, &KnownSecret::Absent, &refused(), now)
    };
    let first = fail(&old, &CredentialStatus::default(), at(0));
    let again = fail(&old, &first, at(10));
    let changed = fail(&new, &again, at(20));
    let counts = [&first, &again, &changed].map(|s| s.failure.as_ref().unwrap().count);
    assert_eq!(counts, [1, 2, 1]);
}

#[test]
fn waiting_for_the_next_attempt_is_not_an_attempt() {
    let desired = desired(json!({}));
    let before = CredentialStatus::default();
    let failing = next(&desired, &before, &KnownSecret::Absent, &refused(), at(0));
    let waiting = next(&desired, &failing, &KnownSecret::Absent, &Outcome::BackingOff, at(5));
    assert_eq!(waiting.failure, failing.failure);
    let succeeded = next(&desired, &failing, &KnownSecret::Absent, &Outcome::Succeeded, at(5));
    assert_eq!(succeeded.failure, None);
}

#[test]
fn the_same_denial_again_is_not_an_attempt_until_the_next_one_is_due() {
    let mut desired = desired(json!({}));
    let deny = |desired: &mut Desired, before: &CredentialStatus, message: &str, now| {
        let problem = Problem::new(Reason::NotGranted, message);
        desired.denied = Some(problem.clone());
        next(desired, before, &KnownSecret::Absent, &Outcome::Denied(problem), at(now))
    };
    let first = deny(&mut desired, &CredentialStatus::default(), "no", 0);
    let again = deny(&mut desired, &first, "no, as before", 5);
    let due = deny(&mut desired, &again, "still no", 600);
    let [first, again, due] = [&first, &again, &due].map(|s| s.failure.clone().unwrap());
    assert_eq!(again, FailureStatus { message: "no, as before".to_owned(), ..first.clone() });
    assert_eq!((due.count, &due.since), (2, &first.since));
    assert!(due.next_attempt > first.next_attempt);
}

#[test]
fn a_denial_makes_valid_credentials_not_ready() {
    let mut desired = desired(json!({}));
    let issued = issued(&desired);
    let problem = Problem::new(Reason::NotGranted, "no");
    desired.denied = Some(problem.clone());
    let holds = holds(record(&desired));
    let status = next(&desired, &issued, &holds, &Outcome::Denied(problem), at(10));
    assert_eq!(ready(&status), (false, "NotGranted", "no"));
    assert_eq!(truths(&status), [("Stalled", "NotGranted")]);
}

#[test]
fn a_denied_resource_is_not_ready_because_it_is_denied_even_if_its_secret_cannot_be_removed() {
    let mut desired = desired(json!({}));
    let issued = issued(&desired);
    desired.denied = Some(Problem::new(Reason::NotGranted, "no"));
    let failed = Outcome::Failed(Problem::new(Reason::ApiServerUnavailable, "not removed"));
    let status = next(&desired, &issued, &holds(record(&desired)), &failed, at(10));
    assert_eq!(ready(&status), (false, "NotGranted", "not removed"));
    assert_eq!(status.failure.unwrap().reason(), Some(Reason::ApiServerUnavailable));
}

#[test]
fn a_withdrawn_secret_is_reconciled_when_its_credentials_expire() {
    let half_an_hour = json!({"spec": {"assumeRole": {"duration": "30m"}}});
    let mut desired = desired(half_an_hour);
    let issued = issued(&desired);
    desired.denied = Some(Problem::new(Reason::NotGranted, "no"));
    let denied = Outcome::Denied(Problem::new(Reason::NotGranted, "no"));
    let status = next(&desired, &issued, &holds(record(&desired)), &denied, at(10));
    assert_eq!((status.expiration.clone(), &status.renewal_time), (Some(Time(at(3600))), &None));
    let status = CredentialStatus { failure: None, ..status };
    let due = next_reconciliation(&status, &desired, at(10));
    assert_eq!(due, Some(at(3600)), "the credentials may be of an earlier, longer duration");
}

#[test]
fn the_secret_of_a_resource_that_is_granted_again_must_be_verified() {
    let mut denied = desired(json!({"spec": {"suspend": true}}));
    let issued = issued(&denied);
    let problem = Problem::new(Reason::NotGranted, "no");
    denied.denied = Some(problem.clone());
    let outcome = Outcome::Denied(problem);
    let before = next(&denied, &issued, &holds(record(&denied)), &outcome, at(10));
    let unread = KnownSecret::Unread(Some(record(&denied)));
    let version = |desired: &Desired, outcome| {
        next(desired, &before, &unread, &outcome, at(20)).secret.unwrap().resource_version
    };
    assert_eq!(version(&denied, outcome), "10");
    for suspended in [false, true] {
        let granted = desired(json!({"spec": {"suspend": suspended}}));
        let unavailable = failed(Reason::ApiServerUnavailable);
        assert_eq!(version(&granted, unavailable), "", "suspended: {suspended}");
    }
}

#[test]
fn suspended_credentials_stay_ready_until_they_expire() {
    let desired = desired(json!({"spec": {"suspend": true}}));
    let holds = holds(record(&desired));
    let before = CredentialStatus::default();
    let valid = next(&desired, &before, &holds, &Outcome::Succeeded, at(3000));
    assert_eq!(truths(&valid), [("Ready", "Suspended")]);
    assert_eq!(valid.renewal_time, None);
    let expired = next(&desired, &valid, &holds, &Outcome::Succeeded, at(3600));
    assert_eq!((ready(&expired).0, ready(&expired).1), (false, "Expired"));
    assert_eq!(next_reconciliation(&valid, &desired, at(3000)), Some(at(3600)));
    assert_eq!(next_reconciliation(&expired, &desired, at(3600)), None);
}

#[test]
fn a_resumed_secret_is_verified_again_until_that_succeeds() {
    let suspended = desired(json!({"spec": {"suspend": true}}));
    let resumed = desired(json!({"metadata": {"generation": 2}}));
    let before = CredentialStatus::default();
    let before = next(&suspended, &before, &holds(record(&suspended)), &Outcome::Succeeded, at(10));
    let edited = KnownSecret::Holds { record: Box::new(record(&resumed)), resource_version: None };
    let rejected = failed(Reason::SecretRejected);
    for (row, known, version) in [
        ("it could not be read", KnownSecret::Unread(Some(record(&resumed))), ""),
        ("it was edited, and could not be rewritten", edited, ""),
        ("it was verified", holds(record(&resumed)), "10"),
    ] {
        let status = next(&resumed, &before, &known, &rejected, at(20));
        assert_eq!(status.secret.unwrap().resource_version, version, "{row}");
    }
}

#[test]
fn a_renewal_margin_that_does_not_fit_is_reported() {
    let desired = desired(json!({"spec": {"renewal": {"before": "2h"}}}));
    let status = issued(&desired);
    assert!(truths(&status).contains(&("RenewalClamped", "LifetimeShorterThanRequested")));
}

#[test]
fn a_secret_that_could_not_be_read_changes_nothing_but_the_failure() {
    let desired = desired(json!({}));
    let issued = issued(&desired);
    let unread = KnownSecret::Unread(None);
    let status = next(&desired, &issued, &unread, &failed(Reason::SecretRejected), at(10));
    assert_eq!(truths(&status), [("Ready", "Issued"), ("RenewalFailing", "SecretRejected")]);
    assert_eq!(status.secret, issued.secret);
}

#[test]
fn a_secret_that_cannot_be_read_still_expires_and_stays_expired() {
    let desired = desired(json!({}));
    let unread = KnownSecret::Unread(Some(record(&desired)));
    let unavailable = failed(Reason::ApiServerUnavailable);
    let expired = next(&desired, &issued(&desired), &unread, &unavailable, at(3600));
    let later = next(&desired, &expired, &unread, &unavailable, at(3700));
    for status in [&expired, &later] {
        assert_eq!((ready(status).0, ready(status).1), (false, "Expired"));
        assert!(truths(status).contains(&("RenewalFailing", "ApiServerUnavailable")));
    }
}

#[test]
fn a_record_of_other_credentials_does_not_make_those_of_the_status_ready() {
    let old = desired(json!({}));
    let new =
        desired(json!({"metadata": {"generation": 2}, "spec": {"assumeRole": {"duration": "2h"}}}));
    let unavailable = failed(Reason::ApiServerUnavailable);
    for (row, issued_at, id, expected) in [
        ("the same", 0, "ASIA1", true),
        ("issued later", 10, "ASIA2", false),
        ("issued within the same second", 0, "ASIA2", false),
    ] {
        let (issued_at, access_key_id) = (at(issued_at), Some(id.to_owned()));
        let record = IssueRecord { issued_at, access_key_id, ..record(&new) };
        let unread = KnownSecret::Unread(Some(record));
        let status = next(&new, &issued(&old), &unread, &unavailable, at(20));
        assert_eq!(ready(&status).0, expected, "{row}");
    }
}

#[test]
fn a_status_with_nothing_new_is_the_same() {
    let desired = desired(json!({}));
    let issued = issued(&desired);
    let holds = holds(record(&desired));
    assert_eq!(issued, next(&desired, &issued, &holds, &Outcome::Succeeded, at(1000)));
}

#[test]
fn reconciles_again_at_the_next_attempt_renewal_or_expiry() {
    let desired = desired(json!({}));
    let issued = issued(&desired);
    // A reconciliation at the time in the status, which is truncated, would find the renewal not due yet.
    let renewal = desired.schedule(at(0), at(3600)).renew_at;
    assert_ne!(issued.renewal_time, Some(Time(renewal)), "it has a fraction of a second");
    assert_eq!(next_reconciliation(&issued, &desired, at(0)), Some(renewal));
    let failing = next(&desired, &issued, &holds(record(&desired)), &refused(), at(3000));
    let attempt = failing.failure.as_ref().map(|failure| failure.next_attempt.0);
    assert_eq!(next_reconciliation(&failing, &desired, at(3000)), attempt);
}

#[test]
fn a_clock_that_is_behind_is_reported_and_not_trusted() {
    let desired = desired(json!({}));
    let known = holds(IssueRecord { expiration: at(3600 + 600), ..record(&desired) });
    let before = CredentialStatus::default();
    let issued = next(&desired, &before, &known, &Outcome::Succeeded, at(0));
    assert_eq!(truths(&issued), [("Ready", "Issued"), ("ClockSkew", "ClockSkewed")]);
    assert!(issued.renewal_time.as_ref().unwrap().0 <= at(2400), "by the hour that was requested");
    let expired = next(&desired, &issued, &known, &Outcome::BackingOff, at(3600));
    assert_eq!((ready(&expired).0, ready(&expired).1), (false, "Expired"));
    assert_eq!(expired.expiration, Some(Time(at(4200))), "the status has what STS returned");
}

#[test]
fn a_secret_that_cannot_be_read_keeps_its_renewal_time() {
    let desired = desired(json!({}));
    let issued = issued(&desired);
    let unread = KnownSecret::Unread(Some(record(&desired)));
    let status = next(&desired, &issued, &unread, &failed(Reason::ApiServerUnavailable), at(10));
    assert!(issued.renewal_time.is_some());
    assert_eq!(status.renewal_time, issued.renewal_time);
}

#[test]
fn the_renewal_time_counts_from_the_issue() {
    let desired = desired(json!({}));
    let record = IssueRecord { issued_at: at(1000), expiration: at(4600), ..record(&desired) };
    let before = CredentialStatus::default();
    let issued = next(&desired, &before, &holds(record.clone()), &Outcome::Succeeded, at(1000));
    let renewal = issued.renewal_time.as_ref().unwrap().0.as_second();
    assert!((3160..=3400).contains(&renewal), "{renewal}");
    let unread = KnownSecret::Unread(Some(record));
    let status = next(&desired, &issued, &unread, &failed(Reason::ApiServerUnavailable), at(1010));
    assert_eq!(status.renewal_time, issued.renewal_time);
}

#[test]
fn a_suspended_resource_says_so_whatever_its_secret_contains() {
    let desired = desired(json!({"spec": {"suspend": true}}));
    let before = CredentialStatus::default();
    let expired = next(&desired, &before, &holds(record(&desired)), &Outcome::Succeeded, at(3600));
    assert!(ready(&expired).2.ends_with(Reason::Suspended.advice()), "{}", ready(&expired).2);
    let absent = next(&desired, &before, &KnownSecret::Absent, &Outcome::Succeeded, at(0));
    assert_eq!(ready(&absent).1, "Suspended");
}

#[test]
fn without_a_failure_a_status_is_equal_to_the_one_that_the_api_server_stores() {
    let desired = desired(json!({}));
    let now = Timestamp::from_millisecond(1_900).unwrap();
    for before in [issued(&desired), CredentialStatus::default()] {
        let status = next(&desired, &before, &KnownSecret::Absent, &Outcome::Succeeded, now);
        let stored = serde_json::from_value(serde_json::to_value(&status).unwrap());
        assert_eq!(status, stored.unwrap());
    }
    let holds = issued(&desired);
    assert_eq!(holds, serde_json::from_value(serde_json::to_value(&holds).unwrap()).unwrap());
}
