//! When STS is called, and when it is not: after a restart, after a change of the spec, with many resources.

use std::time::Duration;

use futures::future::join_all;
use jiff::SignedDuration;
use rig::sts::Fault;
use serde_json::json;
use tempcred_core::problem::Class;

use super::history::History;
use super::{role, spec};
use crate::world::{World, condition, failure, is_ready};

#[tokio::test]
async fn a_backoff_survives_a_restart() {
    let mut world = World::start().await;
    let history = History::of(&world).await;
    // Three resets take 3 s, so the kill does not hit the next attempt of the refused one.
    let rows = [("refused", Fault::access_denied(), 1), ("reset", Fault::reset(), 3)];
    for (row, fault, _) in &rows {
        world.sts.inject(fault.clone().for_role(&role(row)));
        world.create(row, spec(row)).await;
    }
    for (row, _, count) in &rows {
        let failed = |s: &tempcred_core::api::CredentialStatus| {
            s.failure.as_ref().is_some_and(|f| f.count >= *count)
        };
        world.wait(row, "failing", failed).await;
    }
    world.kill_operator();
    world.start_operator(&[]).await;
    world.stop_operator();
    world.start_operator(&[]).await;
    let before = rows.each_ref().map(|(row, ..)| history.failures(row).len());
    for ((row, ..), before) in rows.iter().zip(before) {
        let again = |s: &tempcred_core::api::CredentialStatus| {
            s.failure.as_ref().is_some_and(|f| f.count as usize > before)
        };
        world.wait(row, "tried again", again).await;
    }
    for (row, ..) in &rows {
        let failed = history.assert_paced(row, &world.call_times(&role(row)));
        let since = history.failures(row).iter().map(|(_, f)| f.since.clone()).collect::<Vec<_>>();
        assert!(since.iter().all(|at| *at == since[0]), "{row}: {since:?}, {failed} times");
    }
}

#[tokio::test]
async fn a_new_spec_skips_the_backoff_and_a_new_label_does_not() {
    let world = World::start().await;
    world.sts.inject(Fault::access_denied().for_role(&role("refused")));
    world.create("reports", spec("refused")).await;
    let twice =
        |s: &tempcred_core::api::CredentialStatus| s.failure.as_ref().is_some_and(|f| f.count == 2);
    let failed = world.wait("reports", "refused twice", twice).await.status.unwrap();
    let waits_until = failure(&failed).next_attempt.0;
    assert_eq!(world.call_times(&role("refused")).len(), 2);

    world.patch("reports", json!({"metadata": {"labels": {"team": "data"}}})).await;
    world.patch("reports", json!({"spec": {"assumeRole": {"duration": "30m"}}})).await;
    let first_again = |s: &tempcred_core::api::CredentialStatus| {
        s.observed_generation == Some(2) && s.failure.is_some()
    };
    let changed = world.wait("reports", "tried with the new spec", first_again).await;
    let status = changed.status.unwrap();
    let calls = world.call_times(&role("refused"));
    assert_eq!(failure(&status).count, 1);
    assert!(failure(&status).since.0 >= failure(&failed).since.0 + SignedDuration::from_secs(9));
    assert_eq!(calls.len(), 3, "the label caused a call");
    assert!(calls[2] < waits_until, "called only at {}", calls[2]);
    assert_eq!(condition(&status, "Stalled"), Some((true, "AccessDenied")));

    let role = json!({"spec": {"assumeRole": spec("allowed")["assumeRole"]}});
    world.patch("reports", role).await;
    let ready = world.wait("reports", "ready", is_ready).await.status.unwrap();
    assert_eq!(ready.failure, None);
    assert!(world.call_times(&super::role("allowed"))[0] < waits_until);
    assert_eq!(world.sts.calls_total(), 4);
}

#[tokio::test]
async fn a_missing_aws_identity_is_reported() {
    let mut world = World::new().await;
    let nowhere = "/nonexistent".to_owned();
    world.environment = [
        ("AWS_ACCESS_KEY_ID", None),
        ("AWS_SECRET_ACCESS_KEY", None),
        ("AWS_CONFIG_FILE", Some(nowhere.clone())),
        ("AWS_SHARED_CREDENTIALS_FILE", Some(nowhere)),
    ]
    .into();
    world.start_operator(&[]).await;
    world.create("reports", spec("reports")).await;
    let failed = world.wait("reports", "failing", |s| s.failure.is_some()).await;
    let status = failed.status.unwrap();
    let failure = failure(&status);
    assert_eq!((failure.class, failure.reason.as_str()), (Class::Blocked, "IdentityMissing"));
    let advice = tempcred_core::problem::Reason::IdentityMissing.advice();
    assert_eq!(
        failure.message,
        format!(
            "AssumeRole for arn:aws:iam::123456789012:role/reports/reports failed: the operator has \
             no AWS identity. {advice}"
        )
    );
    assert_eq!(condition(&status, "Stalled"), Some((true, "IdentityMissing")));
    assert_eq!(condition(&status, "Ready"), Some((false, "IdentityMissing")));
    assert_eq!(world.sts.calls_total(), 0, "an unsigned request went out");
}

#[tokio::test]
async fn many_resources_are_issued_at_the_configured_rate() {
    const RATE: usize = 5;
    let mut world = World::new().await;
    for number in 0..20 {
        let name = format!("r{number}");
        world.create(&name, spec(&name)).await;
    }
    world.start_operator(&["--sts-rate", "5"]).await;
    let names: Vec<_> = (0..20).map(|number| format!("r{number}")).collect();
    join_all(names.iter().map(|name| world.wait(name, "ready", is_ready))).await;
    let calls: Vec<_> = world.sts.requests().iter().map(|r| r.at).collect();
    assert_eq!(calls.len(), 20);
    for (first, from) in calls.iter().enumerate() {
        for window in [1, 2, 3] {
            let to = *from + SignedDuration::from_secs(window);
            let within = calls[first..].iter().filter(|at| **at < to).count();
            // A burst of one second, then the rate; one more for the jitter of arrival.
            let most = RATE + RATE * usize::try_from(window).unwrap() + 1;
            assert!(within <= most, "{within} calls in {window} s");
        }
    }
    let took = Duration::try_from(calls[19].duration_since(calls[0])).unwrap();
    assert!(took >= Duration::from_secs(2), "20 calls took only {took:?}");
}
