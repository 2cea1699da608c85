//! What the API server rejects; its messages name the remedy.

mod specs;

use serde_json::{Value, json};

use crate::world::World;
use specs::{beside, identity, large, request, root, saml, tags, web_identity};

#[tokio::test]
async fn the_api_server_rejects_invalid_specs_and_names_the_remedy() {
    let world = World::new().await;
    for (row, spec, expected) in refused() {
        match world.try_create("refused", spec).await {
            Ok(_) => panic!("{row}: was accepted"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(expected), "{row}: {error}");
            }
        }
    }
}

/// Specs that the API server rejects, with a part of its message.
pub fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let role = "arn:aws:iam::123456789012:role/hop";
    vec![
        ("no request", json!({}), "set exactly one request under spec"),
        (
            "two requests",
            beside("assumeRoleWithSAML", saml()),
            "for several credentials create several TemporaryCredentials",
        ),
        (
            "a session without an identity",
            json!({"getSessionToken": {}}),
            "set identity.accessKeySecretRef",
        ),
        (
            "a session of a role",
            json!({"getSessionToken": {}, "identity": identity()}),
            "only the long-lived key of an IAM user",
        ),
        (
            "a session of a session",
            json!({
                "getSessionToken": {},
                "identity": {"accessKeySecretRef": {"name": "a", "sessionTokenKey": "b"}},
            }),
            "without sessionTokenKey",
        ),
        (
            "a federated user without an identity",
            json!({"getFederationToken": {"name": "alice"}}),
            "set identity.accessKeySecretRef",
        ),
        ("root without an identity", json!({"assumeRoot": root(json!({}))}), "set identity"),
        (
            "root for an hour",
            json!({"assumeRoot": root(json!({"duration": "1h"})), "identity": identity()}),
            "between 1m and 15m",
        ),
        (
            "root with another policy",
            json!({
                "assumeRoot": root(json!({"taskPolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"})),
                "identity": identity(),
            }),
            "spec.assumeRoot.taskPolicyArn",
        ),
        (
            "a token without an identity",
            json!({"getWebIdentityToken": {"audiences": ["a"], "signingAlgorithm": "RS256"}}),
            "set identity",
        ),
        (
            "a token without audiences",
            json!({"getWebIdentityToken": {"audiences": [], "signingAlgorithm": "RS256"}, "identity": identity()}),
            "spec.getWebIdentityToken.audiences",
        ),
        (
            "a token for a day",
            json!({
                "getWebIdentityToken": {"audiences": ["a"], "signingAlgorithm": "RS256", "duration": "24h"},
                "identity": identity(),
            }),
            "between 1m and 1h",
        ),
        (
            "an identity for an unsigned request",
            {
                let mut spec = web_identity(json!({}));
                spec["identity"] = identity();
                spec
            },
            "remove identity",
        ),
        (
            "two identities",
            beside("identity", {
                let mut both = identity();
                both["accessKeySecretRef"] = json!({"name": "a"});
                both
            }),
            "set exactly one of identity.accessKeySecretRef and identity.webIdentity",
        ),
        (
            "no identity in it",
            beside("identity", json!({})),
            "set exactly one of identity.accessKeySecretRef",
        ),
        (
            "chained by its identity",
            {
                let mut spec = request(json!({"duration": "2h"}));
                spec["identity"] = identity();
                spec
            },
            "duration must be at most 1h when identity is itself a role session",
        ),
        (
            "a session for two days",
            json!({"getSessionToken": {"duration": "48h"}, "identity": {"accessKeySecretRef": {"name": "a"}}}),
            "between 15m and 36h",
        ),
        (
            "a web identity without a token",
            json!({"assumeRoleWithWebIdentity": {"roleArn": role}}),
            "set exactly one of serviceAccountName and tokenSecretRef",
        ),
        (
            "a web identity with two tokens",
            web_identity(json!({"tokenSecretRef": {"name": "a", "key": "b"}})),
            "set exactly one of serviceAccountName and tokenSecretRef",
        ),
        (
            "an audience for a token that has one",
            json!({"assumeRoleWithWebIdentity": {
                "roleArn": role, "tokenSecretRef": {"name": "a", "key": "b"}, "audience": "x",
            }}),
            "remove audience",
        ),
        (
            "a web identity for a day",
            web_identity(json!({"duration": "24h"})),
            "between 15m and 12h",
        ),
        (
            "before > duration of a web identity",
            json!({
                "assumeRoleWithWebIdentity": {"roleArn": role, "serviceAccountName": "a"},
                "renewal": {"before": "1h"},
            }),
            "lower before or raise duration",
        ),
        (
            "not a SAML provider",
            json!({"assumeRoleWithSAML": {
                "roleArn": role, "principalArn": role, "assertionSecretRef": {"name": "a", "key": "b"},
            }}),
            "spec.assumeRoleWithSAML.principalArn",
        ),
        ("30s", request(json!({"duration": "30s"})), "duration must be between 15m and 12h"),
        ("13h", request(json!({"duration": "13h"})), "duration must be between 15m and 12h"),
        ("no duration", request(json!({"duration": "soon"})), "spec.assumeRole.duration"),
        (
            "chained 2h",
            request(json!({"duration": "2h", "via": [{"roleArn": role}]})),
            "lower duration or remove via",
        ),
        (
            "five hops",
            request(json!({"via": vec![json!({"roleArn": role}); 5]})),
            "must have at most 4 items",
        ),
        (
            "before = duration",
            beside("renewal", json!({"before": "1h"})),
            "lower before or raise duration",
        ),
        (
            "before > duration",
            beside("renewal", json!({"before": "2h"})),
            "lower before or raise duration",
        ),
        (
            "before leaves 4s",
            beside("renewal", json!({"before": "59m56s"})),
            "lower before or raise duration",
        ),
        (
            "two margins",
            beside("renewal", json!({"before": "5m", "beforePercentage": 20})),
            "set either renewal.before or renewal.beforePercentage",
        ),
        ("0 percent", beside("renewal", json!({"beforePercentage": 0})), "beforePercentage"),
        ("100 percent", beside("renewal", json!({"beforePercentage": 100})), "beforePercentage"),
        (
            "an ARN as policy",
            request(json!({"policy": "arn:aws:iam::aws:policy/X"})),
            "policy must be a JSON document",
        ),
        (
            "a long policy",
            request(json!({"policy": format!("{{{}}}", " ".repeat(2048))})),
            "spec.assumeRole.policy",
        ),
        ("no role", json!({"assumeRole": {}}), "spec.assumeRole.roleArn"),
        (
            "a user",
            request(json!({"roleArn": "arn:aws:iam::123456789012:user/x"})),
            "spec.assumeRole.roleArn",
        ),
        ("short external id", request(json!({"externalId": "x"})), "spec.assumeRole.externalId"),
        ("bad session name", request(json!({"sessionName": "a b"})), "spec.assumeRole.sessionName"),
        (
            "bad source identity",
            request(json!({"sourceIdentity": "x"})),
            "spec.assumeRole.sourceIdentity",
        ),
        ("51 tags", request(json!({"tags": tags(51)})), "must have at most 50"),
        (
            "a long tag key",
            request(json!({"tags": {"k".repeat(129): "v"}})),
            "tag keys must have 1 to 128 characters",
        ),
        (
            "a long tag value",
            request(json!({"tags": {"k": "v".repeat(257)}})),
            "spec.assumeRole.tags",
        ),
        (
            "equal tags",
            request(json!({"tags": {"Team": "a", "team": "b"}})),
            "tag keys must differ in more than case",
        ),
        ("tags of AWS", request(json!({"tags": {"aws:x": "a"}})), "must not begin with aws:"),
        (
            "a transitive key without a tag",
            request(json!({"tags": {"a": "b"}, "transitiveTagKeys": ["c"]})),
            "must be a key of tags",
        ),
        (
            "transitive without tags",
            request(json!({"transitiveTagKeys": ["c"]})),
            "must be a key of tags",
        ),
        (
            "eleven policies",
            request(json!({"policyArns": vec!["arn:aws:iam::aws:policy/ReadOnlyAccess"; 11]})),
            "must have at most 10 items",
        ),
        ("no region", beside("region", json!("Frankfurt")), "spec.region"),
        ("bad secret name", beside("secret", json!({"name": "Bad_Name"})), "spec.secret.name"),
        ("no formats", beside("secret", json!({"formats": []})), "spec.secret.formats"),
        (
            "a format twice",
            beside("secret", json!({"formats": ["env", "env"]})),
            "spec.secret.formats",
        ),
        ("an unknown format", beside("secret", json!({"formats": ["xml"]})), "supported values"),
        (
            "a profile that breaks the file",
            beside("secret", json!({"profile": "x]\n[y"})),
            "spec.secret.profile",
        ),
        (
            "a service account token",
            beside("secret", json!({"type": "kubernetes.io/service-account-token"})),
            "omit type",
        ),
        (
            "our annotation",
            beside("secret", json!({"annotations": {"tempcred.dev/expiration": "x"}})),
            "remove them",
        ),
        (
            "our label",
            beside("secret", json!({"labels": {"tempcred.dev/credential-uid": "x"}})),
            "remove them",
        ),
        (
            "managed by another",
            beside("secret", json!({"labels": {"app.kubernetes.io/managed-by": "x"}})),
            "remove them",
        ),
        (
            "labels and annotations of more than 16 KiB",
            beside("secret", json!({"labels": {"a": "b"}, "annotations": large(4092)})),
            "labels and annotations together must have at most 16 KiB",
        ),
        (
            "a bad label",
            beside("secret", json!({"labels": {"a": "b c"}})),
            "labels must have valid keys and values",
        ),
        (
            "a bad annotation",
            beside("secret", json!({"annotations": {"a b": "c"}})),
            "annotation keys must be valid",
        ),
    ]
}

