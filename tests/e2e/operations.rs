//! Requests on the wire: each reaches STS complete, with the parameter names of the STS API.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures::future::join_all;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use rig::sts::Received;
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::world::{OPERATOR_KEY, SOON, World, condition, failure_reason, is_ready, wait_until};

const ROLE: &str = "arn:aws:iam::123456789012:role/reports";
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;
const MANAGED: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/corporate";
const USER_KEY: &str = "AKIAUSER000000000001";

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
    create_account(&world, "reporter").await;
    let spec =
        json!({"assumeRoleWithWebIdentity": {"roleArn": ROLE, "serviceAccountName": "reporter"}});
    let issued = world.issue("reports", spec).await;

    assert_eq!(world.sts.calls_total(), 1);
    let request = request(&world, "AssumeRoleWithWebIdentity");
    assert!(request.signer.is_none(), "it needs no signature, and had one");
    let mut sent = request.form;
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
    assert!(!is_signed(&world, &token.replace(".ey", ".fy")), "the check accepts anything");
    let claims = claims(&token);
    let subject = format!("system:serviceaccount:{}:reporter", world.namespace);
    assert_eq!(claims["sub"], subject.as_str());
    assert_eq!(claims["aud"], json!(["sts.amazonaws.com"]));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 600);

    world.complete_key("reports").await;
    assert!(!world.log().contains(&token), "the token is in the log");
    let status = serde_json::to_string(&issued.status).unwrap();
    assert!(!status.contains(&token), "the token is in the status");
}

/// Long-lived keys of an IAM user, in a Secret.
async fn create_user_key(world: &World, name: &str, id: &str) {
    let secret = "userSecretKeyThatIsVeryLongAndSecret";
    let keys = json!({"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret});
    world.create_secret(name, keys).await;
}

async fn create_account(world: &World, name: &str) {
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), &world.namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    accounts.create(&Default::default(), &account).await.unwrap();
}

/// The last request of an action.
fn request(world: &World, action: &str) -> Received {
    let mut requests = world.sts.requests();
    requests.retain(|request| request.action == action);
    requests.pop().unwrap_or_else(|| panic!("no {action}"))
}

/// A spec with every field that its request has, what must sign the call, and the form of the call.
struct Row {
    spec: Value,
    signer: Option<&'static str>,
    form: Vec<(&'static str, &'static str)>,
}

fn rows() -> Vec<Row> {
    let user = json!({"accessKeySecretRef": {"name": "user"}});
    vec![
        Row {
            spec: json!({"region": "eu-west-1", "assumeRole": {
                "roleArn": ROLE, "externalId": "ext-1", "sessionName": "me",
                "sourceIdentity": "alice", "duration": "30m", "policy": POLICY, "policyArns": [MANAGED],
                "tags": {"team": "data", "cost": "42"}, "transitiveTagKeys": ["team"],
            }}),
            signer: Some(OPERATOR_KEY),
            form: vec![
                ("Action", "AssumeRole"),
                ("RoleArn", ROLE),
                ("ExternalId", "ext-1"),
                ("RoleSessionName", "me"),
                ("SourceIdentity", "alice"),
                ("DurationSeconds", "1800"),
                ("Policy", POLICY),
                ("PolicyArns.member.1.arn", MANAGED),
                ("Tags.member.1.Key", "cost"),
                ("Tags.member.1.Value", "42"),
                ("Tags.member.2.Key", "team"),
                ("Tags.member.2.Value", "data"),
                ("TransitiveTagKeys.member.1", "team"),
            ],
        },
        Row {
            spec: json!({"assumeRoleWithWebIdentity": {
                "roleArn": ROLE, "tokenSecretRef": {"name": "oidc", "key": "token"},
                "sessionName": "me", "duration": "30m", "policy": POLICY, "policyArns": [MANAGED],
            }}),
            signer: None,
            form: vec![
                ("Action", "AssumeRoleWithWebIdentity"),
                ("RoleArn", ROLE),
                ("RoleSessionName", "me"),
                ("WebIdentityToken", "header.payload.signature"),
                ("DurationSeconds", "1800"),
                ("Policy", POLICY),
                ("PolicyArns.member.1.arn", MANAGED),
            ],
        },
        Row {
            spec: json!({"assumeRoleWithSAML": {
                "roleArn": ROLE, "principalArn": PROVIDER,
                "assertionSecretRef": {"name": "saml", "key": "assertion"},
                "duration": "2h", "policy": POLICY, "policyArns": [MANAGED],
            }}),
            signer: None,
            form: vec![
                ("Action", "AssumeRoleWithSAML"),
                ("RoleArn", ROLE),
                ("PrincipalArn", PROVIDER),
                ("SAMLAssertion", "PHNhbWw+"),
                ("DurationSeconds", "7200"),
                ("Policy", POLICY),
                ("PolicyArns.member.1.arn", MANAGED),
            ],
        },
        Row {
            spec: json!({"identity": user, "getSessionToken": {"duration": "36h"}}),
            signer: Some(USER_KEY),
            form: vec![("Action", "GetSessionToken"), ("DurationSeconds", "129600")],
        },
        Row {
            spec: json!({"identity": user, "getFederationToken": {
                "name": "alice", "duration": "1h", "policy": POLICY, "policyArns": [MANAGED],
                "tags": {"team": "data"},
            }}),
            signer: Some(USER_KEY),
            form: vec![
                ("Action", "GetFederationToken"),
                ("Name", "alice"),
                ("DurationSeconds", "3600"),
                ("Policy", POLICY),
                ("PolicyArns.member.1.arn", MANAGED),
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "data"),
            ],
        },
        Row {
            spec: json!({"identity": user, "getWebIdentityToken": {
                "audiences": ["https://cloud.example.com", "other"], "signingAlgorithm": "ES384",
                "duration": "10m", "tags": {"team": "data"},
            }}),
            signer: Some(USER_KEY),
            form: vec![
                ("Action", "GetWebIdentityToken"),
                ("Audience.member.1", "https://cloud.example.com"),
                ("Audience.member.2", "other"),
                ("SigningAlgorithm", "ES384"),
                ("DurationSeconds", "600"),
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "data"),
            ],
        },
    ]
}

