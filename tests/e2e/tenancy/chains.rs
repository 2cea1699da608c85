//! Chains of resources: one uses the Secret of another as its input, in a loop, or a Secret that the
//! tenant may not read.

use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

use crate::world::{World, assume, condition, failure_reason, is_ready, role_arn};

fn made_from(secret: &str, name: &str) -> Value {
    json!({
        "identity": {"accessKeySecretRef": {"name": secret, "sessionTokenKey": "AWS_SESSION_TOKEN"}},
        "assumeRole": {"roleArn": role_arn(name)},
    })
}

fn fails_with<'a>(reason: &'a str) -> impl Fn(&CredentialStatus) -> bool + 'a {
    move |status| failure_reason(status) == Some(reason)
}

/// A request that is signed with keys of the namespace needs no grant: IAM alone decides. When the grant of
/// the first resource is withdrawn, its Secret is removed, so the others cannot be renewed.
#[tokio::test]
async fn a_chain_of_resources_is_not_renewed_once_the_first_grant_is_withdrawn() {
    let mut world = World::new().await;
    world.start_operator(&["--withdrawn-secrets", "remove"]).await;
    world.issue("first", assume("first")).await;
    world.issue("second", made_from("first", "second")).await;
    world.issue("third", made_from("second", "third")).await;
    let first = world.sts.issued()[0].access_key_id.clone();
    let signer = world.sts.requests()[1].signer.clone().unwrap();
    assert_eq!(signer.access_key_id, first, "not signed by the operator");
    assert_eq!(world.sts.requests()[1].security_token, Some(world.sts.issued()[0].token.clone()));
    world.withdraw(&world.namespace).await;
    world.wait("first", "refused", fails_with("NotGranted")).await;
    world.wait_for_removal("first").await;
    let calls = world.sts.calls_total();
    world.request_renewal("second", "1").await;
    let failing = world.wait("second", "failing", fails_with("InputMissing")).await;
    let message = failing.status.unwrap().failure.unwrap().message;
    assert!(message.contains("Secret first"), "{message}");
    assert_eq!(world.sts.calls_total(), calls);
    // The other credentials are valid until they expire: AWS does not revoke a session.
    assert!(is_ready(&world.credentials().get("third").await.unwrap().status.unwrap()));
}

#[tokio::test]
async fn a_loop_of_resources_is_reported_and_costs_no_call() {
    let world = World::start().await;
    for (name, from) in [("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")] {
        world.create(name, made_from(from, "x")).await;
    }
    for (name, path) in [
        (
            "a",
            "a, which reads the Secret of b, which reads the Secret of c, which reads the Secret of a: ",
        ),
        ("b", "which reads the Secret of"),
        ("c", "which reads the Secret of"),
        ("self", "self, which reads the Secret of self: "),
    ] {
        let status = world.wait(name, "blocked", fails_with("ReferenceLoop")).await.status.unwrap();
        let message = status.failure.unwrap().message;
        assert!(message.contains(path), "{name}: {message}");
    }
    assert_eq!(world.sts.calls_total(), 0);
}

/// A user who may create a credential but read no Secret can have a Secret of the namespace sent to STS as a
/// token or a key. Its value shows in no status, event or log.
#[tokio::test]
async fn the_value_of_an_input_shows_nowhere() {
    const VALUE: &str = "eyJvZkFub3RoZXJUZWFt.InTheSame.NamespaceThatMayNotBeRead";
    let mut world = World::start().await;
    let secret = json!({
        "metadata": {"name": "vault"}, "type": "example.com/vault",
        "stringData": {"value": VALUE}, "data": {"binary": "/wD/"},
    });
    let secret = serde_json::from_value(secret).unwrap();
    world.secrets().create(&Default::default(), &secret).await.unwrap();
    let message = format!("the token {VALUE} is not valid");
    let refused = rig::sts::Fault::error(400, "InvalidIdentityToken", &message);
    world.sts.inject(refused.for_role("role/token"));
    let refused = rig::sts::Fault::error(403, "InvalidClientTokenId", &message);
    world.sts.inject(refused.for_role("role/key"));
    let reference = |key: &str| json!({"name": "vault", "key": key});
    let key = |id: &str| json!({"accessKeySecretRef": {"name": "vault", "accessKeyIdKey": id, "secretAccessKeyKey": "value"}});
    let token = |key: &str| json!({"assumeRoleWithWebIdentity": {"roleArn": role_arn("token"), "tokenSecretRef": reference(key)}});
    let by_key =
        |id: &str| json!({"identity": key(id), "assumeRole": {"roleArn": role_arn("key")}});
    for (name, spec, reason) in [
        ("by-token", token("value"), "TokenRefused"),
        ("by-binary", token("binary"), "InputMissing"),
        ("by-nothing", token("nothing"), "InputMissing"),
        ("by-key", by_key("value"), "IdentityRefused"),
    ] {
        world.create(name, spec).await;
        let failing = world.wait(name, "failing", |s| s.failure.is_some()).await;
        let status = failing.status.unwrap();
        assert_eq!(condition(&status, "Ready"), Some((false, reason)), "{name}");
    }
    let places = [
        world.kubectl(&["get", "tempcred", "-o", "json", "--show-managed-fields"]),
        world.kubectl(&["get", "events", "-o", "json"]),
        world.http("/metrics").await,
    ];
    for text in places.into_iter().chain([world.full_log()]) {
        assert!(!text.is_empty() && !text.contains("eyJvZkFub3RoZXJUZWFt"), "{text}");
    }
}
