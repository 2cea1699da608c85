//! Manifests of resources: a base with one change each.

use serde_json::{Value, json};

use super::resource;
use crate::world::plain;

const ROLE: &str = "arn:aws:iam::123456789012:role/reports";

/// `plain`, with a field of the spec changed.
fn with(key: &str, value: Value) -> Value {
    let mut spec = plain();
    spec[key] = value;
    spec
}

/// `plain`, with a field of the request changed.
fn request(key: &str, value: Value) -> Value {
    let mut spec = plain();
    spec["assumeRole"][key] = value;
    spec
}

fn secret(key: &str, value: Value) -> Value {
    with("secret", json!({key: value}))
}

fn identity(keys: Value) -> Value {
    with("identity", json!({"accessKeySecretRef": keys}))
}

fn token(key: &str, value: Value) -> Value {
    let mut request = json!({"audiences": ["a"], "signingAlgorithm": "RS256"});
    request[key] = value;
    json!({"getWebIdentityToken": request, "identity": {"accessKeySecretRef": {"name": "keys"}}})
}

fn user(request: &str, fields: Value) -> Value {
    json!({request: fields, "identity": {"accessKeySecretRef": {"name": "keys"}}})
}

fn target(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name})
}

/// Specs, each with one change.
pub fn specs() -> Vec<(&'static str, Value)> {
    let long = "x".repeat(300);
    vec![
        ("plain", plain()),
        // Types.
        ("a role as list", request("roleArn", json!([ROLE]))),
        ("a duration as number", request("duration", json!(3600))),
        ("a number as tag", request("tags", json!({"a": 1}))),
        ("a boolean as tag", request("tags", json!({"a": true}))),
        ("tags as list", request("tags", json!([{"key": "a", "value": "b"}]))),
        ("via as mapping", request("via", json!({"roleArn": ROLE}))),
        ("a hop as text", request("via", json!([ROLE]))),
        ("suspend as text", with("suspend", json!("true"))),
        ("suspend", with("suspend", json!(true))),
        ("region as number", with("region", json!(1))),
        ("secret as text", with("secret", json!("reports"))),
        ("formats as text", secret("formats", json!("env"))),
        ("a percentage as text", with("renewal", json!({"beforePercentage": "20"}))),
        ("a percentage with a fraction", with("renewal", json!({"beforePercentage": 20.5}))),
        ("a percentage", with("renewal", json!({"beforePercentage": 20}))),
        ("1 percent", with("renewal", json!({"beforePercentage": 1}))),
        ("99 percent", with("renewal", json!({"beforePercentage": 99}))),
        ("a negative percentage", with("renewal", json!({"beforePercentage": -1}))),
        ("a spec as list", json!([])),
        ("a spec as text", json!("x")),
        ("a spec as null", json!(null)),
        // Nulls.
        ("a null role", request("roleArn", json!(null))),
        ("a null duration", request("duration", json!(null))),
        ("null tags", request("tags", json!(null))),
        ("a null tag", request("tags", json!({"a": null}))),
        ("a null request beside another", with("getSessionToken", json!(null))),
        ("only a null request", json!({"assumeRole": null})),
        ("a null identity", with("identity", json!(null))),
        ("a null secret", with("secret", json!(null))),
        ("null formats", secret("formats", json!(null))),
        ("a null format", secret("formats", json!([null]))),
        ("a null profile", secret("profile", json!(null))),
        ("a null label", secret("labels", json!({"a": null}))),
        ("null restart", with("restart", json!(null))),
        ("a null hop", request("via", json!([null]))),
        ("a null policy ARN", request("policyArns", json!([null]))),
        // Unknown fields.
        ("an unknown field of the spec", with("roleArn", json!(ROLE))),
        ("an unknown request", with("assumeRoles", json!({}))),
        ("an unknown field of a request", request("role", json!(ROLE))),
        ("an unknown field in another case", request("rolearn", json!(ROLE))),
        ("an unknown field of a hop", request("via", json!([{"roleArn": ROLE, "tags": {}}]))),
        ("an unknown field of the Secret", secret("namespace", json!("other"))),
        ("an unknown field of the renewal", with("renewal", json!({"after": "1h"}))),
        ("an unknown field that is null", with("x", json!(null))),
        ("an endpoint", with("endpoint", json!("https://sts.example.com"))),
        // Texts.
        ("a session name in another script", request("sessionName", json!("réports"))),
        ("the longest session name", request("sessionName", json!("x".repeat(64)))),
        ("a session name that is too long", request("sessionName", json!("x".repeat(65)))),
        ("an external ID with a newline", request("externalId", json!("ab\n"))),
        ("an external ID", request("externalId", json!("a/b:c=d@e"))),
        ("a source identity with a slash", request("sourceIdentity", json!("a/b"))),
        ("a role with a newline", request("roleArn", json!(format!("{ROLE}\n")))),
        ("a role that is too long", request("roleArn", json!(format!("{ROLE}{long}")))),
        ("digits of another script", request("roleArn", json!("arn:aws:iam::١23456789012:role/r"))),
        ("a duration without a unit", request("duration", json!("60"))),
        ("a duration with a space", request("duration", json!("1 h"))),
        ("a duration in another order", request("duration", json!("30m1h"))),
        ("a duration of three parts", request("duration", json!("1h0m0s"))),
        ("a duration in milliseconds", request("duration", json!("900000ms"))),
        ("a duration in seconds", request("duration", json!("3600s"))),
        ("a tag key in other scripts", request("tags", json!({"ключ": "значение"}))),
        ("an empty tag key", request("tags", json!({"": "a"}))),
        ("a tag key with a quote", request("tags", json!({"a\"b": "c"}))),
        ("a reserved tag", request("tags", json!({"TempCred.dev/name": "x"}))),
        ("a transitive key twice", {
            let mut spec = request("tags", json!({"a": "b"}));
            spec["assumeRole"]["transitiveTagKeys"] = json!(["a", "a"]);
            spec
        }),
        ("a policy over lines", request("policy", json!("{\n\"Statement\": []\n}"))),
        ("a policy with text after it", request("policy", json!("{} x"))),
        ("the longest policy", request("policy", json!(format!("{{{}}}", " ".repeat(2046))))),
        (
            "a policy in other letters",
            request("policy", json!(format!("{{{}}}", "é".repeat(2046)))),
        ),
        ("an ARN of a role as policy", request("policyArns", json!([ROLE]))),
        ("a region in upper case", with("region", json!("EU-CENTRAL-1"))),
        ("an availability zone", with("region", json!("eu-central-1a"))),
        // Other requests.
        ("a token", token("duration", json!("15m"))),
        ("a token with tags", token("tags", json!({"a": "b"}))),
        ("a token by another algorithm", token("signingAlgorithm", json!("HS256"))),
        ("a token for 11 audiences", token("audiences", json!(vec!["a"; 11]))),
        ("a token for an empty audience", token("audiences", json!([""]))),
        ("a token without an algorithm", token("signingAlgorithm", json!(null))),
        ("a user session", user("getSessionToken", json!({"duration": "36h"}))),
        ("a federated user", user("getFederationToken", json!({"name": "alice"}))),
        ("a federated user without a name", user("getFederationToken", json!({}))),
        (
            "a federated user with a long name",
            user("getFederationToken", json!({"name": "x".repeat(33)})),
        ),
        (
            "the root of no account",
            user(
                "assumeRoot",
                json!({
                    "targetPrincipal": "12345", "taskPolicyArn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy",
                }),
            ),
        ),
        (
            "keys with other names",
            identity(json!({"name": "a", "accessKeyIdKey": "id", "secretAccessKeyKey": "s"})),
        ),
        ("keys of a bad name", identity(json!({"name": "A_b"}))),
        ("keys with an invalid key", identity(json!({"name": "a", "accessKeyIdKey": "a/b"}))),
        ("keys without a name", identity(json!({}))),
        ("keys with an empty token key", identity(json!({"name": "a", "sessionTokenKey": ""}))),
        // The Secret.
        ("a template", secret("template", json!({"a.properties": "key={{ accessKeyId }}"}))),
        ("a template of an invalid key", secret("template", json!({"a/b": "x"}))),
        ("a template of a dot", secret("template", json!({".": "x"}))),
        ("a template of a format's key", secret("template", json!({"credentials": "x"}))),
        (
            "17 templates",
            secret(
                "template",
                (0..17)
                    .map(|n| (format!("k{n}"), json!("x")))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            ),
        ),
        (
            "a template that is too long",
            secret("template", json!({"a": "x".repeat((16 << 10) + 1)})),
        ),
        ("a template for a token", {
            let mut spec = token("duration", json!("15m"));
            spec["secret"] = json!({"template": {"a": "{{ accessKeyId }}"}});
            spec
        }),
        ("an unknown policy for deletion", secret("deletionPolicy", json!("Orphan"))),
        ("retained", secret("deletionPolicy", json!("Retain"))),
        ("adopted", secret("adopt", json!(true))),
        ("adopt as text", secret("adopt", json!("yes"))),
        ("an empty type", secret("type", json!(""))),
        ("a bootstrap token", secret("type", json!("bootstrap.kubernetes.io/token"))),
        ("a long label value", secret("labels", json!({"a": "x".repeat(64)}))),
        ("a label with a bad domain", secret("labels", json!({"A.B/c": "d"}))),
        (
            "65 labels",
            secret(
                "labels",
                (0..65)
                    .map(|n| (format!("k{n}"), json!("x")))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            ),
        ),
        // Restarts.
        (
            "a restart",
            with("restart", json!([target("Deployment", "a"), target("StatefulSet", "a")])),
        ),
        (
            "a restart twice",
            with("restart", json!([target("Deployment", "a"), target("Deployment", "a")])),
        ),
        ("a restart of a Job", with("restart", json!([target("Job", "a")]))),
        ("a restart without a name", with("restart", json!([{"kind": "Deployment"}]))),
        ("a restart of a bad name", with("restart", json!([target("Deployment", "A")]))),
        (
            "17 restarts",
            with("restart", (0..17).map(|n| target("DaemonSet", &format!("a{n}"))).collect()),
        ),
    ]
}

