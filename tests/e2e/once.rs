//! What costs a call to STS or a write, and what does not.

use std::time::Duration;

use rig::sts::Matching;
use serde_json::{Value, json};

use crate::outage::arrived;
use crate::world::{
    OPERATOR_KEY, SOON, World, Writes, assert_complete, condition, data, is_ready, plain,
    wait_until,
};

#[tokio::test]
async fn a_resource_becomes_a_secret_with_one_call_and_one_write_per_object() {
    let world = World::start().await;
    let issued = world.issue("reports", plain()).await;

    let secret = world.secrets().get("reports").await.unwrap();
    let key = assert_complete(&secret);
    let status = issued.status.unwrap();
    assert_eq!(status.access_key_id.as_deref(), Some(key.as_str()));
    assert_eq!(status.observed_generation, issued.metadata.generation);
    let principal = status.principal_arn.as_deref().unwrap();
    assert_eq!(
        principal,
        format!(
            "arn:aws:sts::123456789012:assumed-role/reports/tempcred-{}.reports",
            world.namespace
        )
    );
    assert_eq!(
        status.secret.as_ref().unwrap().resource_version,
        secret.metadata.resource_version.clone().unwrap()
    );
    assert_eq!(condition(&status, "Ready"), Some((true, "Issued")));
    assert_eq!(condition(&status, "Stalled"), None);

    let owner = &secret.metadata.owner_references.unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.controller), ("TemporaryCredential", Some(true)));
    assert_eq!(owner.uid, issued.metadata.uid.unwrap());

    wait_until("the event is there", SOON, || async { (world.writes().events == 1).then_some(()) })
        .await;
    assert_eq!(world.writes(), Writes { secrets: 1, statuses: 1, events: 1 });
    assert_eq!(world.sts.calls_total(), 1);
    assert_eq!(world.events("reports").await[0].1, "Issued");
}

#[tokio::test]
async fn a_minute_without_changes_causes_no_request() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    wait_until("the first issue is complete", SOON, || async {
        (world.writes().events == 1).then_some(())
    })
    .await;
    let (requests, calls) = (world.requests(), world.sts.calls_total());
    // The one wait that is not for a condition: that nothing happens shows only in time.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.requests() - requests, 0, "requests to the API server");
    assert_eq!(world.sts.calls_total() - calls, 0, "calls to STS");
}

#[tokio::test]
async fn a_change_that_does_not_reach_sts_costs_no_call() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let before = world.complete_key("reports").await;
    let shape = json!({
        "labels": {"team": "data"}, "annotations": {"note": "x"}, "formats": ["credentialProcess"],
    });
    let all = ["env", "credentialsFile", "credentialProcess"];
    let rows: [(&str, Value); 4] = [
        ("label", json!({"metadata": {"labels": {"a": "b"}}})),
        ("one format", json!({"spec": {"secret": shape}})),
        ("all formats", json!({"spec": {"secret": {"profile": "reports", "formats": all}}})),
        ("deletion policy", json!({"spec": {"secret": {"deletionPolicy": "Retain"}}})),
    ];
    for (row, patch) in rows {
        let changed = world.patch("reports", patch).await;
        let generation = changed.metadata.generation;
        world
            .wait("reports", row, |status| {
                status.observed_generation == generation && is_ready(status)
            })
            .await;
        if row == "one format" {
            let data = world.data("reports").await;
            assert_eq!(data.keys().collect::<Vec<_>>(), ["credentials.json"]);
        }
    }
    let secret = world.secrets().get("reports").await.unwrap();
    assert_eq!(assert_complete(&secret), before, "the credentials are the same");
    assert_eq!(secret.metadata.labels.as_ref().unwrap()["team"], "data");
    assert_eq!(secret.metadata.annotations.as_ref().unwrap()["note"], "x");
    assert_eq!(secret.metadata.owner_references, None, "retained");
    let data = data(&secret);
    assert!(data["credentials"].starts_with("[reports]\n"));
    assert_eq!(data.len(), 6, "{:?}", data.keys());
    assert_eq!(world.sts.calls_total(), 1);
}

