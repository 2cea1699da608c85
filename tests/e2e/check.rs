//! What tests check, and how they wait for it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};
use tempcred_core::api::CredentialStatus;

/// Pause between two checks of a condition.
pub const POLL: Duration = Duration::from_millis(50);

/// Waits until `check` returns a value. `what` is printed only if it does not, so it may show what is there then.
pub async fn wait_until<T, F: Future<Output = Option<T>>>(
    what: impl Display,
    at_most: Duration,
    check: impl Fn() -> F,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(begin.elapsed() < at_most, "not after {at_most:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// The data of a Secret, as text.
pub fn data(secret: &Secret) -> BTreeMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), text(&value.0))).collect()
}

/// Asserts that a Secret holds one complete credential of the responder: three matching values, the same
/// in every format. Returns its access key ID.
pub fn assert_complete(secret: &Secret) -> String {
    let data = data(secret);
    let key = data["AWS_ACCESS_KEY_ID"].clone();
    let (value, token) = (rig::sts::secret_for(&key), rig::sts::token_for(&key));
    assert_eq!(data["AWS_SECRET_ACCESS_KEY"], value, "{}", secret.name_any());
    assert_eq!(data["AWS_SESSION_TOKEN"], token);
    let process: Value = serde_json::from_str(&data["credentials.json"]).unwrap();
    assert_eq!(process["AccessKeyId"], key);
    assert_eq!(process["SecretAccessKey"], value);
    assert_eq!(process["SessionToken"], token);
    assert_eq!(process["Expiration"], data["AWS_CREDENTIAL_EXPIRATION"]);
    let file = &data["credentials"];
    for line in [
        format!("aws_access_key_id = {key}"),
        format!("aws_secret_access_key = {value}"),
        format!("aws_session_token = {token}"),
    ] {
        assert!(file.lines().any(|l| l == line), "{}", secret.name_any());
    }
    key
}

/// The ARN of a role in the account of the tests.
pub fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

/// A spec that assumes a role.
pub fn assume(role: &str) -> Value {
    json!({"assumeRole": {"roleArn": role_arn(role)}})
}

/// The plainest spec.
pub fn plain() -> Value {
    assume("reports")
}

/// `Ready` is true.
pub fn is_ready(status: &CredentialStatus) -> bool {
    condition(status, "Ready").is_some_and(|(is, _)| is)
}

/// Whether a condition is true, and its reason.
pub fn condition<'a>(status: &'a CredentialStatus, type_: &str) -> Option<(bool, &'a str)> {
    let found = status.conditions.iter().find(|c| c.type_ == type_)?;
    Some((found.status == "True", found.reason.as_str()))
}

/// The reason of the failure, if there is one.
pub fn failure_reason(status: &CredentialStatus) -> Option<&str> {
    status.failure.as_ref().map(|failure| failure.reason.as_str())
}

/// The failure in a status.
pub fn failure(status: &CredentialStatus) -> &tempcred_core::api::FailureStatus {
    status.failure.as_ref().unwrap()
}

/// The types of the conditions that are true, with their reasons.
pub fn true_conditions(status: &CredentialStatus) -> Vec<(&str, &str)> {
    let is_true = status.conditions.iter().filter(|c| c.status == "True");
    is_true.map(|c| (c.type_.as_str(), c.reason.as_str())).collect()
}
