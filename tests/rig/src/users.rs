//! Users of the API server, and kubeconfig files for them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::random;

/// A user that the API server knows by a token.
#[derive(Clone)]
pub struct User {
    name: String,
    group: Option<&'static str>,
    /// Of a ServiceAccount: its namespace and name.
    account: Option<(String, String)>,
    /// Set at once, or for a ServiceAccount at its first use.
    token: OnceLock<String>,
}

impl User {
    /// A user with a token of its own.
    pub(crate) fn new(name: &str, group: Option<&'static str>) -> Self {
        let token = OnceLock::from(random::hex::<24>());
        Self { name: name.to_owned(), group, account: None, token }
    }

    /// A ServiceAccount, which may be created later: a token is requested when a kubeconfig is written for the
    /// first time. A recreated ServiceAccount is a new user.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let account = Some((namespace.to_owned(), name.to_owned()));
        let name = format!("system:serviceaccount:{namespace}:{name}");
        Self { name, group: None, account, token: OnceLock::new() }
    }

    /// Namespace and name, if it is a ServiceAccount.
    pub(crate) fn account(&self) -> Option<(&str, &str)> {
        self.account.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()))
    }

    /// The token; `request` gets that of a ServiceAccount.
    pub(crate) fn token(&self, request: impl FnOnce() -> Result<String>) -> Result<&str> {
        if let Some(token) = self.token.get() {
            return Ok(token);
        }
        let token = request()?;
        Ok(self.token.get_or_init(|| token))
    }

    /// The name that RBAC and the audit log know.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A line for `--token-auth-file`; none for a ServiceAccount.
    pub(crate) fn line(&self) -> String {
        let name = &self.name;
        let Some(token) = self.token.get() else {
            return String::new();
        };
        match self.group {
            Some(group) => format!("{token},{name},{name},\"{group}\"\n"),
            None => format!("{token},{name},{name}\n"),
        }
    }

    /// A kubeconfig. As JSON, which every reader of YAML takes.
    pub(crate) fn kubeconfig(&self, server: &str, ca_pem: &[u8]) -> Value {
        let mut context = json!({ "cluster": "rig", "user": self.name });
        if let Some((namespace, _)) = self.account() {
            context["namespace"] = namespace.into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "rig",
            "clusters": [{
                "name": "rig",
                "cluster": {
                    "server": server,
                    "certificate-authority-data": BASE64_STANDARD.encode(ca_pem),
                },
            }],
            "users": [{ "name": self.name, "user": { "token": self.token.get() } }],
            "contexts": [{ "name": "rig", "context": context }],
        })
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
