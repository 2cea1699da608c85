//! Reads credentials from a Secret, so that the Secret can be rendered again without a call to STS.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::SecretString;
use serde::Deserialize;

use super::keys::{CREDENTIAL_PROCESS, CREDENTIALS_FILE, TOKEN, env};
use super::record::IssueRecord;
use crate::credentials::{AccessKey, Credentials, Values};

/// Access key ID, secret access key and session token. They are borrowed, and copied only if all three are found.
type Borrowed<'a> = (&'a str, &'a str, &'a str);

/// The credentials in the data of a Secret, if they are still those of `record`. `None` if no format contains them.
///
/// One unedited format is enough.
pub fn read_credentials(
    data: &BTreeMap<String, ByteString>,
    record: &IssueRecord,
) -> Option<Credentials> {
    let keys = [from_variables(data), from_file(data), from_process(data)].into_iter().flatten();
    let keys = keys.map(|(access_key_id, secret, token)| {
        Values::AccessKey(AccessKey {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: SecretString::from(secret),
            session_token: SecretString::from(token),
        })
    });
    let token = text(data, TOKEN).map(|token| Values::Token(SecretString::from(token)));
    keys.chain(token)
        .map(|values| Credentials {
            values,
            issued_at: record.issued_at,
            expiration: record.expiration,
            principal_arn: record.principal_arn.clone(),
            packed_policy_size: record.packed_policy_size,
        })
        .find(|credentials| credentials.fingerprint() == record.fingerprint)
}

fn text<'a>(data: &'a BTreeMap<String, ByteString>, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&data.get(key)?.0).ok()
}

fn from_variables(data: &BTreeMap<String, ByteString>) -> Option<Borrowed<'_>> {
    let value = |key| text(data, key);
    Some((value(env::ACCESS_KEY_ID)?, value(env::SECRET_ACCESS_KEY)?, value(env::SESSION_TOKEN)?))
}

fn from_file(data: &BTreeMap<String, ByteString>) -> Option<Borrowed<'_>> {
    let file = text(data, CREDENTIALS_FILE)?;
    // Only the first `=` separates key and value: secret keys and tokens contain more of them.
    let value = |wanted: &str| {
        let pairs = file.lines().filter_map(|line| line.split_once('='));
        let mut pairs = pairs.map(|(key, value)| (key.trim(), value.trim()));
        pairs.find(|(key, _)| *key == wanted).map(|(_, value)| value)
    };
    Some((
        value("aws_access_key_id")?,
        value("aws_secret_access_key")?,
        value("aws_session_token")?,
    ))
}

/// The process credentials. The values can be borrowed, because they contain no escapes: [`Credentials::check`] rejects
/// quotes and backslashes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Process<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
}

fn from_process(data: &BTreeMap<String, ByteString>) -> Option<Borrowed<'_>> {
    let read: Process<'_> = serde_json::from_str(text(data, CREDENTIAL_PROCESS)?).ok()?;
    Some((read.access_key_id, read.secret_access_key, read.session_token))
}
