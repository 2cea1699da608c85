//! Every spec that the API server accepts reaches STS within the published limits of STS.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::world::{SOON, World, is_ready};

/// How many specs are tried.
const SPECS: usize = 240;

const ROLE: &str = "arn:aws:iam::123456789012:role/";

/// Text of the shortest or longest valid length, or one character shorter or longer.
fn text(shortest: usize, longest: usize) -> BoxedStrategy<Value> {
    let lengths = vec![shortest - 1, shortest, shortest, longest, longest, longest + 1];
    (select(lengths), select(vec!["a", "a", "a", "-", "é", " "]))
        .prop_map(|(length, filler)| json!(filler.repeat(length)))
        .boxed()
}

fn role() -> BoxedStrategy<Value> {
    let name = select(vec!["r".to_owned(), "a/b/r".to_owned(), "r".repeat(2018), "r".repeat(2019)]);
    prop_oneof![8 => name.prop_map(|name| json!(format!("{ROLE}{name}"))), 1 => Just(json!("role/r"))]
        .boxed()
}

fn duration() -> BoxedStrategy<Value> {
    let written = [
        "59s", "1m", "5m", "14m59s", "15m", "15m", "15m", "30m", "1h", "1h", "1h0m1s", "12h",
        "12h1s", "36h", "37h",
    ];
    select(written.to_vec()).prop_map(|written| json!(written)).boxed()
}

fn policy() -> BoxedStrategy<Value> {
    let written = [2, 100, 2048, 2049].map(|length| format!("{{{}}}", " ".repeat(length - 2)));
    select([written.to_vec(), vec![String::new(), "arn:aws:iam::aws:policy/X".to_owned()]].concat())
        .prop_map(|written| json!(written))
        .boxed()
}

fn policy_arns() -> BoxedStrategy<Value> {
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    select(vec![0, 1, 10, 11]).prop_map(move |count| json!(vec![arn; count])).boxed()
}

fn tags() -> BoxedStrategy<Value> {
    let sizes =
        (select(vec![0, 1, 2, 50, 51]), select(vec![5, 128, 129]), select(vec![0, 256, 257]));
    let made = sizes.prop_map(|(count, key, value)| {
        let tag = |n: usize| (format!("{n:0>key$}"), json!("v".repeat(value)));
        Value::Object((0..count).map(tag).collect())
    });
    let odd =
        select(vec![json!({"Team": "a", "team": "b"}), json!({"aws:x": "a"}), json!({"": "a"})]);
    prop_oneof![8 => made, 1 => odd].boxed()
}

/// Some of these fields, each of them with one of its values.
fn some(
    required: Vec<(&'static str, BoxedStrategy<Value>)>,
    optional: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> BoxedStrategy<Value> {
    let field = |(name, value): (&'static str, BoxedStrategy<Value>)| {
        value.prop_map(move |value| Some((name, value))).boxed()
    };
    let maybe = |(name, value): (&'static str, BoxedStrategy<Value>)| {
        prop_oneof![4 => Just(None), 1 => value.prop_map(move |value| Some((name, value)))].boxed()
    };
    let all: Vec<_> =
        required.into_iter().map(field).chain(optional.into_iter().map(maybe)).collect();
    all.prop_map(|fields| {
        Value::Object(
            fields.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect(),
        )
    })
    .boxed()
}

fn policies() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    vec![("policy", policy()), ("policyArns", policy_arns()), ("duration", duration())]
}

fn specs() -> BoxedStrategy<Value> {
    let key = || Just(json!({"name": "inputs", "key": "token"})).boxed();
    let user = json!({"accessKeySecretRef": {"name": "inputs"}});
    let session = json!({"accessKeySecretRef": {"name": "inputs", "sessionTokenKey": "token"}});
    let web = json!({"webIdentity": {"roleArn": format!("{ROLE}r"), "tokenSecretRef": {"name": "inputs", "key": "token"}}});
    let hops = select(vec![0, 1, 4, 5])
        .prop_map(|count| json!(vec![json!({"roleArn": format!("{ROLE}hop")}); count]));
    let provider = Just(json!("arn:aws:iam::123456789012:saml-provider/p")).boxed();
    let audiences = select(vec![0, 1, 10, 11]).prop_map(|count| json!(vec!["a"; count])).boxed();
    let task = Just(json!("arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy")).boxed();
    let account = Just(json!("123456789012")).boxed();
    let algorithm = select(vec![json!("RS256"), json!("ES384"), json!("none")]).boxed();
    let role_fields = vec![
        ("via", hops.boxed()),
        ("externalId", text(2, 1224)),
        ("sessionName", text(2, 64)),
        ("sourceIdentity", text(2, 64)),
        ("tags", tags()),
        ("transitiveTagKeys", select(vec![json!([]), json!(["00000"]), json!(["x"])]).boxed()),
    ];
    let of = |field: &'static str, identities: Vec<Value>, request: BoxedStrategy<Value>| {
        (request, select(identities)).prop_map(move |(request, identity)| match identity {
            Value::Null => json!({field: request}),
            identity => json!({field: request, "identity": identity}),
        })
    };
    let (none, signed) = (vec![Value::Null], vec![user.clone(), web.clone()]);
    prop_oneof![
        3 => of("assumeRole", vec![Value::Null, user.clone(), session.clone(), web], some(vec![("roleArn", role())], [role_fields, policies()].concat())),
        1 => of("assumeRoleWithWebIdentity", none.clone(), some(vec![("roleArn", role()), ("tokenSecretRef", key())], [vec![("sessionName", text(2, 64))], policies()].concat())),
        1 => of("assumeRoleWithSAML", none, some(vec![("roleArn", role()), ("principalArn", provider), ("assertionSecretRef", key())], policies())),
        1 => of("assumeRoot", signed.clone(), some(vec![("targetPrincipal", account), ("taskPolicyArn", task)], vec![("duration", duration())])),
        1 => of("getSessionToken", vec![user.clone(), session], some(vec![], vec![("duration", duration())])),
        1 => of("getFederationToken", vec![user], some(vec![("name", text(2, 32))], [vec![("tags", tags())], policies()].concat())),
        1 => of("getWebIdentityToken", signed, some(vec![("audiences", audiences), ("signingAlgorithm", algorithm)], vec![("tags", tags()), ("duration", duration())])),
    ]
    .boxed()
}

