//! The values that a request is made with, fetched right before it and kept nowhere.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use secrecy::SecretString;

use super::errors::request;
use super::{Cluster, Failed};
use crate::api::SecretKeyRef;
use crate::failure::Problem;
use crate::reason::Reason;
use crate::source::{Materials, Source, missing};

/// How long a ServiceAccount's token is asked to live, in seconds: the least that Kubernetes gives.
const TOKEN_LIFETIME: i64 = 600;

impl Cluster {
    /// Fetches the values of all `sources`.
    ///
    /// # Errors
    /// `SourceMissing` names what is not there, `ClusterRefused` what the operator may not have.
    pub async fn materials(
        &self,
        namespace: &str,
        sources: Vec<Source>,
    ) -> Result<Materials, Problem> {
        let mut materials = Materials::default();
        for source in sources {
            let value = match &source {
                Source::SecretKey(key) => self.secret_key(namespace, key).await?,
                Source::Token { service_account, audience } => {
                    self.token(namespace, service_account, audience).await?
                }
            };
            materials.insert(source, value);
        }
        Ok(materials)
    }

    async fn secret_key(
        &self,
        namespace: &str,
        wanted: &SecretKeyRef,
    ) -> Result<SecretString, Problem> {
        let SecretKeyRef { name, key } = wanted;
        let api: Api<Secret> = Api::namespaced(self.values.clone(), namespace);
        let what = format!("Reading Secret {name}");
        let absent = format!("Secret {name}, whose key {key} is needed, does not exist");
        let secret = request(&what, Reason::ClusterRefused, api.get_opt(name)).await;
        let secret = secret.map_err(|failed| no_longer(failed, &absent))?;
        let secret = secret.ok_or_else(|| missing(&absent))?;
        let value = secret.data.and_then(|mut data| data.remove(key));
        let value = value.ok_or_else(|| missing(&format!("Secret {name} has no key {key}")))?;
        let text = String::from_utf8(value.0);
        Ok(text.map_err(|_| missing(&format!("Key {key} of Secret {name} is no text")))?.into())
    }

    async fn token(
        &self,
        namespace: &str,
        name: &str,
        audience: &str,
    ) -> Result<SecretString, Problem> {
        let api: Api<ServiceAccount> = Api::namespaced(self.values.clone(), namespace);
        let wanted = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                expiration_seconds: Some(TOKEN_LIFETIME),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let what = format!("Requesting a token for ServiceAccount {name}");
        let absent = format!("ServiceAccount {name} does not exist");
        let params = PostParams::default();
        let create = api.create_token_request(name, &params, &wanted);
        let reply = request(&what, Reason::ClusterRefused, create).await;
        let reply = reply.map_err(|failed| no_longer(failed, &absent))?;
        Ok(reply.status.map(|status| status.token).unwrap_or_default().into())
    }
}

/// A source that is gone is missing like one that never was.
fn no_longer(failed: Failed, absent: &str) -> Problem {
    match failed {
        Failed::Problem(problem) => problem,
        Failed::Conflict => missing(absent),
    }
}
