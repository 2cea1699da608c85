//! What a run leaves behind, without what differs from run to run.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use rig::sts::IssuedRecord;
use serde_json::{Map, Value, json};

use crate::check::data;
use crate::world::World;

/// The resources, Secrets and workloads of a namespace. Names, keys and times are replaced by words.
#[derive(Debug, PartialEq)]
pub struct EndState(Value);

/// Metadata that says when and by which object something was made, and how often a process reported a failure.
const VOLATILE: &[&str] =
    &["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "count"];

impl EndState {
    /// Reads the state of a namespace.
    pub async fn of(world: &World) -> Self {
        Self::with(world, Value::Null).await
    }

    /// The same, with the parameters of all calls to STS.
    pub async fn with_calls(world: &World) -> Self {
        let form = |one: rig::sts::Received| json!(one.form);
        let mut calls: Vec<Value> = world.sts.requests().into_iter().map(form).collect();
        // Their number and order differ from run to run.
        calls.sort_by_key(Value::to_string);
        calls.dedup();
        Self::with(world, calls.into()).await
    }

    async fn with(world: &World, calls: Value) -> Self {
        let secrets = world.secrets().list(&Default::default()).await.unwrap().items;
        let mut words = vec![(world.namespace.clone(), "NAMESPACE")];
        for secret in &secrets {
            words.extend(words_of(secret));
        }
        // A part of a word must not be replaced before the whole.
        words.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let resources = objects(world, "tempcred.dev", "v1alpha1", "TemporaryCredential").await;
        let workloads = objects(world, "apps", "v1", "Deployment").await;
        let templates = workloads.iter().map(|one| one["spec"]["template"]["metadata"].clone());
        let issued = world.sts.issued();
        let requests: Vec<_> = secrets.iter().map(|secret| request_of(secret, &issued)).collect();
        let mut all = json!({
            "calls": calls,
            "requests": requests,
            "secrets": secrets.iter().map(readable).collect::<Vec<_>>(),
            "resources": resources,
            "templates": templates.collect::<Vec<_>>(),
        });
        mask(&mut all, &words);
        Self(all)
    }

    /// What differs from another state, for a message: paths with both values.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = vec![];
        compare("", &self.0, &other.0, &mut found);
        found
    }
}

async fn objects(world: &World, group: &str, version: &str, kind: &str) -> Vec<Value> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let all = api.list(&Default::default()).await.unwrap().items;
    all.into_iter().map(|object| serde_json::to_value(object).unwrap()).collect()
}

/// A Secret with its data as text.
fn readable(secret: &Secret) -> Value {
    let mut value = serde_json::to_value(secret).unwrap();
    value["data"] = json!(data(secret));
    value
}

/// The request that the credentials of a Secret came from.
fn request_of(secret: &Secret, issued: &[IssuedRecord]) -> Value {
    let key = secret.annotations().get("tempcred.dev/access-key-id").cloned().unwrap_or_default();
    let token = data(secret).remove("token").unwrap_or_default();
    let found = issued
        .iter()
        .find(|one| one.access_key_id == key && (!key.is_empty() || one.token == token));
    let mut form = found.map(|one| one.form.clone()).unwrap_or_default();
    // The API server signs another one for each request.
    form.entry("WebIdentityToken".to_owned()).and_modify(|token| *token = "TOKEN".to_owned());
    json!(form)
}

/// The texts of a Secret that differ from run to run.
fn words_of(secret: &Secret) -> Vec<(String, &'static str)> {
    let data = data(secret);
    let labels = secret.metadata.labels.clone().unwrap_or_default();
    let annotations = secret.metadata.annotations.clone().unwrap_or_default();
    let key = annotations.get("tempcred.dev/access-key-id");
    let [value, token] =
        [rig::sts::secret_for, rig::sts::token_for].map(|of| key.map(|key| of(key)));
    let named = [
        (key, "KEY"),
        (value.as_ref(), "SECRET"),
        (token.as_ref(), "TOKEN"),
        (data.get("token"), "TOKEN"),
        (annotations.get("tempcred.dev/fingerprint"), "FINGERPRINT"),
        // It contains the name of the namespace.
        (annotations.get("tempcred.dev/request-hash"), "HASH"),
        (labels.get("tempcred.dev/credential-uid"), "UID"),
    ];
    let named = named.into_iter().filter_map(|(text, word)| Some((text?.clone(), word)));
    named.filter(|(text, _)| !text.is_empty()).collect()
}

fn mask(value: &mut Value, words: &[(String, &str)]) {
    match value {
        Value::String(text) => *text = masked(text, words),
        Value::Array(all) => all.iter_mut().for_each(|one| mask(one, words)),
        Value::Object(fields) => {
            fields.retain(|name, value| !VOLATILE.contains(&name.as_str()) && !is_empty(value));
            fields.values_mut().for_each(|one| mask(one, words));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Server-side apply leaves an empty list where the last element was removed.
fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

fn masked(text: &str, words: &[(String, &str)]) -> String {
    let mut masked = text.to_owned();
    for (old, new) in words {
        masked = masked.replace(old, new);
    }
    let is_time = |word: &&str| {
        word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).parse::<Timestamp>().is_ok()
    };
    let times: Vec<_> = masked.split([' ', '"', '\n']).filter(is_time).map(str::to_owned).collect();
    for time in times {
        masked = masked.replace(&time, "TIME");
    }
    masked
}

fn compare(path: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(one), Value::Object(two)) => {
            let names: std::collections::BTreeSet<_> = one.keys().chain(two.keys()).collect();
            for name in names {
                let [one, two] = [one, two].map(|all| all.get(name).unwrap_or(&Value::Null));
                compare(&format!("{path}.{name}"), one, two, found);
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (number, (one, two)) in one.iter().zip(two).enumerate() {
                compare(&format!("{path}[{number}]"), one, two, found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{path}: {left} instead of {right}")),
    }
}

#[test]
fn only_what_differs_from_run_to_run_is_replaced() {
    let words = [("ASIAONE".to_owned(), "KEY"), ("t1-2".to_owned(), "NAMESPACE")];
    for (text, expected) in [
        ("2026-01-01T00:00:00Z", "TIME"),
        ("expires at 2026-01-01T00:00:00Z.", "expires at TIME"),
        ("\"Expiration\":\"2026-01-01T00:00:00Z\",", "\"Expiration\":\"TIME\","),
        ("key ASIAONE of t1-2", "key KEY of NAMESPACE"),
        ("reports", "reports"),
    ] {
        assert_eq!(masked(text, &words), expected);
    }
    let [one, two] =
        [json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 3}], "c": 4})].map(EndState);
    assert_eq!(one.differences(&two), [".a[1].b: 2 instead of 3", ".c: null instead of 4"]);
}
