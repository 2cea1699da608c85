//! Each request reaches STS whole, under the names that STS knows.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use serde_json::{Value, json};

use crate::world::{World, assert_whole, condition, failure_reason, is_ready};

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

/// The claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_of_the_service_account_reaches_sts_and_is_stored_nowhere() {
    let world = World::start().await;
    let accounts: Api<ServiceAccount> = Api::namespaced(world.client.clone(), &world.namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": "reporter"}})).unwrap();
    accounts.create(&Default::default(), &account).await.unwrap();
    let spec =
        json!({"assumeRoleWithWebIdentity": {"roleArn": ROLE, "serviceAccountName": "reporter"}});
    let issued = world.issue("reports", spec).await;

    let mut sent = only_request(&world);
    let token = sent.remove("WebIdentityToken").unwrap();
    let session = format!("tempcred-{}-reports", world.namespace);
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
    let claims = claims(&token);
    let subject = format!("system:serviceaccount:{}:reporter", world.namespace);
    assert_eq!(claims["sub"], subject.as_str());
    assert_eq!(claims["aud"], json!(["sts.amazonaws.com"]));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 600);

    assert_whole(&world.secrets().get("reports").await.unwrap());
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

#[tokio::test]
async fn what_is_missing_is_named_and_found_once_it_is_there() {
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
        ("no-secret", token("absent", "token"), "Secret absent does not exist"),
        ("no-key", token("empty", "token"), "Secret empty has no key token"),
        ("no-account", account, "ServiceAccount nobody does not exist"),
    ];
    for (name, spec, _) in &rows {
        world.create(name, spec.clone()).await;
    }
    for (name, _, says) in rows {
        let blocked =
            world.wait(name, "blocked", |s| failure_reason(s) == Some("SourceMissing")).await;
        let status = blocked.status.unwrap();
        assert_eq!(condition(&status, "Stalled"), Some((true, "SourceMissing")));
        let message = status.failure.unwrap().message;
        assert!(message.starts_with(says), "{name}: {message}");
    }
    assert_eq!(world.sts.calls_total(), 0);
    secret(&world, "absent", "token", "a.b.c").await;
    world.wait("no-secret", "ready by itself", is_ready).await;
}
