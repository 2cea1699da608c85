//! Each request reaches STS whole, under the names that STS knows.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::world::{World, assert_complete, condition, failure_reason, is_ready};

const ROLE: &str = "arn:aws:iam::123456789012:role/reports";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;
const MANAGED: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

async fn secret(world: &World, name: &str, key: &str, value: &str) {
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {key: value}}))
            .unwrap();
    world.secrets().create(&Default::default(), &secret).await.unwrap();
}

/// The one request that reached STS: its form, without what only this call can have.
fn only_request(world: &World) -> BTreeMap<String, String> {
    let requests = world.sts.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].signer.is_none(), "it needs no signature, and had one");
    requests[0].form.clone()
}

fn form(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Whether a token is signed by the API server, by the keys that it publishes.
fn is_signed(world: &World, token: &str) -> bool {
    let keys = world.rig.kubectl_output(&["get", "--raw", "/openid/v1/jwks"]).unwrap();
    let verify = r#"
import base64, json, sys
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
token, keys = sys.argv[1], json.loads(sys.argv[2])["keys"]
raw = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
number = lambda text: int.from_bytes(raw(text), "big")
head, payload, signature = token.split(".")
kid = json.loads(raw(head))["kid"]
key = next(key for key in keys if key["kid"] == kid)
public = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
public.verify(raw(signature), f"{head}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
"#;
    let mut python = std::process::Command::new(world.rig.python());
    python.args(["-c", verify, token, &keys]).output().unwrap().status.success()
}

/// The claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_service_account_token_reaches_sts_and_is_stored_nowhere() {
    let world = World::start().await;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), &world.namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": "reporter"}})).unwrap();
    accounts.create(&Default::default(), &account).await.unwrap();
    let spec =
        json!({"assumeRoleWithWebIdentity": {"roleArn": ROLE, "serviceAccountName": "reporter"}});
    let issued = world.issue("reports", spec).await;

    let mut sent = only_request(&world);
    let token = sent.remove("WebIdentityToken").unwrap();
    let session = format!("tempcred-{}.reports", world.namespace);
    assert_eq!(
        sent,
        form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", ROLE),
            ("RoleSessionName", &session),
            ("DurationSeconds", "3600"),
        ])
    );
    assert!(is_signed(&world, &token));
    assert!(!is_signed(&world, &token.replace(".ey", ".fy")), "the check takes anything");
    let claims = claims(&token);
    let subject = format!("system:serviceaccount:{}:reporter", world.namespace);
    assert_eq!(claims["sub"], subject.as_str());
    assert_eq!(claims["aud"], json!(["sts.amazonaws.com"]));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 600);

    assert_complete(&world.secrets().get("reports").await.unwrap());
    assert!(!world.log().contains(&token), "the token is in the log");
    let status = serde_json::to_string(&issued.status).unwrap();
    assert!(!status.contains(&token), "the token is in the status");
}

#[tokio::test]
async fn a_token_from_a_secret_reaches_sts_with_every_field() {
    let world = World::start().await;
    secret(&world, "oidc", "token", "header.payload.signature\n").await;
    let spec = json!({"assumeRoleWithWebIdentity": {
        "roleArn": ROLE, "tokenSecretRef": {"name": "oidc", "key": "token"}, "sessionName": "me",
        "duration": "30m", "policy": POLICY, "policyArns": [MANAGED],
    }});
    world.issue("reports", spec).await;
    assert_eq!(
        only_request(&world),
        form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "me"),
            ("WebIdentityToken", "header.payload.signature"),
            ("DurationSeconds", "1800"),
            ("Policy", POLICY),
            ("PolicyArns.member.1.arn", MANAGED),
        ])
    );
}

#[tokio::test]
async fn an_assertion_reaches_sts_with_every_field() {
    let world = World::start().await;
    secret(&world, "saml", "assertion", "PHNhbWw+").await;
    let provider = "arn:aws:iam::123456789012:saml-provider/corporate";
    let spec = json!({"assumeRoleWithSAML": {
        "roleArn": ROLE, "principalArn": provider,
        "assertionSecretRef": {"name": "saml", "key": "assertion"},
        "duration": "2h", "policy": POLICY, "policyArns": [MANAGED],
    }});
    world.issue("reports", spec).await;
    assert_eq!(
        only_request(&world),
        form(&[
            ("Action", "AssumeRoleWithSAML"),
            ("Version", "2011-06-15"),
            ("RoleArn", ROLE),
            ("PrincipalArn", provider),
            ("SAMLAssertion", "PHNhbWw+"),
            ("DurationSeconds", "7200"),
            ("Policy", POLICY),
            ("PolicyArns.member.1.arn", MANAGED),
        ])
    );
}

/// Long-lived keys of an IAM user, in a Secret.
async fn create_user_key(world: &World, name: &str, id: &str) {
    let data = json!({"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": "userSecretKeyThatIsVeryLongAndSecret"});
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": name}, "stringData": data})).unwrap();
    world.secrets().create(&Default::default(), &secret).await.unwrap();
}

