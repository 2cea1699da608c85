//! Faults of the first issue.

use std::time::Duration;

use rig::sts::{Fault, Field};
use serde_json::json;
use tempcred_core::problem::Class;

use super::cases::{Case, cases};
use super::history::History;
use super::{role, spec};
use crate::world::{SOON, World, condition, failure, is_ready, true_conditions, wait_until};

#[tokio::test]
async fn every_sts_fault_has_a_class_a_message_and_a_backoff_and_recovers() {
    let world = World::start().await;
    let history = History::of(&world).await;
    let cases = cases();
    for case in &cases {
        world.sts.inject(case.fault.clone());
        world.create(case.name, spec(case.name)).await;
    }
    for case in &cases {
        let what = "failing";
        let failed = world.wait(case.name, what, |s| s.failure.is_some()).await;
        let status = failed.status.unwrap();
        assert_reported(case, &status);
        let first = || async { history.failures(case.name).first().map(|first| first.1.clone()) };
        let first = wait_until("the watch has delivered it", SOON, first).await;
        let event = ("Warning".to_owned(), first.reason, first.message);
        let events = || async {
            let events = world.events(case.name).await;
            (!events.is_empty()).then_some(events)
        };
        let events = wait_until("the event is there", SOON, events).await;
        assert_eq!(events, [event], "{}", case.name);
    }
    // Throttled ones have been tried twice and transient ones three times, except for the timeout.
    let tried = |class, times| {
        let of_class = cases.iter().filter(move |c| c.class == class);
        of_class.filter(|c| c.name != "slow").all(|c| history.failures(c.name).len() >= times)
    };
    wait_until("tried again", Duration::from_secs(60), || async {
        (tried(Class::Throttled, 2) && tried(Class::Transient, 3)).then_some(())
    })
    .await;
    assert_eq!(world.writes().secrets, 0, "a fault led to a Secret");
    for case in &cases {
        let status = world.credentials().get(case.name).await.unwrap().status.unwrap();
        assert_reported(case, &status);
        let calls = world.call_times(&role(case.name)).len();
        assert!(calls <= 7, "{}: {calls} calls", case.name);
    }

    world.sts.clear();
    for case in &cases {
        let at_most = Duration::from_secs(60);
        let ready = world.wait_at_most(at_most, case.name, "ready again", is_ready).await;
        let status = ready.status.unwrap();
        assert_eq!(true_conditions(&status), [("Ready", "Issued")], "{}", case.name);
        assert_eq!(status.failure, None, "{}", case.name);
        world.complete_key(case.name).await;
        let calls = world.call_times(&role(case.name));
        let failed = history.assert_paced(case.name, &calls);
        assert_eq!(calls.len(), failed + 1, "{}: one call per attempt", case.name);
    }
    assert_eq!(world.writes().secrets, cases.len());
}

fn assert_reported(case: &Case, status: &tempcred_core::api::CredentialStatus) {
    let (name, failure) = (case.name, failure(status));
    let reported = (failure.class, failure.reason.as_str());
    assert_eq!(reported, (case.class, case.reason), "{name}: {}", failure.message);
    assert!(failure.message.contains(case.says), "{name}: {}", failure.message);
    let target = format!("AssumeRole for arn:aws:iam::123456789012:role/{name}/reports failed: ");
    assert!(failure.message.starts_with(&target), "{name}: {}", failure.message);
    // A message of AWS about a signature may quote the signed request.
    assert!(!failure.message.contains("we calculated"), "{name}: {}", failure.message);
    assert_eq!(failure.message.lines().count(), 1, "{name}");
    assert_eq!(condition(status, "Ready"), Some((false, case.reason)), "{name}");
    let expected = match case.class {
        Class::Blocked | Class::Refused => ("Stalled", case.reason),
        Class::Throttled | Class::Transient => ("Reconciling", "Retrying"),
    };
    assert_eq!(true_conditions(status), [expected], "{name}");
    assert_eq!(status.expiration, None, "{name}");
    assert_eq!(status.access_key_id, None, "{name}");
}

#[tokio::test]
async fn a_failed_hop_is_named_and_ends_the_chain() {
    let world = World::start().await;
    let rows = [
        ("refused", Fault::access_denied(), "AccessDenied"),
        ("no-key-id", Fault::empty(Field::AccessKeyId), "InvalidReply"),
        ("no-secret-key", Fault::empty(Field::SecretAccessKey), "InvalidReply"),
        ("no-token", Fault::empty(Field::SessionToken), "InvalidReply"),
        ("born-expired", Fault::expired(), "InvalidReply"),
        ("cut-xml", Fault::cut_xml(), "InvalidReply"),
    ];
    for (row, fault, _) in &rows {
        let hop = format!("hop-{row}");
        world.sts.inject(fault.clone().for_role(&role(&hop)));
        let mut spec = spec(row);
        spec["assumeRole"]["via"] =
            json!([{"roleArn": format!("arn:aws:iam::123456789012:{}hop", role(&hop))}]);
        world.create(row, spec).await;
    }
    for (row, _, reason) in &rows {
        let failed = world.wait(row, "failing", |s| s.failure.is_some()).await;
        let status = failed.status.unwrap();
        let failure = failure(&status);
        let target =
            format!("AssumeRole for arn:aws:iam::123456789012:role/hop-{row}/hop failed: ");
        assert_eq!(failure.reason, *reason, "{row}: {}", failure.message);
        assert!(failure.message.starts_with(&target), "{row}: {}", failure.message);
        assert!(world.call_times(&role(row)).is_empty(), "{row}: a call after the failed hop");
    }
}
