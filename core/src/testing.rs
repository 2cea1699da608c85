//! Fixtures of the unit tests: a resource, its desired state, credentials, and a Secret as the API server stores it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::api::{CredentialStatus, TemporaryCredential};
use crate::credentials::{AccessKey, Credentials, Values};
use crate::desired::Desired;
use crate::grant::Grants;
use crate::problem::{Problem, Reason};
use crate::secret::Manifest;

/// The resource of the tests, changed by a JSON merge patch.
pub(crate) fn resource(patch: Value) -> TemporaryCredential {
    let mut base = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": "reports", "namespace": "analytics", "uid": "uid-1", "generation": 1},
        "spec": {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"}},
    });
    merge(&mut base, patch);
    serde_json::from_value(base).unwrap()
}

/// Applies a JSON merge patch. Unlike in RFC 7386, `null` is a value and deletes nothing.
pub(crate) fn merge(base: &mut Value, patch: Value) {
    match patch {
        Value::Object(fields) => {
            if !base.is_object() {
                *base = json!({});
            }
            for (key, value) in fields {
                merge(&mut base[key], value);
            }
        }
        other => *base = other,
    }
}

/// The desired state of that resource, with a grant that allows its request.
pub(crate) fn desired(patch: Value) -> Desired {
    desired_with_grant(json!({}), patch).unwrap()
}

/// The desired state of that resource, with only this grant, which is changed by a JSON merge patch.
pub(crate) fn desired_with_grant(grant: Value, patch: Value) -> Option<Desired> {
    let mut base = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
        "metadata": {"name": "any"},
        "spec": {
            "namespaces": {"names": ["*"]}, "roleArns": ["arn:aws:iam::123456789012:role/*"],
            "session": {"tenantMaySet": ["externalId", "sourceIdentity", "sessionName", "tags"]},
        },
    });
    merge(&mut base, grant);
    let mut grants = Grants::default();
    grants.set(&serde_json::from_value(base).unwrap());
    grants.set_namespace("analytics", &Default::default());
    Desired::compile(&resource(patch), &grants)
}

/// A patch of a resource that requests a renewal.
pub(crate) fn with_renew_request(request: &str) -> Value {
    json!({"metadata": {"annotations": {"tempcred.dev/renew-requested-at": request}}})
}

/// A point in time, in seconds since the epoch.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Credentials with a number, issued and expiring at these seconds.
pub(crate) fn credentials(number: u32, issued: i64, expires: i64) -> Credentials {
    Credentials {
        values: Values::AccessKey(AccessKey {
            access_key_id: format!("ASIA{number}"),
            secret_access_key: format!("secret{number}").into(),
            session_token: format!("token{number}").into(),
        }),
        issued_at: at(issued),
        expiration: at(expires),
        principal_arn: None,
        packed_policy_size: None,
    }
}

/// The Secret that the API server stores for a manifest.
pub(crate) fn stored(manifest: &Manifest) -> Secret {
    serde_json::from_value(serde_json::to_value(manifest).unwrap()).unwrap()
}

/// A status with a failure whose next attempt is at this second. `generation` is that of the spec that failed.
pub(crate) fn failing(reason: &str, generation: i64, until: i64) -> CredentialStatus {
    let class = Reason::parse(reason).and_then(Reason::class).map_or("Refused", |c| c.as_str());
    serde_json::from_value(json!({
        "observedGeneration": generation,
        "failure": {"class": class, "reason": reason, "message": "", "count": 1,
                    "since": at(0).to_string(), "nextAttempt": at(until).to_string()},
    }))
    .unwrap()
}

/// The problem of a request that no grant allows.
pub(crate) fn denial() -> Problem {
    Problem::new(Reason::NotGranted, "not for this namespace")
}
