//! AssumeRoot: a session for one privileged task in a member account.

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::invalid::InvalidRequest;
use super::sts_request::{Issues, StsRequest};
use crate::fields::{Duration, schema};

/// Get a session for one privileged task in a member account of the organization, by [AssumeRoot]. An identity of
/// the management account, or of a delegated administrator account, must sign the request.
///
/// [AssumeRoot]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("duration(self.duration) >= duration('1m') && duration(self.duration) <= duration('15m')", "duration must be between 1m and 15m: STS limits root sessions to 15 minutes"))]
pub struct AssumeRoot {
    /// The member account: its 12-digit account ID, or the ARN of its root user.
    #[schemars(length(min = 12, max = 2048), regex(pattern = r"^([0-9]{12}|arn:aws[a-z-]*:iam::[0-9]{12}:root)$"))]
    pub target_principal: String,

    /// ARN of the AWS managed policy that defines the task, for example
    /// `arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials`. 20 to 2048 characters.
    #[schemars(length(min = 20, max = 2048), regex(pattern = r"^arn:aws[a-z-]*:iam::aws:policy/root-task/[!-~]+$"))]
    pub task_policy_arn: String,

    /// Requested lifetime of the credentials: `1m` to `15m`. Default: `15m`.
    #[serde(default = "schema::fifteen_minutes")]
    pub duration: Duration,
}

/// Nothing is left to check: the spec is the request.
pub type Request = AssumeRoot;

impl StsRequest for AssumeRoot {
    type Spec = Self;

    const ACTION: &'static str = "AssumeRoot";

    const ISSUES: Issues = Issues::Key;

    fn new(spec: &Self, _: &str) -> Result<Self, InvalidRequest> {
        Ok(spec.clone())
    }

    fn target(&self) -> &str {
        &self.target_principal
    }

    fn arns(&self) -> Vec<&str> {
        vec![&self.target_principal, &self.task_policy_arn]
    }

    fn duration(&self) -> Duration {
        self.duration
    }
}
