//! Tests of the status.

use super::*;
use crate::desired::tests::desired;
use crate::problem::Reason;
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn secret(desired: &Desired) -> Known {
    Known::Secret {
        resource_version: Some("10".into()),
        facts: Box::new(IssueRecord {
            request_hash: desired.request_hash.clone(),
            render_hash: desired.render_hash.clone(),
            fingerprint: "f".into(),
            issued_at: at(0),
            expiration: at(3600),
            principal_arn: Some("arn:p".into()),
            renew_request: Some("now".into()),
        }),
        details: Some((Some("ASIA1".into()), Some(5))),
    }
}

fn round(
    desired: &Desired,
    before: &CredentialStatus,
    known: Known,
    attempt: Attempt,
    now: i64,
) -> CredentialStatus {
    next(Round { desired, before, known, attempt }, at(now))
}

fn refused() -> Attempt {
    Attempt::Failed(Problem::new(Reason::AccessDenied, "no"))
}

/// The conditions that are true, with their reasons.
fn truths(status: &CredentialStatus) -> Vec<(&str, &str)> {
    let is_true = status.conditions.iter().filter(|c| c.status == "True");
    is_true.map(|c| (c.type_.as_str(), c.reason.as_str())).collect()
}

#[test]
fn a_life_of_a_credential() {
    let desired = desired(json!({}));
    let nothing = CredentialStatus::default();

    let refused_first = round(&desired, &nothing, Known::NoSecret, refused(), 0);
    assert_eq!(truths(&refused_first), [("Stalled", "AccessDenied")]);
    assert_eq!(readiness(&refused_first), Some((false, "AccessDenied", "no")));

    let issued = round(&desired, &refused_first, secret(&desired), Attempt::Well, 10);
    assert_eq!(truths(&issued), [("Ready", "Issued")]);
    assert_eq!(issued.failure, None);
    assert_eq!(issued.access_key_id.as_deref(), Some("ASIA1"));
    assert_eq!(issued.last_renew_request.as_deref(), Some("now"));

    let told = "Secret reports holds credentials of arn:p, valid until 1970-01-01T01:00:00Z.";
    assert_eq!(readiness(&issued), Some((true, "Issued", told)));

    let failing = round(&desired, &issued, secret(&desired), refused(), 3000);
    assert_eq!(truths(&failing), [("Ready", "Issued"), ("RenewalFailing", "AccessDenied")]);
    assert_eq!(failing.conditions[0].last_transition_time, Time(at(10)), "Ready did not change");

    let expired = round(&desired, &failing, secret(&desired), Attempt::Waiting, 3600);
    assert_eq!(truths(&expired), [("Stalled", "AccessDenied"), ("RenewalFailing", "AccessDenied")]);
    let told = "Secret reports holds credentials of arn:p that expired at 1970-01-01T01:00:00Z. no";
    assert_eq!(readiness(&expired), Some((false, "Expired", told)));
    assert_eq!(expired.failure, failing.failure);

    let gone = round(&desired, &expired, Known::NoSecret, Attempt::Waiting, 3700);
    assert_eq!((&gone.expiration, &gone.secret, &gone.access_key_id), (&None, &None, &None));
}

#[test]
fn what_passes_by_itself_is_reconciling_and_not_stalled() {
    let desired = desired(json!({}));
    let failed = Attempt::Failed(Problem::new(Reason::Throttled, "slow down"));
    let status = round(&desired, &CredentialStatus::default(), Known::NoSecret, failed, 0);
    assert_eq!(truths(&status), [("Reconciling", "Retrying")]);
}

#[test]
fn credentials_of_an_earlier_spec_are_not_ready() {
    let old = desired(json!({}));
    let issued = round(&old, &CredentialStatus::default(), secret(&old), Attempt::Well, 0);
    let new =
        desired(json!({"metadata": {"generation": 2}, "spec": {"assumeRole": {"duration": "2h"}}}));
    let status = round(&new, &issued, secret(&old), refused(), 10);
    assert_eq!(readiness(&status), Some((false, "AccessDenied", "no")));
    assert_eq!(status.expiration, Some(Time(at(3600))), "it still says what the Secret holds");
}

#[test]
fn a_new_spec_counts_failures_from_one() {
    let (old, new) = (desired(json!({})), desired(json!({"metadata": {"generation": 2}})));
    let first = round(&old, &CredentialStatus::default(), Known::NoSecret, refused(), 0);
    let again = round(&old, &first, Known::NoSecret, refused(), 10);
    let changed = round(&new, &again, Known::NoSecret, refused(), 20);
    let counts = [&first, &again, &changed].map(|s| s.failure.as_ref().unwrap().count);
    assert_eq!(counts, [1, 2, 1]);
}

