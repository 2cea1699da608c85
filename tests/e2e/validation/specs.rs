//! Specs to validate.

use serde_json::{Value, json};

use crate::world::plain;

/// `plain`, with these fields of the request set.
pub fn request(fields: Value) -> Value {
    let mut spec = plain();
    for (key, value) in fields.as_object().unwrap() {
        spec["assumeRole"][key] = value.clone();
    }
    spec
}

/// `plain`, with this field beside the request.
pub fn beside(key: &str, value: Value) -> Value {
    let mut spec = plain();
    spec[key] = value;
    spec
}

/// Four annotations: with a label of two bytes, values of 4091 and a half bytes fill 16 KiB.
pub fn large(each: usize) -> Value {
    let annotation = |n: usize| (format!("key{n}"), json!("x".repeat(each)));
    Value::Object((0..4).map(annotation).collect())
}

pub fn web_identity(fields: Value) -> Value {
    let mut request =
        json!({"roleArn": "arn:aws:iam::123456789012:role/r", "serviceAccountName": "a"});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"assumeRoleWithWebIdentity": request})
}

pub fn identity() -> Value {
    json!({"webIdentity": {"roleArn": "arn:aws:iam::123456789012:role/r", "serviceAccountName": "a"}})
}

pub fn root(fields: Value) -> Value {
    let mut request = json!({
        "targetPrincipal": "123456789012",
        "taskPolicyArn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy",
    });
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

pub fn saml() -> Value {
    json!({
        "roleArn": "arn:aws:iam::123456789012:role/reports",
        "principalArn": "arn:aws:iam::123456789012:saml-provider/corporate",
        "assertionSecretRef": {"name": "saml", "key": "assertion"},
    })
}

pub fn tags(count: usize) -> Value {
    (0..count)
        .map(|n| (format!("key-{n}"), json!("value")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
