//! The keys of the Secret that formats write.

/// Keys of the `env` format.
pub(super) mod env {
    pub(crate) const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
    pub(crate) const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
    pub(crate) const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
    pub(crate) const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";
    pub(crate) const REGION: &str = "AWS_REGION";
}

/// Key of the `credentialsFile` format.
pub(super) const CREDENTIALS_FILE: &str = "credentials";

/// Key of the `credentialProcess` format.
pub(super) const CREDENTIAL_PROCESS: &str = "credentials.json";

/// Key that contains a web identity token.
pub(super) const TOKEN: &str = "token";

/// Key that contains the expiration of a web identity token.
pub(super) const EXPIRATION: &str = "expiration";

/// The keys that formats write, which no template may write.
pub(super) const RESERVED_KEYS: &[&str] = &[
    env::ACCESS_KEY_ID,
    env::SECRET_ACCESS_KEY,
    env::SESSION_TOKEN,
    env::EXPIRATION,
    env::REGION,
    CREDENTIALS_FILE,
    CREDENTIAL_PROCESS,
    TOKEN,
    EXPIRATION,
];
