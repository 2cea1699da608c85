//! GetWebIdentityToken.

use jiff::Timestamp;
use tempcred_core::credentials::{Credentials, Reply, Values};
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::get_web_identity_token::Request;

use crate::aws::params::tags;
use crate::aws::reply::usable;
use crate::aws::session::Session;

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
    requested_at: Timestamp,
) -> Result<Credentials, Problem> {
    let send = |client: aws_sdk_sts::Client| {
        client
            .get_web_identity_token()
            .set_audience(Some(request.spec.audiences.clone()))
            .signing_algorithm(request.spec.signing_algorithm.as_str())
            .duration_seconds(request.spec.duration.as_i32())
            .set_tags(tags(request.spec.tags.iter()))
            .send()
    };
    let output = session.call(Request::ACTION, request.target(), send).await?;
    let expiration = output.expiration.and_then(|at| Timestamp::from_second(at.secs()).ok());
    let reply = Reply {
        values: Values::Token(output.web_identity_token.unwrap_or_default().into()),
        // The SDK uses the epoch for a missing expiration in other replies, and the validation rejects it.
        expiration: expiration.unwrap_or(Timestamp::UNIX_EPOCH),
        principal_arn: None,
        packed_policy_size: None,
    };
    usable(Request::ACTION, request.target(), requested_at, reply)
}
