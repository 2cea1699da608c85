//! GetFederationToken.

use jiff::Timestamp;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::get_federation_token::Request;

use crate::aws::params::{policy_arns, tags};
use crate::aws::reply::checked;
use crate::aws::session::Session;

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
    requested_at: Timestamp,
) -> Result<Credentials, Problem> {
    let send = |client: aws_sdk_sts::Client| {
        client
            .get_federation_token()
            .name(&request.spec.name)
            .duration_seconds(request.spec.duration.as_i32())
            .set_policy(request.spec.policies.policy.clone())
            .set_policy_arns(policy_arns(&request.spec.policies.policy_arns))
            .set_tags(tags(request.spec.tags.iter()))
            .send()
    };
    let output = session.call(Request::ACTION, request.target(), send).await?;
    let principal = output.federated_user.map(|user| user.arn);
    #[expect(deprecated, reason = "the only such field that STS returns in every partition")]
    let packed = output.packed_policy_size;
    checked(Request::ACTION, request.target(), requested_at, output.credentials, principal, packed)
}
