//! AssumeRoleWithWebIdentity.

use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use secrecy::ExposeSecret;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::assume_role_with_web_identity::Request;

use crate::aws::params::policy_arns;
use crate::aws::reply::access_key;
use crate::aws::session::{Session, SessionCall};

pub(in crate::aws) async fn call(
    request: &Request,
    session: &Session,
    inputs: &Inputs,
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
    let read = |output: AssumeRoleWithWebIdentityOutput| {
        #[expect(deprecated, reason = "the only field that this action has for it everywhere")]
        let packed = output.packed_policy_size;
        access_key(output.credentials, output.assumed_role_user.map(|user| user.arn), packed)
    };
    let call = SessionCall { action: Request::ACTION, target: request.target(), session_name: Some(&request.session) };
    session.issue(call, send, read).await
}
