//! `status`: what tempcred did and what comes next. Times are whole seconds, UTC.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The observed state.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// The `metadata.generation` that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`: the Secret holds unexpired credentials that answer the spec. `RenewalFailing`: they
    /// could not be renewed yet, and why. `Reconciling` and `Stalled`: as kstatus defines them.
    /// `RenewalClamped`: `renewal` did not fit the lifetime that STS returned. `ClockSkew`: the clock of
    /// the operator's node is more than a minute behind that of STS.
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

    /// ARN of the principal that they stand for: the session of the assumed role.
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

    /// The value of the annotation `tempcred.dev/renew-requested-at` that was last acted upon; `sha256:` and
    /// its hash if it is longer than 253 characters or not in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_renew_request: Option<String>,

    /// What stands in the way; absent when all is well.
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

/// What stands in the way of issuing or renewing, and when the next attempt comes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailureStatus {
    /// `Blocked`: the spec or the cluster must change. `Refused`: AWS says no. `Throttled`: AWS
    /// asks for patience. `Transient`: it should pass by itself.
    pub class: crate::failure::Class,
    /// The reason, as in the conditions.
    pub reason: String,
    /// What happened and what to change.
    pub message: String,
    /// How many attempts in a row have failed like this.
    #[schemars(schema_with = "count_schema")]
    pub count: u32,
    /// When the first of them failed.
    pub since: Time,
    /// When the next attempt comes.
    pub next_attempt: Time,
}

fn count_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    // By hand: the derived schema of a u32 carries `format: uint32`, which Kubernetes does not know.
    schemars::json_schema!({"type": "integer", "format": "int32", "minimum": 1})
}