#[tokio::test]
async fn an_edited_secret_is_repaired() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let key = world.complete_key("reports").await;
    let rows = [
        ("one value edited", json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}}), 1),
        (
            "every value edited",
            json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "x", "credentials": "x", "credentials.json": "x"}}),
            2,
        ),
    ];
    for (row, patch, calls) in rows {
        world.edit_secret("reports", patch).await;
        wait_until(row, SOON, || async {
            let data = world.data("reports").await;
            let key = &data["AWS_ACCESS_KEY_ID"];
            let complete = data["AWS_SECRET_ACCESS_KEY"] == rig::sts::secret_for(key)
                && data["AWS_SESSION_TOKEN"] == rig::sts::token_for(key)
                && data["credentials"].len() > 1;
            complete.then_some(())
        })
        .await;
        assert_eq!(world.sts.calls_total(), calls, "{row}");
    }
    assert_ne!(world.complete_key("reports").await, key);
}

#[tokio::test]
async fn a_deleted_secret_is_restored_with_one_call() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    world.secrets().delete("reports", &Default::default()).await.unwrap();
    wait_until("the Secret is back", SOON, || async {
        world.secrets().get_opt("reports").await.unwrap()
    })
    .await;
    let secret = world.secrets().get("reports").await.unwrap();
    let version = secret.metadata.resource_version.clone().unwrap();
    world
        .wait("reports", "aware of the new Secret", |status| {
            status.secret.as_ref().is_some_and(|secret| secret.resource_version == version)
        })
        .await;
    assert_complete(&secret);
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn additions_to_the_secret_stay_and_cost_no_write() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let added = json!({"metadata": {"labels": {"theirs": "x"}}, "stringData": {"THEIRS": "y"}});
    let version = world.edit_secret("reports", added).await.metadata.resource_version.unwrap();
    world
        .wait("reports", "aware of it", |s| {
            s.secret.as_ref().is_some_and(|s| s.resource_version == version)
        })
        .await;
    assert_eq!(world.writes().secrets, 1);
    world.request_renewal("reports", "1").await;
    world
        .wait("reports", "renewed", |status| status.last_renew_request.as_deref() == Some("1"))
        .await;
    let secret = world.secrets().get("reports").await.unwrap();
    assert_eq!(secret.metadata.labels.as_ref().unwrap()["theirs"], "x");
    assert_eq!(data(&secret)["THEIRS"], "y");
}

#[tokio::test]
async fn a_changed_request_costs_one_call() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let changed = world.patch("reports", json!({"spec": {"assumeRole": {"duration": "2h"}}})).await;
    let generation = changed.metadata.generation;
    world.wait("reports", "reissued", |s| s.observed_generation == generation && is_ready(s)).await;
    assert_eq!(world.sts.calls_total(), 2);
    assert_eq!(world.sts.requests()[1].form["DurationSeconds"], "7200");
}

#[tokio::test]
async fn a_renewal_request_costs_one_call_and_is_repeated_in_status() {
    let mut world = World::start().await;
    world.issue("reports", plain()).await;
    world.request_renewal("reports", "2026-01-01T00:00:00Z").await;
    let wanted = Some("2026-01-01T00:00:00Z");
    world.wait("reports", "renewed", |status| status.last_renew_request.as_deref() == wanted).await;
    assert_eq!(world.sts.calls_total(), 2);
    world.stop_operator();
    world.start_operator(&[]).await;
    world.wait_for_reconciliations(1).await;
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn each_call_of_a_chain_is_signed_with_the_credentials_of_the_call_before() {
    let world = World::start().await;
    let hop = "arn:aws:iam::210987654321:role/hop";
    let spec = json!({"assumeRole": {
        "roleArn": "arn:aws:iam::123456789012:role/reports",
        "via": [{"roleArn": hop, "externalId": "hop-id", "sessionName": "hopping"}],
    }});
    world.issue("reports", spec).await;
    let requests = world.sts.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].role_arn(), Some(hop));
    assert_eq!(requests[0].form["ExternalId"], "hop-id");
    assert_eq!(requests[0].form["RoleSessionName"], "hopping");
    assert_eq!(requests[0].signer.as_ref().unwrap().access_key_id, OPERATOR_KEY);
    let issued = world.sts.issued();
    assert_eq!(requests[1].signer.as_ref().unwrap().access_key_id, issued[0].access_key_id);
    assert_eq!(requests[1].security_token.as_ref(), Some(&issued[0].token));
    assert_eq!(world.complete_key("reports").await, issued[1].access_key_id);
}

