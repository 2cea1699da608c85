//! AssumeRoot: one privileged task in a member account.

use aws_sdk_sts::types::PolicyDescriptorType;
use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Invalid, Perform};
use crate::api::{Duration, schema};
use crate::failure::Problem;
use crate::minted::Minted;
use crate::source::Materials;
use crate::sts::{Session, checked};

/// Do one privileged task in a member account of the organization, by [AssumeRoot]. The management
/// account, or a delegated administrator, has to sign the request.
///
/// [AssumeRoot]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("duration(self.duration) >= duration('1m') && duration(self.duration) <= duration('15m')", "duration must be between 1m and 15m: STS gives no longer session of a root user"))]
pub struct AssumeRoot {
    /// The member account: its ID of 12 digits, or the ARN of its root user.
    #[schemars(length(min = 12, max = 2048), regex(pattern = r"^([0-9]{12}|arn:aws[a-z-]*:iam::[0-9]{12}:root)$"))]
    pub target_principal: String,

    /// ARN of the managed policy that names the task, for example
    /// `arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials`. 20 to 2048 characters.
    #[schemars(length(min = 20, max = 2048), regex(pattern = r"^arn:aws[a-z-]*:iam::aws:policy/root-task/[!-~]+$"))]
    pub task_policy_arn: String,

    /// How long the credentials shall live: `1m` to `15m`. Default: `15m`.
    #[serde(default = "schema::fifteen_minutes")]
    pub duration: Duration,
}

/// A validated request. Serialised, it is part of the request hash.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Request {
    #[serde(flatten)]
    spec: AssumeRoot,
}

impl Request {
    /// There is nothing to check.
    #[expect(clippy::unnecessary_wraps, reason = "as every request is made")]
    pub(super) fn new(spec: &AssumeRoot, _: &str) -> Result<Self, Invalid> {
        Ok(Self { spec: spec.clone() })
    }
}

impl Perform for Request {
    const ACTION: &'static str = "AssumeRoot";

    fn target(&self) -> &str {
        &self.spec.target_principal
    }

    fn duration(&self) -> Duration {
        self.spec.duration
    }

    async fn call(&self, session: &Session, _: &Materials) -> Result<Minted, Problem> {
        let asked_at = Timestamp::now();
        let task = PolicyDescriptorType::builder().arn(&self.spec.task_policy_arn).build();
        let request = |client: aws_sdk_sts::Client| {
            client
                .assume_root()
                .target_principal(&self.spec.target_principal)
                .task_policy_arn(task)
                .duration_seconds(self.spec.duration.as_i32())
                .send()
        };
        let output = session.call(Self::ACTION, self.target(), request).await?;
        checked(Self::ACTION, self.target(), asked_at, output.credentials, None, None)
    }
}