/// Whole objects, each with one change.
pub fn objects(namespace: &str) -> Vec<(&'static str, Value)> {
    let object = || resource(namespace, "reports", plain());
    let metadata = |key: &str, value: Value| {
        let mut object = object();
        object["metadata"][key] = value;
        object
    };
    let beside = |key: &str, value: Value| {
        let mut object = object();
        object[key] = value;
        object
    };
    let without = |pointer: &str, key: &str| {
        let mut object = object();
        object.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key);
        object
    };
    let owner =
        |uid: &str| json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": uid}]);
    vec![
        ("no spec", without("", "spec")),
        ("no name", without("/metadata", "name")),
        ("no namespace", without("/metadata", "namespace")),
        ("an unknown field beside the spec", beside("data", json!({}))),
        ("a status", beside("status", json!({"accessKeyId": "AKIA"}))),
        ("a name in upper case", metadata("name", json!("Reports"))),
        ("a name with an underscore", metadata("name", json!("re_ports"))),
        ("a name with dots", metadata("name", json!("a.b"))),
        ("a name with two dots", metadata("name", json!("a..b"))),
        ("the longest name", metadata("name", json!("x".repeat(253)))),
        ("a name that is too long", metadata("name", json!("x".repeat(254)))),
        ("a name that ends with a hyphen", metadata("name", json!("a-"))),
        ("a number as name", metadata("name", json!(1))),
        ("a generated name", {
            let mut object = without("/metadata", "name");
            object["metadata"]["generateName"] = json!("reports-");
            object
        }),
        ("a bad generated name", metadata("generateName", json!("Reports-"))),
        ("labels", metadata("labels", json!({"example.com/team": "data", "a": ""}))),
        ("a label with a space", metadata("labels", json!({"a": "b c"}))),
        ("a long label", metadata("labels", json!({"a": "x".repeat(64)}))),
        ("a label that ends with a dot", metadata("labels", json!({"a": "b."}))),
        ("a bad key of a label", metadata("labels", json!({"a b": "c"}))),
        ("a label key with a bad domain", metadata("labels", json!({"A.com/b": "c"}))),
        ("an empty label key", metadata("labels", json!({"": "c"}))),
        ("a number as label", metadata("labels", json!({"a": 1}))),
        ("null labels", metadata("labels", json!(null))),
        ("labels as list", metadata("labels", json!(["a"]))),
        ("annotations", metadata("annotations", json!({"Example.com/A_b": "any text: ü"}))),
        ("a bad key of an annotation", metadata("annotations", json!({"a/b/c": "d"}))),
        ("a boolean as annotation", metadata("annotations", json!({"a": true}))),
        ("too many annotations", metadata("annotations", json!({"a": "x".repeat(262_144)}))),
        ("the longest annotation", metadata("annotations", json!({"a": "x".repeat(262_143)}))),
        ("a finalizer", metadata("finalizers", json!(["example.com/a"]))),
        ("a bad finalizer", metadata("finalizers", json!(["a b"]))),
        ("an owner", metadata("ownerReferences", owner("u"))),
        ("an owner without a UID", metadata("ownerReferences", owner(""))),
        ("an unknown field of the metadata", metadata("label", json!({}))),
        ("metadata as list", beside("metadata", json!([]))),
    ]
}
