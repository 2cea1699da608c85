//! Translates a document of a `credential_process` into one of a credentials endpoint.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tempcred_core::credentials::AccessKey;
use thiserror::Error;

/// The only version of the document.
const VERSION: u32 = 1;

/// Why there are no credentials. It never contains a value.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The content cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The content is not what it should be.
    #[error(
        "{0}: mount the key `credentials.json` of a Secret that tempcred writes with the format `credentialProcess`"
    )]
    Invalid(&'static str),
    /// The credentials have expired.
    #[error(
        "the credentials expired at {0}: the status of the TemporaryCredential says why they are not renewed; a file \
         that is mounted with `subPath` is never updated"
    )]
    Expired(Timestamp),
}

impl Unavailable {
    /// A short name for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "CredentialsUnreadable",
            Self::Invalid(_) => "CredentialsInvalid",
            Self::Expired(_) => "CredentialsExpired",
        }
    }
}

/// Complete credentials that have not expired. They cannot be printed.
pub(crate) struct Document {
    pub(crate) key: AccessKey,
    pub(crate) expiration: Timestamp,
}

/// What is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessCredentials {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: Timestamp,
}

/// What is served.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerCredentials<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: String,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// If it is incomplete, or has expired at `now`. Errors of the parser are not passed on: they may quote a value.
    pub(super) fn parse(text: &SecretString, now: Timestamp) -> Result<Self, Unavailable> {
        let incomplete = "the file does not contain complete process credentials as JSON";
        let found: ProcessCredentials = serde_json::from_str(text.expose_secret())
            .map_err(|_| Unavailable::Invalid(incomplete))?;
        let key = AccessKey {
            access_key_id: found.access_key_id,
            secret_access_key: found.secret_access_key.into(),
            session_token: found.session_token.into(),
        };
        if found.version != VERSION {
            return Err(Unavailable::Invalid("the file does not have version 1"));
        }
        let values = [
            key.access_key_id.as_str(),
            key.secret_access_key.expose_secret(),
            key.session_token.expose_secret(),
        ];
        if values.contains(&"") {
            return Err(Unavailable::Invalid("the file contains an empty value"));
        }
        if found.expiration <= now {
            return Err(Unavailable::Expired(found.expiration));
        }
        Ok(Self { key, expiration: found.expiration })
    }

    /// The reply to an SDK.
    pub(super) fn body(&self) -> Vec<u8> {
        let reply = ContainerCredentials {
            access_key_id: &self.key.access_key_id,
            secret_access_key: self.key.secret_access_key.expose_secret(),
            token: self.key.session_token.expose_secret(),
            expiration: self.expiration.to_string(),
        };
        // Serialising four strings cannot fail.
        serde_json::to_vec(&reply).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EXPIRATION: &str = "2026-05-01T12:00:00Z";

    fn file() -> Value {
        json!({
            "Version": 1, "AccessKeyId": "ASIA1", "SecretAccessKey": "wJalr\"x", "SessionToken": "token",
            "Expiration": EXPIRATION,
        })
    }

    fn at(text: &str, now: &str) -> Result<Value, Unavailable> {
        let document = Document::parse(&text.into(), now.parse().unwrap())?;
        Ok(serde_json::from_slice(&document.body()).unwrap())
    }

    #[test]
    fn credentials_are_served_until_they_expire_and_no_longer() {
        let served = at(&file().to_string(), "2026-05-01T11:59:59Z").unwrap();
        let expected = json!({
            "AccessKeyId": "ASIA1", "SecretAccessKey": "wJalr\"x", "Token": "token", "Expiration": EXPIRATION,
        });
        assert_eq!(served, expected);
        let expired = at(&file().to_string(), EXPIRATION).unwrap_err();
        assert_eq!(expired.code(), "CredentialsExpired");
        assert!(expired.to_string().contains(EXPIRATION));
    }

    #[test]
    fn an_incomplete_document_is_an_error_that_contains_no_value() {
        let without = |field: &str, value: Value| {
            let mut file = file();
            file[field] = value;
            file.to_string()
        };
        for text in [
            without("Version", json!(2)),
            without("Version", Value::Null),
            without("AccessKeyId", Value::Null),
            without("SecretAccessKey", json!("")),
            without("SecretAccessKey", json!(["wJalr"])),
            without("SessionToken", Value::Null),
            without("Expiration", json!("wJalr")),
            without("Expiration", Value::Null),
            String::new(),
            "{".to_owned(),
            "wJalr".to_owned(),
        ] {
            let error = at(&text, "2026-05-01T11:00:00Z").unwrap_err();
            assert_eq!(error.code(), "CredentialsInvalid", "{text}");
            assert!(!error.to_string().contains("wJalr"), "{error}");
        }
    }
}
