//! The kinds of identity of an operator, and the session tags that the roles inherit.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rig::strict::{Endpoint, Iam, PodIdentity, Policy, Role, Strict};
use rig::sts::{Fault, Responder};
use serde_json::{Value, json};
use tempcred::aws::codes::CODES;

use super::Pod;
use crate::world::World;

/// The role of the operator.
const ROLE: &str = "arn:aws:iam::123456789012:role/tempcred";

/// A token with these claims, in a file. Its signature is one of nobody.
fn token(world: &World, name: &str, claims: &Value) -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    let path = world.rig.dir().join(format!("{}-{name}.jwt", world.namespace));
    std::fs::write(&path, format!("eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJlT2ZOb2JvZHk"))
        .unwrap();
    path.display().to_string()
}

/// The claims of a token of the operator's ServiceAccount.
fn claims(more: Value) -> Value {
    let mut claims = json!({
        "iss": "https://oidc.example.com", "sub": "system:serviceaccount:tempcred-system:tempcred",
        "aud": ["sts.amazonaws.com"], "exp": 4_102_444_800_i64,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

/// An operator with IRSA, which exchanges the token in this file.
fn irsa(world: &World, token: &str) -> Pod {
    Pod::of(world)
        .without_key()
        .set("AWS_ROLE_ARN", ROLE)
        .set("AWS_ROLE_SESSION_NAME", "doctor")
        .set("AWS_WEB_IDENTITY_TOKEN_FILE", token)
        .set("AWS_ENDPOINT_URL_STS", &world.sts.url())
}

/// A grant for the namespace of a world that sets a tag and a source identity.
async fn grant_with(world: &World, name: &str, session: Value) -> String {
    let name = format!("{}-{name}", world.namespace);
    let spec = json!({
        "namespaces": {"names": [world.namespace]}, "roleArns": ["arn:aws:iam::123456789012:role/tagged"],
        "session": session,
    });
    world.grant(&name, spec).await;
    name
}

#[tokio::test]
async fn without_an_identity_sts_can_be_reached_but_nothing_signed() {
    let world = World::new().await;
    let refused = CODES.iter().find(|row| row.codes.contains(&"InvalidClientTokenId")).unwrap();
    world.sts.inject(Fault::error(refused.status, refused.codes[0], refused.example));
    let report = Pod::of(&world).without_key().report(&world, &[]).await;
    report.assert("credentials", "problem", "The operator has no AWS identity.");
    assert!(report.advice("credentials").contains("Pod Identity"), "{:#}", report.json);
    report.assert("sts", "ok", "Without an identity, it accepts no signed call.");
    report.assert("identity", "skipped", "no credentials");
    report.assert("session-tags", "skipped", "no credentials");
    report.assert("clock", "ok", "that of STS");
}

#[tokio::test]
async fn the_claims_of_a_web_identity_token_say_what_roles_inherit() {
    let world = World::new().await;
    let plain = irsa(&world, &token(&world, "plain", &claims(json!({})))).report(&world, &[]).await;
    plain.assert(
        "credentials",
        "ok",
        &format!("Web identity (IRSA) for the role {ROLE}, with a token of system:serviceaccount:tempcred-system:tempcred from https://oidc.example.com with the audience sts.amazonaws.com."),
    );
    plain.assert(
        "identity",
        "ok",
        "arn:aws:sts::123456789012:assumed-role/tempcred/doctor. It is a session of a role",
    );
    plain.assert("session-tags", "ok", "None are inherited.");
    plain.assert("endpoint", "ok", "from TEMPCRED_STS_ENDPOINT");

    let grant = grant_with(
        &world,
        "tagged",
        json!({"tags": {"Team": "x"}, "sourceIdentity": "{{ namespace }}"}),
    )
    .await;
    let tags = json!({
        "https://aws.amazon.com/tags": {
            "principal_tags": {"team": ["valueOfATag"], "stage": ["prod"]}, "transitive_tag_keys": ["team"],
        },
        "https://aws.amazon.com/source_identity": "valueOfASourceIdentity",
    });
    let (_, out) =
        irsa(&world, &token(&world, "tags", &claims(tags.clone()))).run(&world, &[]).await;
    assert!(!out.contains("valueOfA"), "only keys: {out}");
    let report = irsa(&world, &token(&world, "tags", &claims(tags))).report(&world, &[]).await;
    report.assert_has(
        "session-tags",
        "ok",
        "inherits team (from the claim https://aws.amazon.com/tags of the web identity token)",
    );
    report.assert_has(
        "session-tags",
        "problem",
        &format!("RoleGrant {grant} sets the inherited tag Team again"),
    );
    report.assert_has("session-tags", "problem", "sets a source identity");
    world.withdraw(&grant).await;
}

#[tokio::test]
async fn a_web_identity_token_that_sts_does_not_accept_is_explained() {
    let world = World::new().await;
    let path = token(&world, "irsa", &claims(json!({})));
    for part in ["No OpenIDConnect provider found", "audience"] {
        let row = CODES.iter().find(|row| row.part == Some(part)).unwrap();
        let fault = Fault::error(row.status, row.codes[0], row.example);
        let fault = world.sts.inject(fault.for_action("AssumeRoleWithWebIdentity"));
        let report = irsa(&world, &path).report(&world, &[]).await;
        report.assert("credentials", "problem", row.example);
        report.assert("credentials", "problem", &format!("for the role {ROLE}, with a token of system:serviceaccount:tempcred-system:tempcred"));
        assert_eq!(report.advice("credentials"), row.advice);
        world.sts.remove(fault);
    }
    world.sts.inject(Fault::access_denied().for_action("AssumeRoleWithWebIdentity"));
    let report = irsa(&world, &path).report(&world, &[]).await;
    report.assert(
        "credentials",
        "problem",
        "not authorized to perform: sts:AssumeRoleWithWebIdentity",
    );
    report.assert("sts", "ok", "Replied");

    let expired = token(&world, "expired", &claims(json!({"exp": 1_700_000_000})));
    irsa(&world, &expired).report(&world, &[]).await.assert_has(
        "credentials",
        "problem",
        "expired at 2023-11-14",
    );
    let missing = irsa(&world, "/nonexistent/token").report(&world, &[]).await;
    missing.assert_has(
        "credentials",
        "problem",
        "The file /nonexistent/token in AWS_WEB_IDENTITY_TOKEN_FILE does not exist.",
    );
}

#[tokio::test]
async fn the_endpoint_of_irsa_is_another_setting() {
    let world = World::new().await;
    let path = token(&world, "irsa", &claims(json!({})));
    let pod = irsa(&world, &path).without(&["AWS_ENDPOINT_URL_STS"]);
    // The SDK would exchange the token at AWS: the proxy keeps it on this machine.
    let closed = format!("http://me:passwordOfAProxy@127.0.0.1:{}", rig::free_port().unwrap());
    let pod = pod.set("HTTPS_PROXY", &closed);
    let (_, out) = pod.run(&world, &[]).await;
    assert!(!out.contains("passwordOfAProxy"), "{out}");
    let report = pod.report(&world, &[]).await;
    // With a kubeconfig, the proxy would apply to the API server, too.
    report.assert("api-server", "problem", "supports no proxy");
    report.assert(
        "endpoint",
        "warning",
        "does not use --sts-endpoint to exchange the web identity token",
    );
    assert!(report.advice("endpoint").contains("AWS_ENDPOINT_URL_STS"), "{:#}", report.json);
    report.assert("credentials", "problem", "STS could not be reached");
}

#[tokio::test]
async fn pod_identity_sets_six_tags_unless_the_association_disables_them() {
    let mut world = World::new().await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }]});
    let trust = Policy::trust(&trust.to_string()).unwrap();
    let role = Role { trust, permissions: vec![], max_session: 3600 };
    let iam = Iam { roles: BTreeMap::from([(ROLE.to_owned(), role)]), ..Iam::new().unwrap() };
    let strict = Strict::new(iam);
    world.sts = Responder::judging(&strict).unwrap();
    let keys = serde_json::from_str(&world.kubectl(&["get", "--raw", "/openid/v1/jwks"])).unwrap();
    let subject = world.rig.operator().name().to_owned();
    let association =
        PodIdentity { role: ROLE.to_owned(), keys, subject: subject.clone(), tags: vec![] };
    let agent = Endpoint::pod_identity(&strict, association).unwrap();
    let (namespace, name) =
        subject.trim_start_matches("system:serviceaccount:").split_once(':').unwrap();
    let pod = |audience: &str| {
        let flags = [format!("--namespace={namespace}"), format!("--audience={audience}")];
        let token = ["create", "token", name, &flags[0], &flags[1]];
        let path = world.rig.dir().join(format!("{}-{audience}", world.namespace));
        std::fs::write(&path, world.rig.kubectl_output(&token).unwrap().trim()).unwrap();
        Pod::of(&world)
            .without_key()
            .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/v1/credentials", agent.url()))
            .set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &path.display().to_string())
    };
    let grant =
        grant_with(&world, "eks", json!({"tags": {"kubernetes-namespace": "{{ namespace }}"}}))
            .await;
    let report = pod("pods.eks.amazonaws.com").report(&world, &[]).await;
    report.assert("credentials", "ok", &format!("EKS Pod Identity, with a token of {subject}"));
    report.assert("identity", "ok", "assumed-role/tempcred/eks-my-cluster-tempcred");
    report.assert_has(
        "session-tags",
        "ok",
        "eks-cluster-arn, eks-cluster-name, kubernetes-namespace",
    );
    report.assert_has(
        "session-tags",
        "warning",
        &format!("RoleGrant {grant} sets the inherited tag kubernetes-namespace again"),
    );
    assert!(report.advice("session-tags").contains("--disable-session-tags"), "{:#}", report.json);
    world.withdraw(&grant).await;

    // An agent that has no association for the token.
    let config = pod("pods.eks.amazonaws.com")
        .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/other", agent.url()));
    let report = config.report(&world, &[]).await;
    report.assert("credentials", "problem", "EKS Pod Identity, with a token of");
    assert!(report.advice("credentials").contains("association"), "{:#}", report.json);
}
