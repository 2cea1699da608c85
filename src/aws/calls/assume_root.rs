//! AssumeRoot.

use aws_sdk_sts::operation::assume_root::AssumeRootOutput;
use aws_sdk_sts::types::PolicyDescriptorType;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::assume_root::Request;

use crate::aws::reply::access_key;
use crate::aws::session::{Session, SessionCall};

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
) -> Result<Credentials, Problem> {
    let task = PolicyDescriptorType::builder().arn(&request.task_policy_arn).build();
    let send = |client: aws_sdk_sts::Client| {
        client
            .assume_root()
            .target_principal(&request.target_principal)
            .task_policy_arn(task)
            .duration_seconds(request.duration.as_i32())
            .send()
    };
    let read = |output: AssumeRootOutput| access_key(output.credentials, None, None);
    let call = SessionCall { action: Request::ACTION, target: request.target(), session_name: None };
    session.issue(call, send, read).await
}
