//! The environment of the command. Nothing is passed as an argument, because every user of the machine can read those.

use std::process::Command;

use secrecy::ExposeSecret;

use super::agent::Endpoint;
use super::secret::Usable;

/// Variables that name other credentials. SDKs might prefer them.
const CONFLICTING: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
];

/// Files that SDKs read before they ask the endpoint. The credentials of a default profile would win.
const FILES: &[&str] = &["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"];

/// Writes the credentials to the environment of the command.
pub fn fill(command: &mut Command, credentials: &Usable) {
    remove_conflicting(command);
    let key = &credentials.key;
    command
        .env("AWS_ACCESS_KEY_ID", &key.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", key.secret_access_key.expose_secret())
        .env("AWS_SESSION_TOKEN", key.session_token.expose_secret())
        .env("AWS_CREDENTIAL_EXPIRATION", credentials.expiration.to_string());
    region(command, credentials.region.as_deref());
}

/// Tells the SDKs in the command where they get the credentials.
pub fn serve(command: &mut Command, endpoint: &Endpoint, own_region: Option<&str>) {
    remove_conflicting(command);
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &endpoint.url)
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", endpoint.token.expose_secret());
    for file in FILES {
        command.env(file, "/dev/null");
    }
    region(command, own_region);
}

fn remove_conflicting(command: &mut Command) {
    for name in CONFLICTING {
        command.env_remove(name);
    }
}

/// Some SDKs read only the second variable.
fn region(command: &mut Command, region: Option<&str>) {
    if let Some(region) = region {
        command.env("AWS_REGION", region).env("AWS_DEFAULT_REGION", region);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tempcred_core::credentials::AccessKey;

    fn changes(command: &Command) -> BTreeMap<String, Option<String>> {
        let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
        command.get_envs().map(|(name, value)| (text(name), value.map(text))).collect()
    }

    #[test]
    fn the_command_gets_only_these_credentials_and_none_as_an_argument() {
        let key = AccessKey {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned().into(),
            session_token: "token".to_owned().into(),
        };
        let expiration = "2026-01-01T12:00:00Z".parse().unwrap();
        let mut command = Command::new("true");
        fill(&mut command, &Usable { key, expiration, region: Some("eu-west-1".to_owned()) });
        let set = changes(&command);
        let value = |name: &str| set[name].as_deref();
        assert_eq!(value("AWS_ACCESS_KEY_ID"), Some("ASIAEXAMPLE"));
        assert_eq!(value("AWS_SECRET_ACCESS_KEY"), Some("secret"));
        assert_eq!(value("AWS_SESSION_TOKEN"), Some("token"));
        assert_eq!(value("AWS_CREDENTIAL_EXPIRATION"), Some("2026-01-01T12:00:00Z"));
        assert_eq!(value("AWS_REGION"), Some("eu-west-1"));
        for name in ["AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ROLE_ARN"] {
            assert_eq!(value(name), None, "{name}");
        }
        assert_eq!(command.get_args().count(), 0);
    }
}
