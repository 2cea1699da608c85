//! Attacks by tokens: a resource makes the operator send a token to STS that the API server accepts too, or a
//! token of the operator itself.

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::chart::rights::installed_for;
use crate::world::{World, failure, failure_reason, is_ready, role_arn};

/// The claims of a token. The test trusts it.
fn claims(token: &str) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn web(from: Value) -> Value {
    let mut request = json!({"roleArn": role_arn("web")});
    request.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    json!({"assumeRoleWithWebIdentity": request})
}

fn identity(from: Value) -> Value {
    let mut identity = json!({"roleArn": role_arn("signer")});
    identity.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
    json!({"identity": {"webIdentity": identity}, "assumeRole": {"roleArn": role_arn("second")}})
}

/// A Secret with the token of a ServiceAccount, as Kubernetes fills it.
async fn legacy_token(world: &World) {
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "legacy", "annotations": {"kubernetes.io/service-account.name": "tenant"}},
        "type": "kubernetes.io/service-account-token",
        "stringData": {"token": "eyJhbGciOiJub25lIn0.e30.c2ln", "id": "AKIATENANT0000000001"},
    }))
    .unwrap();
    world.secrets().create(&Default::default(), &secret).await.unwrap();
}

#[tokio::test]
async fn no_token_for_the_api_server_and_none_of_the_operator_is_sent_to_sts() {
    let mut world = World::new().await;
    world.kubectl(&["create", "serviceaccount", "tenant"]);
    legacy_token(&world).await;
    // The operator's ServiceAccount is in the tenant's namespace, and is called tempcred.
    let (user, _) = installed_for(&world, &[&world.namespace]).await;
    let kubeconfig = world.rig.kubeconfig_for(&user, None).unwrap();
    world.start_operator_with(kubeconfig, &[]).await;

    let key = json!({"name": "legacy", "key": "token"});
    let own = json!({"serviceAccountName": "tempcred"});
    let issuer = json!({"serviceAccountName": "tenant", "audience": world.rig.server()});
    let provider = "arn:aws:iam::123456789012:saml-provider/corporate";
    let saml = json!({
        "roleArn": role_arn("saml"), "principalArn": provider, "assertionSecretRef": key,
    });
    let keys = json!({"name": "legacy", "accessKeyIdKey": "id", "secretAccessKeyKey": "token"});
    let type_ = "has the type kubernetes.io/service-account-token";
    let rows = [
        ("legacy", web(json!({"tokenSecretRef": key})), type_),
        ("legacy-identity", identity(json!({"tokenSecretRef": key})), type_),
        ("legacy-assertion", json!({"assumeRoleWithSAML": saml}), type_),
        (
            "legacy-key",
            json!({"identity": {"accessKeySecretRef": keys}, "getSessionToken": {}}),
            type_,
        ),
        ("own", web(own.clone()), "is that of the operator"),
        ("own-identity", identity(own), "is that of the operator"),
        ("issuer", web(issuer.clone()), "The API server accepts tokens for the audience https://"),
        ("issuer-identity", identity(issuer), "The API server accepts tokens for the audience"),
    ];
    for (name, spec, _) in &rows {
        // Another Secret than the one that is read.
        let mut spec = spec.clone();
        spec["secret"] = json!({"name": format!("{name}-aws")});
        world.create(name, spec).await;
    }
    for (name, _, says) in rows {
        let refused = world.wait(name, "refused", |s| s.failure.is_some()).await;
        let status = refused.status.unwrap();
        assert_eq!(failure_reason(&status), Some("InvalidSpec"), "{name}");
        assert!(failure(&status).message.contains(says), "{name}: {}", failure(&status).message);
        assert!(!is_ready(&status), "{name}");
    }
    assert_eq!(world.sts.calls_total(), 0, "{:?}", world.sts.requests());

    // Other tokens are sent: for the audience of STS, which this API server accepts too, and for others.
    for (name, audience) in [("sts", "sts.amazonaws.com"), ("other", "vault")] {
        let from = json!({"serviceAccountName": "tenant", "audience": audience});
        world.issue(name, web(from)).await;
        let sent = world.sts.requests().pop().unwrap();
        let claims = claims(&sent.form["WebIdentityToken"]);
        assert_eq!(claims["aud"], json!([audience]));
        assert_eq!(claims["sub"], format!("system:serviceaccount:{}:tenant", world.namespace));
    }
    assert_eq!(world.sts.calls_total(), 2);
}

/// When the Secret is replaced by one of another type, the resource is issued although its backoff has not ended.
#[tokio::test]
async fn a_refused_secret_can_be_replaced() {
    let world = World::start().await;
    world.kubectl(&["create", "serviceaccount", "tenant"]);
    legacy_token(&world).await;
    let mut spec = web(json!({"tokenSecretRef": {"name": "legacy", "key": "token"}}));
    spec["secret"] = json!({"name": "aws"});
    world.create("web", spec).await;
    world.wait("web", "refused", |s| failure_reason(s) == Some("InvalidSpec")).await;
    world.secrets().delete("legacy", &Default::default()).await.unwrap();
    world.create_secret("legacy", json!({"token": "eyJhbGciOiJub25lIn0.e30.c2ln"})).await;
    world.wait("web", "ready", is_ready).await;
}