#[tokio::test]
async fn every_request_reaches_sts_with_every_field() {
    let world = World::start().await;
    world.create_secret("oidc", json!({"token": "header.payload.signature\n"})).await;
    world.create_secret("saml", json!({"assertion": "PHNhbWw+"})).await;
    create_user_key(&world, "user", USER_KEY).await;
    let rows = rows();
    join_all(rows.iter().map(|row| async {
        let action = row.form[0].1;
        let name = action.to_lowercase();
        let status = world.issue(&name, row.spec.clone()).await.status.unwrap();
        let request = request(&world, action);
        let version = [("Version", "2011-06-15")];
        assert_eq!(request.form, form(&[&row.form[..], &version].concat()), "{action}");
        let signer = request.signer.as_ref().map(|signer| signer.access_key_id.as_str());
        assert_eq!((signer, request.security_token), (row.signer, None), "{action}");
        if action == "GetSessionToken" {
            assert_eq!(status.principal_arn, None);
        }
        if action != "GetWebIdentityToken" {
            world.complete_key(&name).await;
        }
    }))
    .await;
    assert_eq!(world.sts.calls_total(), rows.len());
    // The region and the packed size are those of the first.
    assert_eq!(request(&world, "AssumeRole").signer.unwrap().region, "eu-west-1");
    assert_eq!(world.data("assumerole").await["AWS_REGION"], "eu-west-1");
    let first = world.credentials().get("assumerole").await.unwrap().status.unwrap();
    assert!(first.packed_policy_size.is_some());
}

#[tokio::test]
async fn a_call_to_assume_root_is_signed_by_the_role_that_was_assumed_for_it() {
    let world = World::start().await;
    create_account(&world, "auditor").await;
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
    assert_eq!(world.complete_key("audit").await, issued[1].access_key_id);
}

#[tokio::test]
async fn a_web_identity_token_is_the_only_content_of_its_secret_and_is_repaired() {
    let world = World::start().await;
    create_user_key(&world, "user", "AKIAUSER000000000005").await;
    let spec = json!({
        "identity": {"accessKeySecretRef": {"name": "user"}},
        "getWebIdentityToken": {"audiences": ["other"], "signingAlgorithm": "ES384", "duration": "10m"},
    });
    let issued = world.issue("token", spec).await.status.unwrap();
    let data = world.data("token").await;
    assert_eq!(data.keys().collect::<Vec<_>>(), ["expiration", "token"]);
    assert_eq!(data["token"], world.sts.issued()[0].token);
    assert_eq!(data["expiration"], issued.expiration.unwrap().0.to_string());
    assert_eq!(issued.access_key_id, None);
    // A damaged token is replaced; a new label is written without a call.
    world.edit_secret("token", json!({"stringData": {"token": "edited"}})).await;
    wait_until("repaired", SOON, || async {
        (world.data("token").await["token"] == world.sts.issued().last()?.token).then_some(())
    })
    .await;
    world.patch("token", json!({"spec": {"secret": {"labels": {"a": "b"}}}})).await;
    wait_until("relabelled", SOON, || async {
        let secret = world.secrets().get("token").await.unwrap();
        secret.metadata.labels.unwrap().contains_key("a").then_some(())
    })
    .await;
    assert_eq!(world.sts.calls_total(), 2);
}

#[tokio::test]
async fn a_missing_input_is_named_and_used_as_soon_as_it_exists() {
    let world = World::start().await;
    world.create_secret("empty", json!({"other": "x"})).await;
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
            "Secret absent does not exist; the request needs its key token",
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
    world.create_secret("absent", json!({"token": "a.b.c"})).await;
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
    world.edit_secret("user", rotated).await;
    let issued = world.wait("session", "ready at once", is_ready).await.status.unwrap();
    assert!(issued.issued_at.unwrap().0 < failing.failure.unwrap().next_attempt.0);
    let signer = world.sts.requests().pop().unwrap().signer.unwrap();
    assert_eq!(signer.access_key_id, "AKIAUSER000000000004");
}
