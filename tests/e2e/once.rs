//! Mint once: what costs a call to STS, and what does not.

use rig::sts::Matching;
use serde_json::{Value, json};

use crate::outage::arrived;
use crate::world::{SOON, World, Writes, assert_complete, condition, is_ready, plain, wait_until};

#[tokio::test]
async fn five_restarts_cost_nothing() {
    let mut world = World::start().await;
    world.issue("reports", plain()).await;
    let writes = wait_until("the event is written", SOON, || async {
        Some(world.writes()).filter(|writes| writes.events == 1)
    })
    .await;
    for _ in 0..5 {
        assert!(world.stop_operator().success());
        world.start_operator(&[]).await;
        world.wait_for_reconciliations(1).await;
    }
    assert_eq!(world.sts.calls_total(), 1);
    assert_eq!(world.writes(), writes);
}

#[tokio::test]
async fn a_change_that_does_not_reach_sts_costs_no_call() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let before = assert_complete(&world.secrets().get("reports").await.unwrap());
    let rows: [(&str, Value); 6] = [
        ("label", json!({"metadata": {"labels": {"a": "b"}}})),
        ("annotation", json!({"metadata": {"annotations": {"a": "b"}}})),
        ("renewal", json!({"spec": {"renewal": {"before": "5m"}}})),
        (
            "secret labels",
            json!({"spec": {"secret": {"labels": {"team": "data"}, "annotations": {"note": "x"}}}}),
        ),
        ("profile", json!({"spec": {"secret": {"profile": "reports"}}})),
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
    }
    let secret = world.secrets().get("reports").await.unwrap();
    assert_eq!(assert_complete(&secret), before, "the credentials are the same");
    assert_eq!(secret.metadata.labels.as_ref().unwrap()["team"], "data");
    assert_eq!(secret.metadata.annotations.as_ref().unwrap()["note"], "x");
    assert_eq!(secret.metadata.owner_references, None, "retained");
    assert!(world.data("reports").await["credentials"].starts_with("[reports]\n"));
    assert_eq!(world.sts.calls_total(), 1);
}

#[tokio::test]
async fn formats_come_and_go_without_a_call() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let env = [
        "AWS_ACCESS_KEY_ID",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ];
    for (formats, keys) in [
        (json!(["env"]), env.to_vec()),
        (json!(["credentialsFile"]), vec!["credentials"]),
        (json!(["credentialProcess"]), vec!["credentials.json"]),
        (
            json!(["env", "credentialsFile", "credentialProcess"]),
            [&env[..], &["credentials", "credentials.json"]].concat(),
        ),
    ] {
        world.patch("reports", json!({"spec": {"secret": {"formats": formats}}})).await;
        wait_until(&format!("formats are {formats}"), SOON, || async {
            let data = world.data("reports").await;
            data.keys().eq(keys.iter()).then_some(())
        })
        .await;
    }
    assert_complete(&world.secrets().get("reports").await.unwrap());
    assert_eq!(world.sts.calls_total(), 1);
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
        .wait("reports", "told of the new Secret", |status| {
            status.secret.as_ref().is_some_and(|secret| secret.resource_version == version)
        })
        .await;
    assert_complete(&secret);
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn an_edited_secret_is_repaired() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let key = assert_complete(&world.secrets().get("reports").await.unwrap());
    let rows = [
        ("one value edited", json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}}), 1),
        (
            "a label removed",
            json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}),
            1,
        ),
        (
            "the label of the watch removed",
            json!({"metadata": {"labels": {"tempcred.dev/credential-uid": null}}}),
            1,
        ),
        ("the owner removed", json!({"metadata": {"ownerReferences": null}}), 1),
        (
            "the name of the resource edited",
            json!({"metadata": {"annotations": {"tempcred.dev/credential-name": "other"}},
                   "stringData": {"AWS_SESSION_TOKEN": "edited"}}),
            1,
        ),
        (
            "every value edited",
            json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "x", "credentials": "x", "credentials.json": "x"}}),
            2,
        ),
        (
            "an annotation edited",
            json!({"metadata": {"annotations": {"tempcred.dev/fingerprint": "x"}}}),
            2,
        ),
    ];
    for (row, patch, calls) in rows {
        let params = kube::api::PatchParams::default();
        world.secrets().patch("reports", &params, &kube::api::Patch::Merge(patch)).await.unwrap();
        wait_until(row, SOON, || async {
            let secret = world.secrets().get("reports").await.unwrap();
            let data = crate::world::data(&secret);
            let labels = secret.metadata.labels.clone().unwrap_or_default();
            let annotations = secret.metadata.annotations.clone().unwrap_or_default();
            let key = &data["AWS_ACCESS_KEY_ID"];
            let whole = data["AWS_SECRET_ACCESS_KEY"] == rig::sts::secret_for(key)
                && data["AWS_SESSION_TOKEN"] == rig::sts::token_for(key)
                && data["credentials"].len() > 1
                && labels.contains_key("tempcred.dev/credential-uid")
                && labels.contains_key("app.kubernetes.io/managed-by")
                && secret.metadata.owner_references.is_some()
                && annotations["tempcred.dev/credential-name"] == "reports"
                && annotations["tempcred.dev/fingerprint"] != "x";
            whole.then_some(())
        })
        .await;
        assert_eq!(world.sts.calls_total(), calls, "{row}");
    }
    assert_ne!(assert_complete(&world.secrets().get("reports").await.unwrap()), key);
}