#[tokio::test]
async fn the_api_server_accepts_everything_that_sts_accepts() {
    let world = World::new().await;
    for (index, (row, spec)) in accepted().into_iter().enumerate() {
        if let Err(error) = world.try_create(&format!("accepted-{index}"), spec).await {
            panic!("{row}: {error}");
        }
    }
}

/// Specs that the API server accepts.
pub fn accepted() -> Vec<(&'static str, Value)> {
    vec![
        (
            "a task of root",
            json!({"assumeRoot": root(json!({"duration": "5m"})), "identity": identity()}),
        ),
        (
            "a session",
            json!({"getSessionToken": {}, "identity": {"accessKeySecretRef": {"name": "a"}}}),
        ),
        ("a web identity", web_identity(json!({"audience": "my-audience", "duration": "12h"}))),
        ("an assertion", json!({"assumeRoleWithSAML": saml()})),
        ("shortest", request(json!({"duration": "15m"}))),
        ("longest", request(json!({"duration": "12h"}))),
        (
            "chained",
            request(
                json!({"via": [{"roleArn": "arn:aws:iam::123456789012:role/hop", "externalId": "ab"}]}),
            ),
        ),
        (
            "another partition",
            request(json!({"roleArn": "arn:aws-us-gov:iam::123456789012:role/path/x"})),
        ),
        (
            "a policy over lines",
            request(json!({"policy": "\n{\n  \"Version\": \"2012-10-17\"\n}\n"})),
        ),
        ("50 tags", request(json!({"tags": tags(50), "transitiveTagKeys": ["key-0"]}))),
        ("tags in other scripts", request(json!({"tags": {"Équipe": "données", "a b": ""}}))),
        ("margin just fits", beside("renewal", json!({"before": "59m55s"}))),
        ("region", beside("region", json!("eu-south-2"))),
        (
            "labels and annotations of 16 KiB",
            beside("secret", json!({"labels": {"a": "b"}, "annotations": large(4091)})),
        ),
        (
            "keys with a domain",
            beside(
                "secret",
                json!({"labels": {"example.com/a": ""}, "annotations": {"Example.com/A": "b"}}),
            ),
        ),
        ("own type", beside("secret", json!({"type": "example.com/aws", "name": "a.b"}))),
        ("nulls, as templates leave them", beside("region", Value::Null)),
    ]
}
