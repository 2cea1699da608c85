//! AssumeRoot.

use aws_sdk_sts::types::PolicyDescriptorType;
use jiff::Timestamp;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::assume_root::Request;

use crate::aws::reply::checked;
use crate::aws::session::Session;

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
    requested_at: Timestamp,
) -> Result<Credentials, Problem> {
    let task = PolicyDescriptorType::builder().arn(&request.spec.task_policy_arn).build();
    let send = |client: aws_sdk_sts::Client| {
        client
            .assume_root()
            .target_principal(&request.spec.target_principal)
            .task_policy_arn(task)
            .duration_seconds(request.spec.duration.as_i32())
            .send()
    };
    let output = session.call(Request::ACTION, request.target(), send).await?;
    checked(Request::ACTION, request.target(), requested_at, output.credentials, None, None)
}
