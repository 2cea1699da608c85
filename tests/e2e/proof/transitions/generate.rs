//! Specs that are generated from the schema of the CRD.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

/// Values of fields whose meaning no schema knows: what they name must exist, or be allowed. Others follow their pattern.
const MEANINGFUL: &[(&str, &[&str])] = &[
    (
        "roleArn",
        &[
            "arn:aws:iam::123456789012:role/one",
            "arn:aws:iam::123456789012:role/path/two",
            "arn:aws:iam::210987654321:role/three",
        ],
    ),
    ("principalArn", &["arn:aws:iam::123456789012:saml-provider/idp"]),
    ("targetPrincipal", &["123456789012"]),
    ("taskPolicyArn", &["arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"]),
    ("policyArns", &["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/Audit"]),
    ("policy", &[r#"{"Version":"2012-10-17","Statement":[]}"#]),
    ("serviceAccountName", &["runner"]),
    ("tokenSecretRef", &["inputs"]),
    ("assertionSecretRef", &["inputs"]),
    ("accessKeySecretRef", &["inputs"]),
    ("audience", &["sts.amazonaws.com", "example.com"]),
    ("audiences", &["example.com", "example.org"]),
    ("duration", &["15m", "30m", "1h"]),
    ("before", &["1m", "5m"]),
    ("region", &["eu-west-1", "us-east-1"]),
    ("template", &["key={{ accessKeyId }}", "{{ secretAccessKey | tojson }} {{ name }}"]),
];

/// Fields that other tests cover, because they need objects of their own, or cannot be changed.
const LEFT_OUT: &[&str] = &["restart", "adopt", "name", "type"];

/// Longest generated list or map.
const LONGEST: usize = 2;

/// Longest generated text.
const LONGEST_TEXT: usize = 24;

/// Generates values that follow a schema.
pub struct Generator {
    schema: Value,
    runner: TestRunner,
}

impl Generator {
    /// Generates specs of a `TemporaryCredential`. The same seed gives the same specs.
    pub fn new(seed: u64) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/temporarycredentials.yaml");
        let crd: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let runner = TestRunner::new_with_rng(Config::default(), random);
        Self { schema: schema["properties"]["spec"].clone(), runner }
    }

    /// A spec with one request. The API server may still refuse it, because of its rules.
    pub fn spec(&mut self) -> Value {
        let schema = self.schema.clone();
        let properties = schema["properties"].as_object().unwrap();
        let is_request = |name: &&String| name.starts_with("assume") || name.starts_with("get");
        let requests: Vec<_> = properties.keys().filter(is_request).collect();
        let request = requests[self.below(requests.len())].clone();
        let others: BTreeMap<_, _> =
            properties.iter().filter(|(name, _)| !is_request(name)).collect();
        let mut spec = Map::new();
        spec.insert(request.clone(), self.value(&request, &properties[&request]));
        for (name, schema) in others {
            if !LEFT_OUT.contains(&name.as_str()) && self.below(3) == 0 {
                spec.insert(name.clone(), self.value(name, schema));
            }
        }
        Value::Object(spec)
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        self.sample(0..limit)
    }

    fn sample<T: std::fmt::Debug>(&mut self, strategy: impl Strategy<Value = T>) -> T {
        strategy.new_tree(&mut self.runner).unwrap().current()
    }

    fn value(&mut self, name: &str, schema: &Value) -> Value {
        if let Some(all) = schema["enum"].as_array() {
            return all[self.below(all.len())].clone();
        }
        match schema["type"].as_str() {
            Some("object") => self.object(name, schema),
            Some("array") => {
                let least = schema["minItems"].as_u64().unwrap_or_default() as usize;
                let length = least.max(self.below(LONGEST + 1));
                let mut all: Vec<Value> = vec![];
                for _ in 0..length {
                    let item = self.value(name, &schema["items"]);
                    if !all.contains(&item) {
                        all.push(item);
                    }
                }
                all.into()
            }
            Some("string") => self.text(name, schema).into(),
            Some("boolean") => (self.below(2) == 0).into(),
            Some("integer") => {
                let bound =
                    |name: &str, default| schema[name].as_f64().map_or(default, |n| n as usize);
                let (from, to) = (bound("minimum", 0), bound("maximum", 100));
                self.sample(from..=to).into()
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    fn object(&mut self, name: &str, schema: &Value) -> Value {
        if let Some(values) = schema.get("additionalProperties") {
            let count = self.below(LONGEST + 1);
            let keys = (0..count).map(|number| format!("key{number}"));
            let entries: Vec<_> = keys.collect();
            let entries = entries.into_iter().map(|key| (key, self.value(name, values)));
            return Value::Object(entries.collect());
        }
        // A reference to the Secret with all inputs, or to one key of it.
        if let Some((_, secrets)) = MEANINGFUL.iter().find(|(field, _)| *field == name)
            && schema["properties"]["name"].is_object()
        {
            let mut reference = json!({"name": secrets[0]});
            if schema["properties"]["key"].is_object() {
                reference["key"] = "token".into();
            }
            return reference;
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = required.iter().any(|one| one == field.as_str());
            let left_out = LEFT_OUT.contains(&field.as_str()) && !is_required;
            if is_required || !left_out && self.below(3) == 0 {
                object.insert(field.clone(), self.value(field, schema));
            }
        }
        Value::Object(object)
    }

    fn text(&mut self, name: &str, schema: &Value) -> String {
        if let Some((_, values)) = MEANINGFUL.iter().find(|(field, _)| *field == name) {
            return values[self.below(values.len())].to_owned();
        }
        let least = schema["minLength"].as_u64().unwrap_or(1);
        let most = schema["maxLength"].as_u64().unwrap_or(64).min(LONGEST_TEXT as u64).max(least);
        // Patterns of the schema are one class of characters that is repeated; `\w` is not limited to ASCII here.
        let pattern = schema["pattern"].as_str().unwrap_or("^[a-z]+$");
        let pattern =
            pattern.trim_start_matches('^').trim_end_matches('$').replace("\\w", "A-Za-z0-9_");
        let pattern = match pattern.strip_suffix('+') {
            Some(class) => format!("{class}{{{least},{most}}}"),
            None => pattern,
        };
        self.sample(string_regex(&pattern).unwrap())
    }
}

#[test]
fn the_same_seed_gives_the_same_specs_and_all_kinds_of_requests_appear() {
    let specs = |seed| {
        let mut generator = Generator::new(seed);
        (0..100).map(|_| generator.spec()).collect::<Vec<_>>()
    };
    assert_eq!(specs(1), specs(1));
    assert_ne!(specs(1), specs(2));
    let all = serde_json::to_string(&specs(1)).unwrap();
    for field in
        ["assumeRole\"", "assumeRoleWithSAML", "getSessionToken", "template", "via", "tags"]
    {
        assert!(all.contains(field), "{field}");
    }
}
