//! Validates the replies of STS before they are used.

use jiff::Timestamp;
use tempcred_core::credentials::{AccessKey, Credentials, Reply, Values};
use tempcred_core::problem::{Problem, Reason};

/// Validates the credentials in the reply to a call. Only validated credentials are written, or used to sign.
///
/// # Errors
/// `InvalidReply` if there are no credentials, or if they are incomplete or expired.
pub fn checked(
    action: &str,
    target: &str,
    requested_at: Timestamp,
    credentials: Option<aws_sdk_sts::types::Credentials>,
    principal_arn: Option<String>,
    packed_policy_size: Option<i32>,
) -> Result<Credentials, Problem> {
    let missing = |what: &str| {
        Problem::of_call(
            Reason::InvalidReply,
            action,
            target,
            &format!("the reply of STS contains no {what}; it was not used"),
        )
    };
    let credentials = credentials.ok_or_else(|| missing("credentials"))?;
    let expiration = Timestamp::from_second(credentials.expiration.secs());
    let values = Values::AccessKey(AccessKey {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.into(),
        session_token: credentials.session_token.into(),
    });
    let reply = Reply {
        values,
        expiration: expiration.map_err(|_| missing("valid expiration"))?,
        principal_arn: principal_arn.filter(|arn| !arn.is_empty()),
        packed_policy_size,
    };
    usable(action, target, requested_at, reply)
}

/// Validates a reply.
///
/// # Errors
/// `InvalidReply` if the reply is incomplete or expired.
pub fn usable(
    action: &str,
    target: &str,
    requested_at: Timestamp,
    reply: Reply,
) -> Result<Credentials, Problem> {
    Credentials::check(reply, requested_at, Timestamp::now()).map_err(|unusable| {
        Problem::of_call(Reason::InvalidReply, action, target, &unusable.to_string())
    })
}