#[tokio::test]
async fn consecutive_calls_share_a_connection() {
    let mut world = World::start().await;
    let hub = json!([{"roleArn": "arn:aws:iam::123456789012:role/hub"}]);
    for name in ["a", "b", "c", "d", "e"] {
        let role = "arn:aws:iam::123456789012:role/reports";
        world.issue(name, json!({"assumeRole": {"roleArn": role, "via": hub}})).await;
    }
    assert_eq!(world.sts.calls_total(), 10);
    // A pause of seconds on a busy machine may end one.
    let connections = world.sts.connections();
    assert!(connections <= 3, "{connections} connections for 10 calls");
    assert!(world.stop_operator().success());
}

#[tokio::test]
async fn suspend_stops_renewals_and_keeps_the_secret() {
    let world = World::start().await;
    let mut spec = plain();
    spec["assumeRole"]["duration"] = json!("15m");
    spec["renewal"] = json!({"before": "14m50s"});
    let issued = world.issue("reports", spec).await;
    let key = issued.status.unwrap().access_key_id;
    world.patch("reports", json!({"spec": {"suspend": true}})).await;
    let suspended = world
        .wait("reports", "suspended", |s| condition(s, "Ready") == Some((true, "Suspended")))
        .await;
    let calls = world.sts.calls_total();
    let due = suspended.status.as_ref().unwrap().issued_at.as_ref().unwrap().0
        + jiff::SignedDuration::from_secs(12);
    wait_until("well past the renewal", SOON, || async {
        (jiff::Timestamp::now() > due).then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_total(), calls, "nothing was renewed");
    assert_eq!(world.complete_key("reports").await, key.unwrap());
    world.patch("reports", json!({"spec": {"suspend": false}})).await;
    world
        .wait("reports", "renewed at once", |s| {
            condition(s, "Ready") == Some((true, "Issued")) && s.renewal_time.is_some()
        })
        .await;
    wait_until("a new call", SOON, || async {
        (world.sts.calls_total() == calls + 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_rotation_costs_one_call_one_secret_write_and_one_status_write() {
    let world = World::start().await;
    let mut spec = plain();
    spec["assumeRole"]["duration"] = json!("15m");
    spec["renewal"] = json!({"before": "14m50s"});
    let first = world.issue("reports", spec).await.status.unwrap().access_key_id;
    let second = world
        .wait("reports", "rotated", |s| s.access_key_id != first)
        .await
        .status
        .unwrap()
        .access_key_id;
    world
        .wait("reports", "rotated again", |s| s.access_key_id != first && s.access_key_id != second)
        .await;
    wait_until("two rotations", SOON, || async {
        (world.writes() == Writes { secrets: 3, statuses: 3, events: 1 }).then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_total(), 3);
    let age = world.sts.issued()[1].at.duration_since(world.sts.issued()[0].at);
    assert!(age.as_secs() >= 5 && age.as_secs() <= 11, "rotated after {age:?}");
}

#[tokio::test]
async fn an_edit_during_a_rotation_is_kept_and_costs_no_second_call() {
    let mut world = World::start().await;
    world.issue("reports", plain()).await;
    let hold = world.sts.hold(Matching::any());
    world.request_renewal("reports", "now").await;
    arrived(&hold, 1).await;
    world.kubectl(&["label", "secret", "reports", "team=data"]);
    hold.release();
    world.wait("reports", "renewed", |s| s.last_renew_request.is_some() && is_ready(s)).await;
    assert_eq!(world.sts.calls_total(), 2);
    let secret = world.secrets().get("reports").await.unwrap();
    assert_eq!(assert_complete(&secret), world.sts.issued()[1].access_key_id);
    assert_eq!(secret.metadata.labels.unwrap()["team"], "data");
    assert!(world.stop_operator().success());
}
