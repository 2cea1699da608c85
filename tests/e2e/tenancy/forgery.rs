//! Forgeries on a Secret by a user who may edit it: edited annotations neither stop a rotation nor cause
//! call after call to STS.

use futures::future::join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use rig::sts::{Fault, IssuedRecord};
use serde_json::{Value, json};
use tempcred_core::credentials::{AccessKey, Credentials, Values};
use tempcred_core::secret::annotation;

use crate::world::{
    SOON, World, assert_complete, assume, failure_reason, is_ready, role_arn, wait_until,
};

/// The lifetime of the credentials; they are renewed after three fifths of it or a little more.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(24);

/// One forgery: a merge patch for the Secret, which may copy from another Secret of the namespace.
pub struct Forgery {
    /// A description.
    pub name: &'static str,
    /// How many calls it may cost.
    costs: usize,
    patch: fn(&Secret, &Secret) -> Value,
}

fn annotate_all(pairs: &[(&str, Value)]) -> Value {
    let annotations: serde_json::Map<_, _> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    json!({"metadata": {"annotations": annotations}})
}

fn annotate(key: &str, value: &str) -> Value {
    annotate_all(&[(key, json!(value))])
}

fn label(key: &str, value: Value) -> Value {
    json!({"metadata": {"labels": {key: value}}})
}

/// Foreign keys, with a matching fingerprint.
fn foreign_keys() -> (Value, String) {
    let keys = ["AKIAFOREIGN000000001", "foreignSecret", "foreignToken"];
    let [id, secret, token] = keys;
    let time = jiff::Timestamp::UNIX_EPOCH;
    let credentials = Credentials {
        values: Values::AccessKey(AccessKey {
            access_key_id: id.to_owned(),
            secret_access_key: secret.to_owned().into(),
            session_token: token.to_owned().into(),
        }),
        issued_at: time,
        expiration: time,
        principal_arn: None,
        packed_policy_size: None,
    };
    let data = json!({
        "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token,
        "credentials": "", "credentials.json": "",
    });
    (data, credentials.fingerprint())
}

const FAR: &str = "2099-01-01T00:00:00Z";

