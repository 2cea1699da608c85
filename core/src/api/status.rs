//! `status` of a `TemporaryCredential`. Times are whole seconds, UTC.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::READY;
use crate::problem::{Class, Reason};

/// The observed state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready` is always present: the Secret holds unexpired credentials that match the spec. The others are
    /// present only while they are true. `RenewalFailing`: the last renewal failed, and why. `Reconciling` and
    /// `Stalled`: as kstatus defines them. `RenewalClamped`: `renewal` did not fit the lifetime that STS
    /// returned. `ClockSkew`: the clock of the operator's node is more than a minute behind that of STS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// When the credentials in the Secret expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Time>,

    /// When they will be renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<Time>,

    /// When they were issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Time>,

    /// ARN of the principal that the credentials belong to: the session of the assumed role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_arn: Option<String>,

    /// Access key ID of the credentials in the Secret, as CloudTrail shows it. Not secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,

    /// How much of AWS's limit for session policies and tags this request uses, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed_policy_size: Option<i32>,

    /// The Secret that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretStatus>,

    /// The value of the annotation `tempcred.dev/renew-requested-at` of the last renewal that was done on
    /// request. `sha256:` and a hash if the value has more than 253 characters or is not one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_renew_request: Option<String>,

    /// What fails; absent while nothing fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureStatus>,
}

/// The Secret that was written.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Its name.
    pub name: String,
    /// Its `metadata.resourceVersion` after tempcred last wrote or verified it.
    pub resource_version: String,
}

/// What fails, and when the next attempt is made.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// `Blocked`: the spec or the cluster must change. `Refused`: AWS denies the request. `Throttled`: AWS
    /// asks for fewer requests. `Transient`: a temporary failure.
    pub class: Class,
    /// The reason, as in the conditions.
    pub reason: String,
    /// What happened and what to change.
    pub message: String,
    /// Number of attempts that failed in a row in this class.
    #[schemars(schema_with = "count_schema")]
    pub count: u32,
    /// When the first of them failed.
    pub since: Time,
    /// When the next attempt is made.
    pub next_attempt: Time,
}

fn count_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // By hand: the derived schema of a u32 carries `format: uint32`, which Kubernetes does not know.
    schemars::json_schema!({"type": "integer", "format": "int32", "minimum": 1})
}

/// The `Ready` condition of a status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readiness<'a> {
    /// Whether its status is `True`.
    pub ready: bool,
    /// Its reason; `None` if this version does not know it.
    pub reason: Option<Reason>,
    /// Its message.
    pub message: &'a str,
}

impl CredentialStatus {
    /// The `Ready` condition; `None` before the first reconciliation.
    pub fn readiness(&self) -> Option<Readiness<'_>> {
        let ready = self.conditions.iter().find(|c| c.type_ == READY)?;
        Some(Readiness {
            ready: ready.status == "True",
            reason: Reason::parse(&ready.reason),
            message: &ready.message,
        })
    }
}

impl FailureStatus {
    /// Its reason; `None` if this version does not know it.
    pub fn reason(&self) -> Option<Reason> {
        Reason::parse(&self.reason)
    }
}
