//! Faults after the first issue: renewals that fail, credentials that expire, lifetimes other than the
//! requested one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rig::sts::Fault;
use serde_json::json;
use tempcred_core::api::CredentialStatus;

use super::history::History;
use super::{renewed_soon, role, spec};
use crate::world::{SOON, World, condition, failure, is_ready, true_conditions, wait_until};

#[tokio::test]
async fn a_failing_renewal_keeps_ready_true_and_is_reported_until_it_recovers() {
    let world = World::start().await;
    let history = History::of(&world).await;
    let rows = [
        ("throttled", Fault::throttling(), "Throttled"),
        ("refused", Fault::access_denied(), "AccessDenied"),
        ("cut", Fault::cut_xml(), "InvalidReply"),
    ];
    let mut keys = vec![];
    for (row, ..) in &rows {
        world.create(row, renewed_soon(row)).await;
    }
    for (row, fault, _) in &rows {
        world.wait(row, "ready", is_ready).await;
        world.sts.inject(fault.clone().for_role(&role(row)));
        keys.push(world.complete_key(row).await);
    }
    for ((row, _, reason), key) in rows.iter().zip(&keys) {
        let failing = world.wait(row, "failing to renew", |s| s.failure.is_some()).await;
        let status = failing.status.unwrap();
        assert_eq!(true_conditions(&status), [("Ready", "Issued"), ("RenewalFailing", *reason)]);
        let shown = status.conditions.iter().find(|c| c.type_ == "RenewalFailing").unwrap();
        assert_eq!(shown.message, failure(&status).message, "{row}");
        assert_eq!(failure(&status).reason, *reason);
        assert_eq!(status.access_key_id.as_deref(), Some(key.as_str()), "{row}");
        assert!(status.expiration.unwrap().0 > Timestamp::now(), "{row}");
        assert_eq!(world.complete_key(row).await, *key);
    }

    world.sts.clear();
    for ((row, _, reason), key) in rows.iter().zip(&keys) {
        let renewed = |s: &CredentialStatus| s.access_key_id.as_deref() != Some(key) && is_ready(s);
        let status = world.wait(row, "renewed", renewed).await.status.unwrap();
        assert_eq!(true_conditions(&status), [("Ready", "Issued")], "{row}");
        assert_eq!(status.failure, None, "{row}");
        assert_ne!(world.complete_key(row).await, *key);
        let reasons = || async {
            let events = world.events(row).await;
            let reasons: Vec<_> = events.into_iter().map(|(_, reason, _)| reason).collect();
            (reasons.len() >= 3).then_some(reasons)
        };
        let reasons = wait_until("the events are there", SOON, reasons).await;
        assert_eq!(reasons, ["Issued", *reason, "Recovered"], "{row}");
        let entries = history.entries(row);
        let issued = entries.iter().position(|(_, s)| is_ready(s)).unwrap();
        assert!(
            entries[issued..].iter().all(|(_, s)| is_ready(s)),
            "{row} was not ready for a while"
        );
    }
}

#[tokio::test]
async fn ready_turns_false_at_expiry_and_a_renewal_request_restores_it() {
    let world = World::start().await;
    let lifetime = world.sts.inject(Fault::lifetime(Duration::from_secs(15)));
    let issued = world.issue("reports", spec("reports")).await.status.unwrap();
    let expiration = issued.expiration.unwrap().0;
    world.sts.remove(lifetime);
    world.sts.inject(Fault::access_denied());

    let expired = |s: &CredentialStatus| !is_ready(s);
    let status = world.wait("reports", "expired", expired).await.status.unwrap();
    let late = Timestamp::now().duration_since(expiration);
    assert!(!late.is_negative(), "{late:?}");
    assert!(late < SignedDuration::from_secs(8), "said only {late:?} after the expiry");
    assert_eq!(
        true_conditions(&status),
        [("Stalled", "AccessDenied"), ("RenewalFailing", "AccessDenied")]
    );
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!(ready.reason, "Expired");
    let says = format!("expired at {expiration}. AssumeRole for ");
    assert!(ready.message.contains(&says), "{}", ready.message);
    assert!(ready.message.contains("is not authorized to perform"), "{}", ready.message);
    assert_eq!(status.expiration.unwrap().0, expiration);

    world.sts.clear();
    world.request_renewal("reports", "now").await;
    // The backoff may have ended before: then it is ready before the request is served.
    let served =
        |s: &CredentialStatus| is_ready(s) && s.last_renew_request.as_deref() == Some("now");
    let again = world.wait("reports", "ready again", served).await.status.unwrap();
    assert_eq!(true_conditions(&again), [("Ready", "Issued")]);
    assert_eq!(again.failure, None);
    let reasons = || async {
        let events = world.events("reports").await;
        let reasons: Vec<_> = events.into_iter().map(|(_, reason, _)| reason).collect();
        (reasons.len() >= 4).then_some(reasons)
    };
    let reasons = wait_until("the events are there", SOON, reasons).await;
    assert_eq!(reasons, ["Issued", "AccessDenied", "Expired", "Recovered"]);
}

