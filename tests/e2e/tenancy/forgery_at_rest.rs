//! Forgeries on a Secret while no operator runs: the next operator has no memory of the Secret, and
//! detects them nevertheless.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use rig::sts::Fault;
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;
use tempcred_core::secret::annotation::{
    EXPIRATION, ISSUED_AT, PRINCIPAL_ARN, RENEW_REQUEST, REQUEST_HASH,
};

use crate::denial::{Denial, Denied};
use crate::world::{
    SOON, World, assert_complete, assume, condition, failure_reason, role_arn, wait_until,
};

const LIFETIME: std::time::Duration = std::time::Duration::from_secs(40);

/// Name, how many calls the forgery may cost, and the forged annotations.
fn rows() -> Vec<(&'static str, usize, Value)> {
    let now = jiff::Timestamp::now();
    let later = now + jiff::SignedDuration::from_hours(1);
    let (issued, expires) = (now.to_string(), later.to_string());
    let far = "2099-01-01T00:00:00Z";
    vec![
        ("untouched", 0, json!({})),
        ("expires-far-ahead", 0, json!({EXPIRATION: far})),
        ("expired", 0, json!({EXPIRATION: "2000-01-01T00:00:00Z"})),
        ("begins-now", 0, json!({ISSUED_AT: issued, EXPIRATION: expires})),
        ("begins-far-ahead", 1, json!({ISSUED_AT: far, EXPIRATION: "2099-01-01T01:00:00Z"})),
        ("began-long-ago", 0, json!({ISSUED_AT: "2000-01-01T00:00:00Z"})),
        ("no-time", 1, json!({EXPIRATION: "soon"})),
        ("another-request", 1, json!({REQUEST_HASH: "x"})),
        ("another-renewal", 0, json!({RENEW_REQUEST: "x\n".repeat(100 << 10)})),
        ("another-principal", 0, json!({PRINCIPAL_ARN: "x\n".repeat(100 << 10)})),
    ]
}

#[tokio::test]
async fn an_operator_that_starts_repairs_forged_annotations() {
    let mut world = World::start().await;
    world.sts.inject(Fault::lifetime(LIFETIME));
    let rows = rows();
    for (name, ..) in &rows {
        world.create(name, assume(name)).await;
    }
    for (name, ..) in &rows {
        world.wait(name, "ready", crate::world::is_ready).await;
    }
    assert!(world.stop_operator().success());
    for (name, _, annotations) in &rows {
        world.edit_secret(name, json!({"metadata": {"annotations": annotations}})).await;
    }
    world.start_operator(&[]).await;
    for (name, costs, _) in &rows {
        let first =
            world.sts.issued().into_iter().find(|m| m.role_arn == Some(role_arn(name))).unwrap();
        // By a rotation or by a repair, the Secret is replaced before its credentials expire.
        let secret: Secret = wait_until(name, SOON * 2, || async {
            let secret = world.secrets().get(name).await.unwrap();
            (crate::world::data(&secret)["AWS_ACCESS_KEY_ID"] != first.access_key_id)
                .then_some(secret)
        })
        .await;
        let key = assert_complete(&secret);
        let all = world.sts.issued();
        let next = all.iter().find(|record| record.access_key_id == key).unwrap();
        assert!(next.at < first.expiration, "{name}: late");
        let calls = world.sts.calls_for_role(&role_arn(name));
        assert!(calls <= 2 + costs, "{name}: {calls} calls");
        // A forgery that costs no call does not change the time of the rotation either.
        let early = first.at + jiff::SignedDuration::from_secs(20);
        assert!(*costs > 0 || next.at > early, "{name}: renewed at once");
        assert!(secret.annotations()[PRINCIPAL_ARN].len() < 200, "{name}");
        assert_eq!(
            secret.annotations()[EXPIRATION].parse::<jiff::Timestamp>().unwrap().as_second(),
            next.expiration.as_second()
        );
        let status = world.credentials().get(name).await.unwrap().status.unwrap();
        assert!(serde_json::to_string(&status).unwrap().len() < 4096, "{name}");
    }
}

/// Edits the Secret of `reports`: an expiry far ahead, and foreign keys in one of the formats.
async fn forge(world: &World) -> Secret {
    let forged = json!({
        "metadata": {"annotations": {EXPIRATION: "2099-01-01T00:00:00Z"}},
        "stringData": {"credentials": "[default]\naws_access_key_id = AKIAFORGED0000000001\n"},
    });
    world.edit_secret("reports", forged).await
}

/// Waits for the repair, and asserts that it cost no call.
async fn assert_repaired(world: &World) {
    wait_until("it is repaired", SOON, || async {
        let secret = world.secrets().get("reports").await.unwrap();
        let forged = crate::world::data(&secret)["credentials"].contains("FORGED")
            || secret.annotations()[EXPIRATION].starts_with("2099");
        (!forged).then(|| assert_complete(&secret))
    })
    .await;
    assert_eq!(world.sts.calls_total(), 1);
}

/// A forgery that cannot be repaired at once is not mistaken for the operator's own data.
#[tokio::test]
async fn a_repair_that_the_cluster_rejects_is_made_later() {
    let mut world = World::start().await;
    world.issue("reports", crate::world::plain()).await;
    assert!(world.stop_operator().success());
    forge(&world).await;
    let denial = Denial::start(&world, Denied::Secrets).await;
    world.start_operator(&[]).await;
    let rejected = |s: &_| failure_reason(s) == Some("SecretRejected");
    let status = world.wait("reports", "rejected", rejected).await.status.unwrap();
    assert!(!serde_json::to_string(&status).unwrap().contains("2099"));
    denial.end().await;
    assert_repaired(&world).await;
}

#[tokio::test]
async fn a_forgery_during_a_suspension_is_repaired_after_it() {
    let world = World::start().await;
    world.issue("reports", crate::world::plain()).await;
    let suspend = |is: bool| world.patch("reports", json!({"spec": {"suspend": is}}));
    suspend(true).await;
    let suspended = |s: &_| condition(s, "Ready") == Some((true, "Suspended"));
    world.wait("reports", "suspended", suspended).await;
    let version = forge(&world).await.metadata.resource_version;
    let seen = |s: &CredentialStatus| {
        s.secret.as_ref().map(|secret| &secret.resource_version) == version.as_ref()
    };
    world.wait("reports", "aware of it", seen).await;
    suspend(false).await;
    assert_repaired(&world).await;
}
