//! AssumeRoleWithWebIdentity.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::assume_role_with_web_identity::Request;

use crate::aws::params::policy_arns;
use crate::aws::reply::checked;
use crate::aws::session::Session;

pub(in crate::aws) async fn call(
    request: &Request,
    session: &Session,
    inputs: &Inputs,
    requested_at: Timestamp,
) -> Result<Credentials, Problem> {
    let token = inputs.get(&request.token)?.expose_secret().trim();
    let send = |client: aws_sdk_sts::Client| {
        client
            .assume_role_with_web_identity()
            .role_arn(request.role.as_str())
            .role_session_name(&request.session)
            .web_identity_token(token)
            .duration_seconds(request.spec.duration.as_i32())
            .set_policy(request.spec.policies.policy.clone())
            .set_policy_arns(policy_arns(&request.spec.policies.policy_arns))
            .send()
    };
    let output = session.call(Request::ACTION, request.target(), send).await?;
    let principal = output.assumed_role_user.map(|user| user.arn);
    #[expect(deprecated, reason = "the only such field that STS returns in every partition")]
    let packed = output.packed_policy_size;
    checked(Request::ACTION, request.target(), requested_at, output.credentials, principal, packed)
}