#[test]
fn suspended_credentials_stay_ready_while_they_live() {
    let desired = desired(json!({"spec": {"suspend": true}}));
    let living =
        round(&desired, &CredentialStatus::default(), secret(&desired), Attempt::Well, 3000);
    assert_eq!(truths(&living), [("Ready", "Suspended")]);
    assert_eq!(living.renewal_time, None);
    let expired = round(&desired, &living, secret(&desired), Attempt::Well, 3600);
    assert_eq!(readiness(&expired).map(|r| (r.0, r.1)), Some((false, "Expired")));
    assert_eq!(next_look(&living, &desired, at(3000)), Some(at(3600)));
    assert_eq!(next_look(&expired, &desired, at(3600)), None);
}

#[test]
fn a_margin_that_does_not_fit_is_said() {
    let desired = desired(json!({"spec": {"renewal": {"before": "2h"}}}));
    let status = round(&desired, &CredentialStatus::default(), secret(&desired), Attempt::Well, 0);
    assert!(truths(&status).contains(&("RenewalClamped", "LifetimeShorterThanAsked")));
}

#[test]
fn a_secret_that_could_not_be_looked_at_changes_nothing_but_the_failure() {
    let desired = desired(json!({}));
    let issued = round(&desired, &CredentialStatus::default(), secret(&desired), Attempt::Well, 0);
    let failed = Attempt::Failed(Problem::new(Reason::SecretRejected, "no"));
    let status = round(&desired, &issued, Known::Nothing(None), failed, 10);
    assert_eq!(truths(&status), [("Ready", "Issued"), ("RenewalFailing", "SecretRejected")]);
    assert_eq!(status.secret, issued.secret);
}

#[test]
fn what_cannot_be_looked_at_still_expires_and_goes_on_saying_so() {
    let desired = desired(json!({}));
    let issued = round(&desired, &CredentialStatus::default(), secret(&desired), Attempt::Well, 0);
    let Known::Secret { facts, .. } = secret(&desired) else { panic!() };
    let unread = || Known::Nothing(Some((*facts).clone()));
    let failed = || Attempt::Failed(Problem::new(Reason::ApiServerUnavailable, "no"));
    let expired = round(&desired, &issued, unread(), failed(), 3600);
    let later = round(&desired, &expired, unread(), failed(), 3700);
    for status in [&expired, &later] {
        assert_eq!(readiness(status).map(|r| (r.0, r.1)), Some((false, "Expired")));
        assert!(truths(status).contains(&("RenewalFailing", "ApiServerUnavailable")));
    }
}

#[test]
fn nothing_new_is_the_same_status() {
    let desired = desired(json!({}));
    let issued = round(&desired, &CredentialStatus::default(), secret(&desired), Attempt::Well, 0);
    assert!(same(&issued, &round(&desired, &issued, secret(&desired), Attempt::Well, 1000)));
}

#[test]
fn looks_again_at_the_next_thing_that_happens() {
    let desired = desired(json!({}));
    let issued = round(&desired, &CredentialStatus::default(), secret(&desired), Attempt::Well, 0);
    assert_eq!(next_look(&issued, &desired, at(0)), issued.renewal_time.as_ref().map(|t| t.0));
    let failing = round(&desired, &issued, secret(&desired), refused(), 3000);
    assert_eq!(
        next_look(&failing, &desired, at(3000)),
        Some(failing.failure.as_ref().unwrap().next_attempt.0)
    );
}

#[test]
fn a_clock_that_is_behind_is_said_and_not_believed() {
    let desired = desired(json!({}));
    let Known::Secret { mut facts, .. } = secret(&desired) else { panic!() };
    facts.expiration = at(3600 + 600);
    let known = || Known::Secret {
        resource_version: Some("10".into()),
        facts: facts.clone(),
        details: None,
    };
    let before = CredentialStatus::default();
    let issued = round(&desired, &before, known(), Attempt::Well, 0);
    assert_eq!(truths(&issued), [("Ready", "Issued"), ("ClockSkew", "ClockSkewed")]);
    assert!(issued.renewal_time.as_ref().unwrap().0 <= at(2400), "by the hour that was asked for");
    let dead = round(&desired, &issued, known(), Attempt::Waiting, 3600);
    assert_eq!(readiness(&dead).map(|r| (r.0, r.1)), Some((false, "Expired")));
    assert_eq!(dead.expiration, Some(Time(at(4200))), "the status says what STS says");
}
