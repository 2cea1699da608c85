//! GetWebIdentityToken.

use aws_sdk_sts::operation::get_web_identity_token::GetWebIdentityTokenOutput;
use jiff::Timestamp;
use tempcred_core::credentials::{Credentials, Reply, Values};
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::get_web_identity_token::Request;

use crate::aws::params::tags;
use crate::aws::session::{Session, SessionCall};

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
) -> Result<Credentials, Problem> {
    let send = |client: aws_sdk_sts::Client| {
        client
            .get_web_identity_token()
            .set_audience(Some(request.audiences.clone()))
            .signing_algorithm(request.signing_algorithm.as_str())
            .duration_seconds(request.duration.as_i32())
            .set_tags(tags(request.tags.iter()))
            .send()
    };
    let read = |output: GetWebIdentityTokenOutput| {
        let expiration = output.expiration.and_then(|at| Timestamp::from_second(at.secs()).ok());
        Ok(Reply {
            values: Values::Token(output.web_identity_token.unwrap_or_default().into()),
            expiration: expiration.ok_or("valid expiration")?,
            principal_arn: None,
            packed_policy_size: None,
        })
    };
    let call = SessionCall { action: Request::ACTION, target: request.target(), session_name: None };
    session.issue(call, send, read).await
}