#[tokio::test]
async fn a_session_of_a_user_is_asked_for_with_the_key_of_that_user() {
    let world = World::start().await;
    create_user_key(&world, "user", "AKIAUSER000000000001").await;
    let spec = json!({
        "identity": {"accessKeySecretRef": {"name": "user"}},
        "getSessionToken": {"duration": "36h"},
    });
    let issued = world.issue("session", spec).await;
    let requests = world.sts.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].signer.as_ref().unwrap().access_key_id, "AKIAUSER000000000001");
    assert_eq!(requests[0].security_token, None);
    let sent =
        [("Action", "GetSessionToken"), ("Version", "2011-06-15"), ("DurationSeconds", "129600")];
    assert_eq!(requests[0].form, form(&sent));
    assert_complete(&world.secrets().get("session").await.unwrap());
    assert_eq!(issued.status.unwrap().principal_arn, None);
}

#[tokio::test]
async fn a_federated_user_reaches_sts_with_every_field() {
    let world = World::start().await;
    create_user_key(&world, "user", "AKIAUSER000000000002").await;
    let spec = json!({
        "identity": {"accessKeySecretRef": {"name": "user"}},
        "getFederationToken": {
            "name": "alice", "duration": "1h", "policy": POLICY, "policyArns": [MANAGED],
            "tags": {"team": "data"},
        },
    });
    world.issue("federated", spec).await;
    let requests = world.sts.requests();
    assert_eq!(requests[0].signer.as_ref().unwrap().access_key_id, "AKIAUSER000000000002");
    assert_eq!(
        requests[0].form,
        form(&[
            ("Action", "GetFederationToken"),
            ("Version", "2011-06-15"),
            ("Name", "alice"),
            ("DurationSeconds", "3600"),
            ("Policy", POLICY),
            ("PolicyArns.member.1.arn", MANAGED),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "data"),
        ])
    );
}

#[tokio::test]
async fn a_task_of_root_is_signed_by_the_role_that_was_assumed_for_it() {
    let world = World::start().await;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), &world.namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": "auditor"}})).unwrap();
    accounts.create(&Default::default(), &account).await.unwrap();
    let task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials";
    let spec = json!({
        "identity": {"webIdentity": {"roleArn": ROLE, "serviceAccountName": "auditor", "audience": "sts.amazonaws.com"}},
        "assumeRoot": {"targetPrincipal": "210987654321", "taskPolicyArn": task},
    });
    world.issue("audit", spec).await;
    let (requests, issued) = (world.sts.requests(), world.sts.issued());
    assert_eq!(requests.len(), 2, "one call for the identity, one for the request");
    assert_eq!(requests[0].action, "AssumeRoleWithWebIdentity");
    assert_eq!(requests[0].form["DurationSeconds"], "900");
    let signer = requests[1].signer.as_ref().unwrap();
    assert_eq!(signer.access_key_id, issued[0].access_key_id);
    assert_eq!(requests[1].security_token.as_ref(), Some(&issued[0].token));
    assert_eq!(
        requests[1].form,
        form(&[
            ("Action", "AssumeRoot"),
            ("Version", "2011-06-15"),
            ("TargetPrincipal", "210987654321"),
            ("TaskPolicyArn.arn", task),
            ("DurationSeconds", "900"),
        ])
    );
    assert_eq!(assert_complete(&world.secrets().get("audit").await.unwrap()), issued[1].access_key_id);
}