pub fn rows() -> Vec<Forgery> {
    use annotation::{
        CREDENTIAL_NAME, EXPIRATION, FINGERPRINT, ISSUED_AT, PRINCIPAL_ARN, RENDER_HASH,
        RENEW_REQUEST, REQUEST_HASH,
    };
    let free = |name, patch| Forgery { name, costs: 0, patch };
    let costly = |name, patch| Forgery { name, costs: 1, patch };
    vec![
        free("a hash of no request", |_, _| annotate(REQUEST_HASH, &"0".repeat(64))),
        free("the hash of another request", |_, other| {
            annotate(REQUEST_HASH, &other.annotations()[REQUEST_HASH])
        }),
        free("no hash", |_, _| annotate_all(&[(REQUEST_HASH, Value::Null)])),
        free("another render hash", |_, _| annotate(RENDER_HASH, "x")),
        free("another fingerprint", |_, _| annotate(FINGERPRINT, "x")),
        free("the fingerprint of another", |_, other| {
            annotate(FINGERPRINT, &other.annotations()[FINGERPRINT])
        }),
        free("an expiry far ahead", |_, _| annotate(EXPIRATION, FAR)),
        free("an expiry long ago", |_, _| annotate(EXPIRATION, "2000-01-01T00:00:00Z")),
        free("an invalid expiry", |_, _| annotate(EXPIRATION, "soon\n\u{1b}[2J")),
        free("an issue far ahead", |_, _| annotate(ISSUED_AT, FAR)),
        free("an issue long ago", |_, _| annotate(ISSUED_AT, "2000-01-01T00:00:00Z")),
        free("a lifetime far ahead", |_, _| {
            annotate_all(&[(ISSUED_AT, json!(FAR)), (EXPIRATION, json!("2099-01-01T01:00:00Z"))])
        }),
        free("a lifetime that begins now", |_, _| {
            let now = jiff::Timestamp::now();
            let ends = now + jiff::SignedDuration::from_hours(1);
            annotate_all(&[
                (ISSUED_AT, json!(now.to_string())),
                (EXPIRATION, json!(ends.to_string())),
            ])
        }),
        free("times at the ends of the calendar, and a principal of several lines", |_, _| {
            annotate_all(&[
                (ISSUED_AT, json!("9999-12-30T21:59:59Z")),
                (EXPIRATION, json!("-009999-01-03T00:00:00Z")),
                (PRINCIPAL_ARN, json!(crate::log::ODD)),
            ])
        }),
        free("a principal of 200 KiB", |_, _| annotate(PRINCIPAL_ARN, &"x\n".repeat(100 << 10))),
        free("a renewal of 200 KiB", |_, _| annotate(RENEW_REQUEST, &"x\n".repeat(100 << 10))),
        free("the name of another", |_, _| annotate(CREDENTIAL_NAME, "other")),
        free("no annotations", |secret, _| {
            let keys = secret.annotations().keys();
            annotate_all(&keys.map(|key| (key.as_str(), Value::Null)).collect::<Vec<_>>())
        }),
        free("the UID of another as label", |_, other| {
            let uid = &other.labels()["tempcred.dev/credential-uid"];
            label("tempcred.dev/credential-uid", json!(uid))
        }),
        free("no UID as label", |_, _| label("tempcred.dev/credential-uid", Value::Null)),
        free("another manager", |_, _| label("app.kubernetes.io/managed-by", json!("helm"))),
        free("no owner", |_, _| json!({"metadata": {"ownerReferences": null}})),
        free(
            "another expiry in the data",
            |_, _| json!({"stringData": {"AWS_CREDENTIAL_EXPIRATION": FAR}}),
        ),
        costly("foreign keys", |_, _| json!({"stringData": foreign_keys().0})),
        costly("foreign keys, and a matching fingerprint", |_, _| {
            let (data, fingerprint) = foreign_keys();
            let mut patch = annotate_all(&[
                (FINGERPRINT, json!(fingerprint)),
                (ISSUED_AT, json!(jiff::Timestamp::now().to_string())),
                (EXPIRATION, json!(FAR)),
            ]);
            patch["stringData"] = data;
            patch
        }),
        costly(
            "everything of another",
            |_, other| json!({"metadata": {"annotations": other.annotations()}, "data": other.data}),
        ),
    ]
}

/// What STS issued for a role, in order.
fn issued(world: &World, name: &str) -> Vec<IssuedRecord> {
    let mut all = world.sts.issued();
    all.retain(|record| record.role_arn.as_deref() == Some(&role_arn(name)));
    all
}

/// The record of the credentials in the Secret, if the Secret is as tempcred writes it.
async fn intact(world: &World, name: &str, uid: &str) -> Option<IssuedRecord> {
    let secret = world.secrets().get(name).await.unwrap();
    let mut data = crate::world::data(&secret);
    let key = data.remove("AWS_ACCESS_KEY_ID")?;
    let dated = data.remove("AWS_CREDENTIAL_EXPIRATION")?.parse::<jiff::Timestamp>().ok()?;
    let record = issued(world, name).into_iter().find(|record| record.access_key_id == key)?;
    let annotations = secret.annotations();
    let expires = annotations.get(annotation::EXPIRATION)?.parse::<jiff::Timestamp>().ok()?;
    let ours = secret.labels().get("tempcred.dev/credential-uid")? == uid
        && secret.labels()["app.kubernetes.io/managed-by"] == "tempcred"
        && secret.metadata.owner_references.as_ref()?[0].uid == uid
        && annotations.get(annotation::CREDENTIAL_NAME)? == name
        && annotations.get(annotation::PRINCIPAL_ARN)?.contains(name);
    let same = [expires, dated].iter().all(|at| at.as_second() == record.expiration.as_second());
    (ours && same).then(|| {
        assert_complete(&secret);
        record
    })
}

