//! Who talks to the API server, and the kubeconfig files for it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::random;

/// Somebody whom the API server knows by a token.
#[derive(Clone)]
pub struct User {
    name: String,
    group: Option<&'static str>,
    token: String,
}

impl User {
    /// A user with a token of its own.
    pub(crate) fn new(name: &str, group: Option<&'static str>) -> Self {
        Self { name: name.to_owned(), group, token: random::hex::<24>() }
    }

    /// The name that RBAC and the audit log know.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A line for `--token-auth-file`.
    pub(crate) fn line(&self) -> String {
        let Self { name, group, token } = self;
        match group {
            Some(group) => format!("{token},{name},{name},\"{group}\"\n"),
            None => format!("{token},{name},{name}\n"),
        }
    }

    /// A kubeconfig. As JSON, which every reader of YAML takes.
    pub(crate) fn kubeconfig(&self, server: &str, ca_pem: &[u8]) -> Value {
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
            "users": [{ "name": self.name, "user": { "token": self.token } }],
            "contexts": [{ "name": "rig", "context": { "cluster": "rig", "user": self.name } }],
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
