//! AssumeRoleWithSAML.

use aws_sdk_sts::operation::assume_role_with_saml::AssumeRoleWithSamlOutput;
use secrecy::ExposeSecret;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::assume_role_with_saml::Request;

use crate::aws::params::policy_arns;
use crate::aws::reply::access_key;
use crate::aws::session::{Session, SessionCall};

pub(super) async fn call(
    request: &Request,
    session: &Session,
    inputs: &Inputs,
) -> Result<Credentials, Problem> {
    let assertion = inputs.get(&request.assertion())?.expose_secret().trim();
    let send = |client: aws_sdk_sts::Client| {
        client
            .assume_role_with_saml()
            .role_arn(request.role.as_str())
            .principal_arn(&request.spec.principal_arn)
            .saml_assertion(assertion)
            .duration_seconds(request.spec.duration.as_i32())
            .set_policy(request.spec.policies.policy.clone())
            .set_policy_arns(policy_arns(&request.spec.policies.policy_arns))
            .send()
    };
    let read = |output: AssumeRoleWithSamlOutput| {
        #[expect(deprecated, reason = "the only field that this action has for it everywhere")]
        let packed = output.packed_policy_size;
        access_key(output.credentials, output.assumed_role_user.map(|user| user.arn), packed)
    };
    let call = SessionCall { action: Request::ACTION, target: request.target(), session_name: None };
    session.issue(call, send, read).await
}
