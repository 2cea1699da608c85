//! Renders credentials as environment variables and files.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::keys::{CREDENTIAL_PROCESS, CREDENTIALS_FILE, EXPIRATION, TOKEN, env};
use super::template::{self, Variables};
use crate::api::Format;
use crate::credentials::{AccessKey, Credentials, Values};
use crate::desired::Desired;
use crate::request::InvalidRequest;

/// The JSON document that SDKs expect from a [`credential_process`], version 1.
///
/// [`credential_process`]: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessCredentials<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
}

/// The data of the Secret: one entry for each key.
///
/// # Errors
/// [`InvalidRequest::Template`] if a template cannot be rendered with these values.
pub(super) fn data(
    desired: &Desired,
    credentials: &Credentials,
) -> Result<BTreeMap<String, SecretString>, InvalidRequest> {
    let keys = match &credentials.values {
        Values::AccessKey(keys) => keys,
        Values::Token(token) => {
            let expiration = credentials.expiration.to_string().into();
            let token = (TOKEN.to_owned(), token.clone());
            return Ok(BTreeMap::from([token, (EXPIRATION.to_owned(), expiration)]));
        }
    };
    let expiration = credentials.expiration.to_string();
    let variables = Variables {
        access_key_id: &keys.access_key_id,
        secret_access_key: keys.secret_access_key.expose_secret(),
        session_token: keys.session_token.expose_secret(),
        expiration: &expiration,
        region: desired.region.as_deref(),
        principal_arn: credentials.principal_arn.as_deref(),
        namespace: &desired.namespace,
        name: &desired.name,
    };
    let mut data = template::render(&desired.secret.template, variables)?;
    for format in &desired.secret.formats {
        match format {
            Format::Env => {
                let variables = environment(desired, keys, &expiration);
                data.extend(variables.into_iter().map(|(key, value)| (key.to_owned(), value)));
            }
            Format::CredentialsFile => {
                data.insert(CREDENTIALS_FILE.to_owned(), credentials_file(desired, keys));
            }
            Format::CredentialProcess => {
                let document = credential_process(keys, expiration.clone());
                data.insert(CREDENTIAL_PROCESS.to_owned(), document);
            }
        }
    }
    Ok(data)
}

fn environment(
    desired: &Desired,
    keys: &AccessKey,
    expiration: &str,
) -> Vec<(&'static str, SecretString)> {
    let mut variables = vec![
        (env::ACCESS_KEY_ID, keys.access_key_id.clone().into()),
        (env::SECRET_ACCESS_KEY, keys.secret_access_key.clone()),
        (env::SESSION_TOKEN, keys.session_token.clone()),
        (env::EXPIRATION, expiration.to_owned().into()),
    ];
    if let Some(region) = &desired.region {
        variables.push((env::REGION, in_line(region).into()));
    }
    variables
}

/// Removes characters that could break out of a line of the file. The CRD rejects them, but an older CRD may not.
fn in_line(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "_.@/+-".contains(*c)).collect()
}

/// The name of the profile. An empty name would make the file invalid.
fn profile(desired: &Desired) -> String {
    let name = in_line(&desired.secret.profile);
    if name.is_empty() { "default".to_owned() } else { name }
}

fn credentials_file(desired: &Desired, keys: &AccessKey) -> SecretString {
    let region = desired.region.as_deref().map(in_line);
    let region = region.map(|region| format!("region = {region}\n")).unwrap_or_default();
    format!(
        "[{}]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n{region}",
        profile(desired),
        keys.access_key_id,
        keys.secret_access_key.expose_secret(),
        keys.session_token.expose_secret(),
    )
    .into()
}

fn credential_process(keys: &AccessKey, expiration: String) -> SecretString {
    let credentials = ProcessCredentials {
        version: 1,
        access_key_id: &keys.access_key_id,
        secret_access_key: keys.secret_access_key.expose_secret(),
        session_token: keys.session_token.expose_secret(),
        expiration,
    };
    // Serialising a structure of strings cannot fail.
    serde_json::to_string(&credentials).unwrap_or_default().into()
}
