//! `status` of a `TemporaryCredential`. Times are whole seconds, UTC.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::READY;
use super::restart::RestartStatus;
use crate::problem::{Class, Reason};

/// The observed state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// The `metadata.generation` that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Conditions of the resource. `Ready` is always present; the others are present only while they are `True`.
    ///
    /// `Ready`: the Secret contains unexpired credentials that match the spec and the grants. `RenewalFailing`: the
    /// last renewal failed; the message says why. `Reconciling` and `Stalled`: as kstatus defines them.
    /// `RenewalClamped`: `spec.renewal` does not fit the lifetime that STS returned. `ClockSkew`: the clock of the
    /// operator's node is more than one minute behind the clock of STS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// When the credentials in the Secret expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Time>,

    /// When the credentials will be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<Time>,

    /// When the credentials were issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,

    /// ARN of the principal that the credentials belong to, usually the session of the assumed role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_arn: Option<String>,

    /// Access key ID of the credentials in the Secret, as CloudTrail shows it. It is not a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,

    /// Share of the AWS limit for session policies and tags that this request uses, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed_policy_size: Option<i32>,

    /// The Secret that contains the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretStatus>,

    /// The value of the annotation `tempcred.dev/renew-requested-at` at the last requested renewal that is done. A
    /// value that has more than 253 characters or several lines is replaced by `sha256:` and its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_renew_request: Option<String>,

    /// The current failure. Absent while nothing fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureStatus>,

    /// The restart of each workload in `spec.restart` after the last rotation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kind", "name"]))]
    pub restarts: Vec<RestartStatus>,
}

/// The Secret that contains the credentials.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Name of the Secret.
    pub name: String,
    /// The `metadata.resourceVersion` of the Secret after tempcred last wrote or verified it. Empty if tempcred must
    /// verify the Secret again.
    pub resource_version: String,
}

/// The current failure, and the time of the next attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// `Blocked`: the spec or the cluster must change. `Refused`: AWS denies the request. `Throttled`: AWS limits the
    /// rate of requests. `Transient`: the failure is expected to be temporary.
    pub class: Class,
    /// The reason, as in the conditions.
    pub reason: String,
    /// A description of the failure, and what to change.
    pub message: String,
    /// Number of consecutive failed attempts of this class.
    #[schemars(schema_with = "count_schema")]
    pub count: u32,
    /// When the first of the consecutive attempts, of any class, failed.
    pub since: Time,
    /// When the next attempt is made.
    pub next_attempt: Time,
}

fn count_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // The derived schema of a u32 has `format: uint32`, which Kubernetes does not know.
    schemars::json_schema!({"type": "integer", "format": "int32", "minimum": 1})
}

/// The `Ready` condition of a status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readiness<'a> {
    /// Whether its status is `True`.
    pub ready: bool,
    /// Its reason. `None` if this version of tempcred does not know it.
    pub reason: Option<Reason>,
    /// Its message.
    pub message: &'a str,
}

impl CredentialStatus {
    /// The `Ready` condition. `None` if there is no such condition.
    pub fn readiness(&self) -> Option<Readiness<'_>> {
        let ready = self.conditions.iter().find(|c| c.type_ == READY)?;
        Some(Readiness {
            ready: ready.status == "True",
            reason: Reason::parse(&ready.reason),
            message: &ready.message,
        })
    }

    /// Whether the grants denied the request, so that edits of its Secret were not repaired.
    pub fn is_denied(&self) -> bool {
        let reason = self.readiness().and_then(|ready| ready.reason);
        reason.is_some_and(Reason::is_denial)
    }

    /// Whether the resource was suspended, so that edits of its Secret were not repaired.
    pub(crate) fn was_suspended(&self) -> bool {
        self.readiness().is_some_and(|ready| ready.reason == Some(Reason::Suspended))
    }
}

impl FailureStatus {
    /// The reason. `None` if this version of tempcred does not know it.
    pub fn reason(&self) -> Option<Reason> {
        Reason::parse(&self.reason)
    }
}
