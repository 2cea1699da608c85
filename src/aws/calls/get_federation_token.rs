//! GetFederationToken.

use aws_sdk_sts::operation::get_federation_token::GetFederationTokenOutput;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::get_federation_token::Request;

use crate::aws::params::{policy_arns, tags};
use crate::aws::reply::access_key;
use crate::aws::session::{Session, SessionCall};

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
) -> Result<Credentials, Problem> {
    let send = |client: aws_sdk_sts::Client| {
        client
            .get_federation_token()
            .name(&request.name)
            .duration_seconds(request.duration.as_i32())
            .set_policy(request.policies.policy.clone())
            .set_policy_arns(policy_arns(&request.policies.policy_arns))
            .set_tags(tags(request.tags.iter()))
            .send()
    };
    let read = |output: GetFederationTokenOutput| {
        #[expect(deprecated, reason = "the only field that this action has for it everywhere")]
        let packed = output.packed_policy_size;
        access_key(output.credentials, output.federated_user.map(|user| user.arn), packed)
    };
    let call = SessionCall { action: Request::ACTION, target: request.target(), session_name: Some(&request.name) };
    session.issue(call, send, read).await
}
