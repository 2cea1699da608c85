//! AssumeRoleWithSAML.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::assume_role_with_saml::Request;

use crate::aws::params::policy_arns;
use crate::aws::reply::checked;
use crate::aws::session::Session;

pub(super) async fn call(
    request: &Request,
    session: &Session,
    inputs: &Inputs,
    requested_at: Timestamp,
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
    let output = session.call(Request::ACTION, request.target(), send).await?;
    let principal = output.assumed_role_user.map(|user| user.arn);
    #[expect(deprecated, reason = "the only such field that STS returns in every partition")]
    let packed = output.packed_policy_size;
    checked(Request::ACTION, request.target(), requested_at, output.credentials, principal, packed)
}