#[tokio::test]
async fn a_web_identity_token_is_the_only_content_of_its_secret_and_is_repaired() {
    let world = World::start().await;
    create_user_key(&world, "user", "AKIAUSER000000000005").await;
    let spec = json!({
        "identity": {"accessKeySecretRef": {"name": "user"}},
        "getWebIdentityToken": {
            "audiences": ["https://cloud.example.com", "other"], "signingAlgorithm": "ES384",
            "duration": "10m", "tags": {"team": "data"},
        },
    });
    let issued = world.issue("token", spec).await.status.unwrap();
    let requests = world.sts.requests();
    assert_eq!(requests[0].signer.as_ref().unwrap().access_key_id, "AKIAUSER000000000005");
    assert_eq!(
        requests[0].form,
        form(&[
            ("Action", "GetWebIdentityToken"),
            ("Version", "2011-06-15"),
            ("Audience.member.1", "https://cloud.example.com"),
            ("Audience.member.2", "other"),
            ("SigningAlgorithm", "ES384"),
            ("DurationSeconds", "600"),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "data"),
        ])
    );
    let data = world.data("token").await;
    assert_eq!(data.keys().collect::<Vec<_>>(), ["expiration", "token"]);
    assert_eq!(data["token"], world.sts.issued()[0].token);
    assert_eq!(data["expiration"], issued.expiration.unwrap().0.to_string());
    assert_eq!(issued.access_key_id, None);
    // Damaged, it comes back; relabelled, it is written from what it holds.
    let patch = kube::api::Patch::Merge(json!({"stringData": {"token": "edited"}}));
    world.secrets().patch("token", &Default::default(), &patch).await.unwrap();
    crate::world::wait_until("repaired", crate::world::SOON, || async {
        (world.data("token").await["token"] == world.sts.issued().last()?.token).then_some(())
    })
    .await;
    world.patch("token", json!({"spec": {"secret": {"labels": {"a": "b"}}}})).await;
    crate::world::wait_until("relabelled", crate::world::SOON, || async {
        let secret = world.secrets().get("token").await.unwrap();
        secret.metadata.labels.unwrap().contains_key("a").then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn a_credential_can_be_made_from_the_secret_of_another() {
    let world = World::start().await;
    let first = world.issue("first", crate::world::plain()).await.status.unwrap();
    let spec = json!({
        "identity": {"accessKeySecretRef": {"name": "first", "sessionTokenKey": "AWS_SESSION_TOKEN"}},
        "assumeRole": {"roleArn": ROLE},
    });
    world.issue("second", spec).await;
    let requests = world.sts.requests();
    assert_eq!(
        Some(&requests[1].signer.as_ref().unwrap().access_key_id),
        first.access_key_id.as_ref()
    );
    assert_eq!(requests[1].security_token.as_ref(), Some(&world.sts.issued()[0].token));
}

#[tokio::test]
async fn a_missing_input_is_named_and_used_as_soon_as_it_exists() {
    let world = World::start().await;
    secret(&world, "empty", "other", "x").await;
    let token = |name: &str, key: &str| {
        json!({"assumeRoleWithWebIdentity": {
            "roleArn": ROLE, "tokenSecretRef": {"name": name, "key": key},
        }})
    };
    let account =
        json!({"assumeRoleWithWebIdentity": {"roleArn": ROLE, "serviceAccountName": "nobody"}});
    let rows = [
        (
            "no-secret",
            token("absent", "token"),
            "Secret absent, whose key token is needed, does not exist",
        ),
        ("no-key", token("empty", "token"), "Secret empty has no key token"),
        ("no-account", account, "ServiceAccount nobody does not exist"),
    ];
    for (name, spec, _) in &rows {
        world.create(name, spec.clone()).await;
    }
    for (name, _, says) in rows {
        let blocked =
            world.wait(name, "blocked", |s| failure_reason(s) == Some("InputMissing")).await;
        let status = blocked.status.unwrap();
        assert_eq!(condition(&status, "Stalled"), Some((true, "InputMissing")));
        let message = status.failure.unwrap().message;
        assert!(message.starts_with(says), "{name}: {message}");
    }
    assert_eq!(world.sts.calls_total(), 0);
    let waits = |status: &CredentialStatus| status.failure.as_ref().unwrap().next_attempt.0;
    let next = waits(&world.credentials().get("no-secret").await.unwrap().status.unwrap());
    secret(&world, "absent", "token", "a.b.c").await;
    let issued = world.wait("no-secret", "ready at once", is_ready).await.status.unwrap();
    assert!(issued.issued_at.unwrap().0 < next, "it waited for its backoff");
}

#[tokio::test]
async fn a_new_access_key_ends_the_backoff() {
    let world = World::start().await;
    create_user_key(&world, "user", "AKIAUSER000000000003").await;
    world.sts.inject(rig::sts::Fault::error(403, "InvalidClientTokenId", "no such key"));
    let user = json!({"accessKeySecretRef": {"name": "user"}});
    world.create("session", json!({"identity": user, "getSessionToken": {}})).await;
    let twice = |s: &CredentialStatus| s.failure.as_ref().is_some_and(|f| f.count >= 2);
    let failing = world.wait("session", "refused twice", twice).await.status.unwrap();
    assert_eq!(failure_reason(&failing), Some("IdentityRefused"));
    world.sts.clear();
    let rotated = json!({"stringData": {"AWS_ACCESS_KEY_ID": "AKIAUSER000000000004"}});
    let patch = kube::api::Patch::Merge(rotated);
    world.secrets().patch("user", &Default::default(), &patch).await.unwrap();
    let issued = world.wait("session", "ready at once", is_ready).await.status.unwrap();
    assert!(issued.issued_at.unwrap().0 < failing.failure.unwrap().next_attempt.0);
    let signer = world.sts.requests().pop().unwrap().signer.unwrap();
    assert_eq!(signer.access_key_id, "AKIAUSER000000000004");
}

#[tokio::test]
async fn resources_made_from_each_other_are_told_so() {
    let world = World::start().await;
    let from = |other: &str| json!({"identity": {"accessKeySecretRef": {"name": other}}, "assumeRole": {"roleArn": ROLE}});
    world.create("egg", from("hen")).await;
    world.create("hen", from("egg")).await;
    let looped = |s: &CredentialStatus| failure_reason(s) == Some("ReferenceLoop");
    let blocked = world.wait("hen", "blocked", looped).await.status.unwrap();
    let message = blocked.failure.unwrap().message;
    let way = "hen, which reads the Secret of egg, which reads the Secret of hen: ";
    assert!(message.starts_with(way), "{message}");
    assert_eq!(world.sts.calls_total(), 0);
}