async fn withstands(world: &World, name: &str, forgery: &Forgery) {
    let row = forgery.name;
    let resource = world.issue(name, assume(name)).await;
    let uid = resource.uid().unwrap();
    let other = world.secrets().get("other").await.unwrap();
    let secret = world.secrets().get(name).await.unwrap();
    world.edit_secret(name, (forgery.patch)(&secret, &other)).await;
    let repaired = wait_until(row, SOON, || intact(world, name, &uid)).await;
    let calls = issued(world, name).len();
    assert!(calls <= 1 + forgery.costs, "{row}: {calls} calls");
    let status = world.credentials().get(name).await.unwrap().status.unwrap();
    let text = serde_json::to_string(&status).unwrap();
    assert!(text.len() < 4096 && !text.contains("2099"), "{row}: {text}");
    // The next rotation is in time, and happens once.
    let next = wait_until(row, SOON, || async {
        intact(world, name, &uid).await.filter(|next| *next != repaired)
    })
    .await;
    assert!(next.at < repaired.expiration, "{row}: late");
    let before = issued(world, name).into_iter().filter(|record| record.at < next.at).count();
    assert_eq!(before, calls, "{row}: calls before the rotation");
}

#[tokio::test]
async fn no_forgery_stops_a_rotation_or_costs_more_than_one_call() {
    let world = World::start().await;
    world.issue("other", assume("other")).await;
    world.sts.inject(Fault::lifetime(LIFETIME).for_role("forged-"));
    let rows = rows();
    let all = rows.iter().enumerate().map(|(index, forgery)| {
        let world = &world;
        async move { withstands(world, &format!("forged-{index}"), forgery).await }
    });
    join_all(all).await;
    assert_eq!(issued(&world, "other").len(), 1);
    assert!(!world.log().contains("panicked"), "{}", world.log());
}

#[tokio::test]
async fn a_forged_renewal_request_does_not_block_a_real_one() {
    let world = World::start().await;
    world.issue("reports", assume("reports")).await;
    world.edit_secret("reports", annotate(annotation::RENEW_REQUEST, "tomorrow")).await;
    world.request_renewal("reports", "tomorrow").await;
    wait_until("it is served", SOON, || async {
        (issued(&world, "reports").len() == 2).then_some(())
    })
    .await;
    // A removed record of the request does not cause another renewal.
    let served = |s: &tempcred_core::api::CredentialStatus| {
        is_ready(s) && s.last_renew_request.as_deref() == Some("tomorrow")
    };
    world.wait("reports", "renewed", served).await;
    world.edit_secret("reports", annotate_all(&[(annotation::RENEW_REQUEST, Value::Null)])).await;
    wait_until("it is repaired", SOON, || async {
        let secret = world.secrets().get("reports").await.unwrap();
        secret.annotations().contains_key(annotation::RENEW_REQUEST).then_some(())
    })
    .await;
    assert_eq!(issued(&world, "reports").len(), 2);
}

/// A Secret that a user hands over to another controller stays untouched, and the conflict is reported.
#[tokio::test]
async fn a_secret_with_another_controller_stays_untouched_until_that_controller_is_removed() {
    let world = World::start().await;
    let spec = |name: &str| assume(name);
    let heir = world.issue("heir", spec("heir")).await;
    world.issue("reports", spec("reports")).await;
    let before = world.secrets().get("reports").await.unwrap();
    let owner = |uid: &str, name: &str| {
        json!({"metadata": {
            "labels": {"tempcred.dev/credential-uid": uid},
            "ownerReferences": [{
                "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential", "name": name,
                "uid": uid, "controller": true,
            }],
        }})
    };
    world.edit_secret("reports", owner(&heir.uid().unwrap(), "heir")).await;
    let conflict = |s: &_| failure_reason(s) == Some("SecretConflict");
    let refused = world.wait("reports", "refused", conflict).await;
    let message = refused.status.unwrap().failure.unwrap().message;
    assert!(message.contains("controlled by TemporaryCredential heir"), "{message}");
    assert_eq!(world.secrets().get("reports").await.unwrap().data, before.data);
    let own = before.labels()["tempcred.dev/credential-uid"].clone();
    world.edit_secret("reports", owner(&own, "reports")).await;
    world.wait_at_most(SOON * 2, "reports", "ready", is_ready).await;
    assert_eq!(world.secrets().get("reports").await.unwrap().data, before.data);
    assert_eq!(world.sts.calls_total(), 2);
}