#[tokio::test]
async fn a_backoff_is_at_most_a_third_of_the_remaining_validity_and_short_after_expiry() {
    let world = World::start().await;
    let history = History::of(&world).await;
    world.sts.inject(Fault::lifetime(Duration::from_secs(40)).times(2));
    let rows = [("refused", Fault::access_denied()), ("throttled", Fault::throttling())];
    for (row, fault) in &rows {
        let mut spec = spec(row);
        // Renewed nine to ten seconds after the issue, with 30 s left.
        spec["renewal"] = json!({"before": "30s"});
        world.issue(row, spec).await;
        world.sts.inject(fault.clone().for_role(&role(row)));
    }
    for (row, _) in &rows {
        let expired = |s: &CredentialStatus| !is_ready(s);
        let at_most = Duration::from_secs(60);
        let status = world.wait_at_most(at_most, row, "expired", expired).await.status.unwrap();
        let expiration = status.expiration.as_ref().unwrap().0;
        let unexpired: Vec<_> = history
            .failures(row)
            .into_iter()
            .filter(|(delivered, _)| *delivered < expiration)
            .collect();
        assert!(unexpired.len() >= 5, "{row}: {} attempts in 30 s", unexpired.len());
        for (delivered, failure) in &unexpired {
            let left = expiration.duration_since(*delivered);
            let wait = failure.next_attempt.0.duration_since(*delivered);
            // Whole seconds, and never less than one.
            let most = (left / 3).max(SignedDuration::from_secs(1)) + SignedDuration::from_secs(1);
            assert!(wait <= most, "{row}: waits {wait:?} with {left:?} left");
        }
        // Many attempts in little time must not add up to a long backoff now.
        let more = |s: &CredentialStatus| {
            failure(s).next_attempt.0 > expiration + SignedDuration::from_secs(5)
        };
        let after = world.wait(row, "tried once expired", more).await.status.unwrap();
        let wait = failure(&after).next_attempt.0.duration_since(expiration);
        assert!(wait < SignedDuration::from_mins(1), "{row}: waits {wait:?}");
    }
}

#[tokio::test]
async fn a_lifetime_shorter_than_the_renewal_margin_is_reported_and_causes_no_loop() {
    let world = World::start().await;
    let history = History::of(&world).await;
    for (row, lifetime) in [("short", 12), ("very-short", 6)] {
        let lifetime = Fault::lifetime(Duration::from_secs(lifetime));
        world.sts.inject(lifetime.for_role(&role(row)));
        let mut spec = spec(row);
        spec["renewal"] = json!({"before": "15m"});
        world.create(row, spec).await;
    }
    for row in ["short", "very-short"] {
        wait_until("three rotations", SOON, || async {
            (world.call_times(&role(row)).len() >= 4).then_some(())
        })
        .await;
        let issued = world.wait(row, "clamped", is_ready).await.status.unwrap();
        let clamped = condition(&issued, "RenewalClamped");
        assert_eq!(clamped, Some((true, "LifetimeShorterThanRequested")), "{row}");
        let shown = issued.conditions.iter().find(|c| c.type_ == "RenewalClamped").unwrap();
        assert!(shown.message.contains("Lower spec.renewal, or raise"));
        let calls = world.call_times(&role(row));
        for pair in calls.windows(2) {
            let gap = pair[1].duration_since(pair[0]);
            // At least 5 s after the time in the Secret, which is rounded down to a second.
            assert!(gap >= SignedDuration::from_secs(4), "{row}: called again after {gap:?}");
        }
        assert!(history.failures(row).is_empty(), "{row}");
    }
    let entries = history.entries("short");
    let issued = entries.iter().position(|(_, s)| is_ready(s)).unwrap();
    assert!(entries[issued..].iter().all(|(_, s)| is_ready(s)), "was not ready for a while");
}

#[tokio::test]
async fn a_clock_behind_sts_is_reported_and_renewals_use_the_requested_lifetime() {
    let world = World::start().await;
    world.sts.inject(Fault::clock_skew(1800));
    let mut spec = crate::world::plain();
    spec["assumeRole"]["duration"] = serde_json::json!("15m");
    let status = world.issue("reports", spec).await.status.unwrap();
    assert_eq!(condition(&status, "ClockSkew"), Some((true, "ClockSkewed")));
    let age = status.renewal_time.unwrap().0.duration_since(status.issued_at.unwrap().0);
    assert!(age.as_secs() <= 600, "renews after {age:#}, though it requested 15m");
}