#[tokio::test]
async fn additions_to_the_secret_stay_and_cost_no_write() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let added = json!({"metadata": {"labels": {"theirs": "x"}}, "stringData": {"THEIRS": "y"}});
    let params = kube::api::PatchParams::default();
    world.secrets().patch("reports", &params, &kube::api::Patch::Merge(added)).await.unwrap();
    let version = world.secrets().get("reports").await.unwrap().metadata.resource_version.unwrap();
    world
        .wait("reports", "aware of it", |s| {
            s.secret.as_ref().is_some_and(|s| s.resource_version == version)
        })
        .await;
    assert_eq!(world.writes().secrets, 1);
    world
        .patch(
            "reports",
            json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": "1"}}}),
        )
        .await;
    world
        .wait("reports", "renewed", |status| status.last_renew_request.as_deref() == Some("1"))
        .await;
    let secret = world.secrets().get("reports").await.unwrap();
    assert_eq!(secret.metadata.labels.as_ref().unwrap()["theirs"], "x");
    assert_eq!(crate::world::data(&secret)["THEIRS"], "y");
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
    let request = json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": "2026-01-01T00:00:00Z"}}});
    world.patch("reports", request).await;
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
    assert_eq!(requests[0].signer.as_ref().unwrap().access_key_id, crate::world::OPERATOR_KEY);
    let issued = world.sts.issued();
    assert_eq!(requests[1].signer.as_ref().unwrap().access_key_id, issued[0].access_key_id);
    assert_eq!(requests[1].security_token.as_ref(), Some(&issued[0].token));
    assert_eq!(
        assert_complete(&world.secrets().get("reports").await.unwrap()),
        issued[1].access_key_id
    );
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
async fn every_field_reaches_sts_under_its_own_name() {
    let world = World::start().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let spec = json!({"region": "eu-west-1", "assumeRole": {
        "roleArn": "arn:aws:iam::123456789012:role/reports", "externalId": "ext-1", "sessionName": "me",
        "sourceIdentity": "alice", "duration": "30m", "policy": policy,
        "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        "tags": {"team": "data", "cost": "42"}, "transitiveTagKeys": ["team"],
    }});
    let issued = world.issue("reports", spec).await;
    let request = &world.sts.requests()[0];
    let expected = [
        ("RoleArn", "arn:aws:iam::123456789012:role/reports"),
        ("ExternalId", "ext-1"),
        ("RoleSessionName", "me"),
        ("SourceIdentity", "alice"),
        ("DurationSeconds", "1800"),
        ("Policy", policy),
        ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("Tags.member.1.Key", "cost"),
        ("Tags.member.1.Value", "42"),
        ("Tags.member.2.Key", "team"),
        ("Tags.member.2.Value", "data"),
        ("TransitiveTagKeys.member.1", "team"),
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
    ];
    for (key, value) in expected {
        assert_eq!(request.form.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(request.form.len(), expected.len(), "{:?}", request.form.keys());
    assert_eq!(request.signer.as_ref().unwrap().region, "eu-west-1");
    assert_eq!(world.data("reports").await["AWS_REGION"], "eu-west-1");
    assert!(issued.status.unwrap().packed_policy_size.is_some());
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
    assert_eq!(assert_complete(&world.secrets().get("reports").await.unwrap()), key.unwrap());
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
    wait_until("three rounds", SOON, || async {
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
    let renew = json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": "now"}}});
    world.patch("reports", renew).await;
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
