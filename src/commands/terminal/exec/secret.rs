//! Reads the credentials of a resource from its Secret.

use anyhow::{Context, bail};
use jiff::Timestamp;
use k8s_openapi::api::core::v1;
use kube::Api;
use tempcred_core::credentials::{AccessKey, Credentials, Values};
use tempcred_core::secret::{IssueRecord, Ownership, ownership, read_credentials};

use crate::commands::terminal::kube::{Connection, Credential, secret_name};

/// The Secret of a resource.
pub struct Secret {
    connection: Connection,
    name: String,
}

/// Credentials that can be used now.
pub struct Usable {
    /// The access key.
    pub key: AccessKey,
    /// When it expires.
    pub expiration: Timestamp,
    /// The region of the resource.
    pub region: Option<String>,
}

impl Secret {
    /// The Secret of the resource with this name.
    pub fn new(connection: Connection, name: String) -> Self {
        Self { connection, name }
    }

    /// Reads the current credentials.
    ///
    /// # Errors
    /// If the resource is not ready, or its Secret does not contain valid credentials. The message says what to do, and
    /// contains no value.
    pub async fn read(&self) -> anyhow::Result<Usable> {
        let credential = self.connection.credential(&self.name).await?;
        ready(&credential)?;
        let secret_name = secret_name(&credential);
        let namespace = &self.connection.namespace;
        let api: Api<v1::Secret> = Api::namespaced(self.connection.values.clone(), namespace);
        let secret = match api.get_opt(secret_name).await {
            Ok(found) => found.with_context(|| {
                format!("there is no Secret {secret_name}: wait until the operator has written it")
            })?,
            Err(kube::Error::Api(status)) if status.code == 403 => bail!(
                "you may not read Secret {secret_name} in namespace {namespace}: ask for the permission to get it"
            ),
            // The error may quote the reply.
            Err(_) => {
                bail!("Secret {secret_name} cannot be read: check the connection to the cluster")
            }
        };
        let region = credential.spec.region.clone();
        usable(&credential, &secret, region, Timestamp::now())
            .with_context(|| format!("Secret {secret_name} cannot be used"))
    }
}

fn ready(credential: &Credential) -> anyhow::Result<()> {
    let name = credential.metadata.name.as_deref().unwrap_or_default();
    let readiness = credential.status.as_ref().and_then(|status| status.readiness());
    match readiness {
        Some(readiness) if readiness.ready => Ok(()),
        Some(readiness) => bail!(
            "TemporaryCredential {name} is not ready: {}. See `tempcred status {name}`",
            readiness.message.trim_end_matches('.')
        ),
        None => bail!("TemporaryCredential {name} has no status yet: check that the operator runs"),
    }
}

fn usable(
    credential: &Credential,
    secret: &v1::Secret,
    region: Option<String>,
    now: Timestamp,
) -> anyhow::Result<Usable> {
    let uid = credential.metadata.uid.as_deref().unwrap_or_default();
    if let Ownership::Foreign(why) = ownership(&secret.metadata, uid) {
        bail!("{why}");
    }
    let record = secret.metadata.annotations.as_ref().and_then(IssueRecord::read);
    let data = secret.data.as_ref();
    let read = record.as_ref().zip(data).and_then(|(record, data)| read_credentials(data, record));
    let Some(Credentials { values, expiration, .. }) = read else {
        bail!("somebody edited it: wait a moment until the operator has restored it");
    };
    if expiration <= now {
        bail!(
            "its credentials expired at {expiration}: `tempcred status` shows why they were not renewed"
        );
    }
    match values {
        Values::AccessKey(key) => Ok(Usable { key, expiration, region }),
        Values::Token(_) => {
            bail!("it contains a web identity token and no access key: mount it into a Pod instead")
        }
    }
}