/// The values of `prefix.1`, `prefix.2`, …, with what follows.
fn members<'a>(form: &'a BTreeMap<String, String>, prefix: &str, suffix: &str) -> Vec<&'a str> {
    let is_one = |key: &str| key.starts_with(&format!("{prefix}.member.")) && key.ends_with(suffix);
    form.iter().filter(|(key, _)| is_one(key)).map(|(_, value)| value.as_str()).collect()
}

/// Asserts that a request is within the limits of the STS API reference.
fn assert_within_limits(form: &BTreeMap<String, String>, chained: bool) {
    let length = |name: &str| form.get(name).map(|value| value.chars().count());
    let within = |name: &str, shortest: usize, longest: usize| {
        let length = length(name);
        assert!(
            length.is_none_or(|n| (shortest..=longest).contains(&n)),
            "{name}: {length:?} in {form:?}"
        );
    };
    for (name, shortest, longest) in [
        ("RoleArn", 20, 2048),
        ("PrincipalArn", 20, 2048),
        ("RoleSessionName", 2, 64),
        ("SourceIdentity", 2, 64),
        ("ExternalId", 2, 1224),
        ("Policy", 1, 2048),
        ("Name", 2, 32),
        ("WebIdentityToken", 4, 20_000),
        ("SAMLAssertion", 4, 100_000),
        ("TargetPrincipal", 12, 2048),
    ] {
        within(name, shortest, longest);
    }
    for name in ["RoleSessionName", "SourceIdentity", "Name"] {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        assert!(form.get(name).is_none_or(|value| value.chars().all(plain)), "{name} in {form:?}");
    }
    let longest = match form["Action"].as_str() {
        "AssumeRole" if chained => 3600,
        "AssumeRole" | "AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML" => 43_200,
        "GetSessionToken" | "GetFederationToken" => 129_600,
        "AssumeRoot" => 900,
        "GetWebIdentityToken" => 3600,
        other => panic!("{other}"),
    };
    let shortest = match form["Action"].as_str() {
        "AssumeRoot" | "GetWebIdentityToken" => 60,
        _ => 900,
    };
    if let Some(seconds) = form.get("DurationSeconds") {
        let seconds: u32 = seconds.parse().unwrap();
        assert!((shortest..=longest).contains(&seconds), "{seconds} s in {form:?}");
    }
    assert!(members(form, "PolicyArns", "").len() <= 10, "{form:?}");
    let audiences = members(form, "Audience", "").len();
    assert!(
        audiences <= 10 && (audiences > 0 || form["Action"] != "GetWebIdentityToken"),
        "{form:?}"
    );
    let (keys, values) = (members(form, "Tags", ".Key"), members(form, "Tags", ".Value"));
    let differ: BTreeSet<_> = keys.iter().map(|key| key.to_lowercase()).collect();
    assert!(keys.len() <= 50 && differ.len() == keys.len(), "{form:?}");
    assert!(keys.iter().all(|key| (1..=128).contains(&key.chars().count())), "{form:?}");
    assert!(values.iter().all(|value| value.chars().count() <= 256), "{form:?}");
    let transitive = members(form, "TransitiveTagKeys", "");
    assert!(transitive.iter().all(|key| keys.contains(key)), "{form:?}");
}

#[tokio::test]
async fn every_accepted_spec_is_within_the_limits_of_sts() {
    let world = World::start().await;
    let inputs = json!({
        "AWS_ACCESS_KEY_ID": "AKIAUSER", "AWS_SECRET_ACCESS_KEY": "secret", "token": "header.payload.signature",
    });
    world.create_secret("inputs", inputs).await;
    // The same specs in every run, so that a failure can be reproduced.
    let mut runner = TestRunner::deterministic();
    let specs = specs();
    let (mut accepted, mut rejected) = (vec![], 0);
    for number in 0..SPECS {
        let name = format!("r{number}");
        let spec = specs.new_tree(&mut runner).unwrap().current();
        match world.try_create(&name, spec.clone()).await {
            Ok(_) => accepted.push((name, spec)),
            Err(kube::Error::Api(_)) => rejected += 1,
            Err(other) => panic!("{other}: {spec}"),
        }
    }
    assert!(
        accepted.len() > SPECS / 6 && rejected > SPECS / 6,
        "{} accepted, {rejected} rejected",
        accepted.len()
    );
    for (name, _) in &accepted {
        world.wait_at_most(SOON * 2, name, "ready", is_ready).await;
    }
    let mut actions = BTreeSet::new();
    for request in world.sts.requests() {
        assert_within_limits(&request.form, request.security_token.is_some());
        actions.insert(request.action);
    }
    assert_eq!(actions.len(), 7, "not every request was made: {actions:?}");
}
