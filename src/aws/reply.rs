//! Reads the replies of STS. Nothing in them is used before it has been checked.

use aws_sdk_sts::types::Credentials as SdkCredentials;
use jiff::Timestamp;
use tempcred_core::credentials::{AccessKey, Reply, Values};

/// The reply to a call that returns an access key.
///
/// # Errors
/// The name of the part that is missing.
pub(super) fn access_key(
    credentials: Option<SdkCredentials>,
    principal_arn: Option<String>,
    packed_policy_size: Option<i32>,
) -> Result<Reply, &'static str> {
    let credentials = credentials.ok_or("credentials")?;
    let expiration = Timestamp::from_second(credentials.expiration.secs());
    Ok(Reply {
        values: Values::AccessKey(AccessKey {
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key.into(),
            session_token: credentials.session_token.into(),
        }),
        expiration: expiration.map_err(|_| "valid expiration")?,
        principal_arn: principal_arn.filter(|arn| !arn.is_empty()),
        packed_policy_size,
    })
}
