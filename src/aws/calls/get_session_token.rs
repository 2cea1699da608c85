//! GetSessionToken.

use aws_sdk_sts::operation::get_session_token::GetSessionTokenOutput;
use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::StsRequest;
use tempcred_core::request::inputs::Inputs;
use tempcred_core::request::get_session_token::Request;

use crate::aws::reply::access_key;
use crate::aws::session::{Session, SessionCall};

pub(super) async fn call(
    request: &Request,
    session: &Session,
    _: &Inputs,
) -> Result<Credentials, Problem> {
    let send = |client: aws_sdk_sts::Client| {
        client.get_session_token().duration_seconds(request.duration.as_i32()).send()
    };
    let read = |output: GetSessionTokenOutput| access_key(output.credentials, None, None);
    let call = SessionCall { action: Request::ACTION, target: request.target(), session_name: None };
    session.issue(call, send, read).await
}
